"""Amounts as people write them: major units with the currency's decimals, to and from integer minor units, exactly.

An ambiguous amount is rejected rather than guessed: a factor of a thousand is at stake.
"""

import re

from babel.numbers import get_decimal_symbol, get_group_symbol, get_minus_sign_symbol

from service.admin.i18n import gettext as _
from service.vocabulary import MAX_AMOUNT, MAX_AMOUNT_DIGITS

# Keyboards and copied text have several spaces and two apostrophes for one purpose.
_ALIKE = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "’": "'"})
_AMOUNT = re.compile(
    r"""
    (?P<units> [0-9]+ | [1-9][0-9]{0,2} (?P<group>[ ',.]) [0-9]{3} (?: (?P=group) [0-9]{3} )* )
    (?: (?!(?P=group)) (?P<mark>[.,]) (?P<fraction>[0-9]+) )?
    """,
    re.VERBOSE,
)
_COULD_BE_GROUPED = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


class MoneyError(ValueError):
    """Not an amount; the text says what is expected, in the language of the request."""


def format_money(minor: int, decimals: int, locale: str) -> str:
    """123456789 with 2 decimals is 1,234,567.89 in English and 1 234 567,89 in Russian."""
    units, fraction = divmod(abs(minor), 10**decimals)
    text = f"{units:,}".replace(",", get_group_symbol(locale))
    if decimals:
        text += f"{get_decimal_symbol(locale)}{fraction:0{decimals}}"
    return get_minus_sign_symbol(locale) + text if minor < 0 else text


def parse_money(text: str, decimals: int, locale: str) -> int:
    """Minor units of an amount of 1 or more; raises MoneyError.

    A point and a comma both mark decimals, whichever the reader's language prefers; both, spaces and apostrophes group
    digits. The one mark of "1,000" groups them only where it does so in the reader's language and cannot mark decimals.
    """
    written = text.translate(_ALIKE).strip()
    if not written:
        raise MoneyError(_("Enter an amount."))
    example = format_money(123456 * 10**decimals // 100, decimals, locale)
    match = _AMOUNT.fullmatch(written)
    if match is None:
        raise MoneyError(_("Enter a number, for example %(example)s.") % {"example": example})
    units, fraction = match["units"], match["fraction"] or ""
    if _COULD_BE_GROUPED.fullmatch(written) and match["mark"] == get_group_symbol(locale):
        if decimals >= len(fraction):
            raise MoneyError(
                _("This can be read in two ways. Write %(grouped)s or %(decimal)s.")
                % {"grouped": units + fraction, "decimal": f"{units}{get_decimal_symbol(locale)}{fraction}"}
            )
        units, fraction = units + fraction, ""
    if len(fraction) > decimals:
        raise MoneyError(_too_many_decimals(decimals, example))
    digits = re.sub(r"[^0-9]", "", units) + fraction.ljust(decimals, "0")
    # Before the conversion, whose time grows with the square of the length.
    significant = digits.lstrip("0")
    if not significant:
        raise MoneyError(_("The amount must be more than zero."))
    if len(significant) > MAX_AMOUNT_DIGITS or (minor := int(significant)) > MAX_AMOUNT:
        raise MoneyError(_("The most there can be is %(max)s.") % {"max": format_money(MAX_AMOUNT, decimals, locale)})
    return minor


def _too_many_decimals(decimals: int, example: str) -> str:
    if decimals == 0:
        return _("This currency has no decimals: enter a whole number, for example %(example)s.") % {"example": example}
    return _("Too many decimals: this currency has %(decimals)s, for example %(example)s.") % {
        "decimals": decimals,
        "example": example,
    }
