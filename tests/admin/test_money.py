"""Amounts as people write them, to and from minor units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admin.money import MoneyError, format_money, parse_money
from service.vocabulary import MAX_AMOUNT as MAX


def test_an_amount_is_written_as_the_language_does() -> None:
    for minor, decimals, english, russian in (
        (0, 2, "0.00", "0,00"),
        (5, 2, "0.05", "0,05"),
        (123_456_789, 2, "1,234,567.89", "1\u00a0234\u00a0567,89"),
        (1234, 0, "1,234", "1\u00a0234"),
        (1234, 3, "1.234", "1,234"),
        (-150, 2, "-1.50", "-1,50"),
        (MAX, 2, "92,233,720,368,547,758.07", "92\u00a0233\u00a0720\u00a0368\u00a0547\u00a0758,07"),
    ):
        assert (format_money(minor, decimals, "en"), format_money(minor, decimals, "ru")) == (english, russian)


@given(minor=st.integers(1, MAX), decimals=st.integers(0, 4), locale=st.sampled_from(["en", "ru"]))
def test_what_is_shown_can_be_typed(minor: int, decimals: int, locale: str) -> None:
    shown = format_money(minor, decimals, locale)
    try:
        read = parse_money(shown, decimals, locale)
    except MoneyError as error:
        pytest.fail(f"{shown}: {error}")
    assert read == minor


def test_an_unambiguous_amount_is_read() -> None:
    for text, decimals, locale, minor in (
        *(("100", 2, "en", 10_000), ("  100.5 ", 2, "en", 10_050), ("100,5", 2, "en", 10_050)),
        *(("100.50", 2, "ru", 10_050), ("007", 0, "en", 7), ("1 000", 2, "ru", 100_000)),
        *(("1\u00a0000\u202f000,01", 2, "ru", 100_000_001), ("1'000’000.01", 2, "en", 100_000_001)),
        *(("1,000", 2, "en", 100_000), ("1,000", 0, "en", 1000), ("1,000,000", 3, "en", 1_000_000_000)),
        *(("1,000.50", 2, "ru", 100_050), ("1.000,50", 2, "en", 100_050), ("1.000", 3, "en", 1000)),
        *(("1,000", 3, "ru", 1000), ("1234,567", 3, "en", 1_234_567), ("0,500", 3, "en", 500)),
    ):
        assert parse_money(text, decimals, locale) == minor, text


def test_any_other_amount_is_rejected_with_what_is_expected() -> None:
    no_numbers = (
        *("-1", "+1", "1-", "(1)", "1e3", "0x10", "1_000", "NaN", "Infinity", "ten", "1 RUB", "₽1", "1%"),
        *("٣", "１００", "²", "1\n000\n", "1\x00", "1 00", "10 00", "1  000", "1000 000", "01 000", "1 000'000"),
        *("1 000,000 000", ".5", "5.", ",", "1..0", "1.0.0", "1,000,00", "1,000,000,", "1.000,000.00", "1,0000,000.00"),
    )
    for text, decimals, locale, expected in (
        *((text, 2, "en", r"Enter a number, for example 1,234\.56") for text in no_numbers),
        *(("1,000", 3, "en", "Write 1000 or 1.000"), ("9,999", 4, "en", "or 9.999")),
        *(("", 2, "en", "Enter an amount"), ("\u00a0 ", 2, "en", "Enter an amount")),
        *(("0", 2, "en", "more than zero"), ("0.00", 2, "ru", "more than zero")),
        *(("1.234", 2, "en", "this currency has 2"), ("1,234", 2, "ru", "this currency has 2")),
        *(("0,123", 2, "en", "Too many decimals"), ("1.5", 0, "en", "no decimals")),
        ("92233720368547758.08", 2, "en", "92,233,720,368,547,758.07"),
        ("9" * 10_000, 0, "en", "The most there can be"),
    ):
        with pytest.raises(MoneyError, match=expected):
            parse_money(text, decimals, locale)


@given(text=st.text(alphabet="0123456789.,' \u00a0-e", max_size=12), decimals=st.integers(0, 4))
def test_any_text_is_an_amount_within_bounds_or_rejected(text: str, decimals: int) -> None:
    try:
        minor = parse_money(text, decimals, "ru")
    except MoneyError:
        return
    assert 1 <= minor <= MAX
