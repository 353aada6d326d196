"""Each word of the vocabulary has a name on pages, and an unknown one fails instead of being shown as another."""

import re
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
import pytest

from service import api_keys, errors, vocabulary
from service.admin import create_admin_app

ROOT = Path(__file__).resolve().parents[2]
# Texts in which a decision about a word of the vocabulary, or a code of the database, could hide.
SOURCES = [*(ROOT / "service/admin").rglob("*.py"), *(ROOT / "templates").rglob("*.html")]
REJECTIONS = (errors.INSUFFICIENT_FUNDS, errors.BALANCE_LIMIT_EXCEEDED, errors.WALLET_NOT_ACTIVE)


@pytest.fixture
def environment() -> jinja2.Environment:
    """The templates of the service, without the database that knows the currencies."""
    created = aiohttp_jinja2.get_env(create_admin_app(tls_proxy=False))
    created.filters.update(money=lambda minor, currency: str(minor), grouped=str)
    return created


def rendered(environment: jinja2.Environment, macro: str, **arguments: Any) -> str:
    text = f'{{% from "_partials.html" import change, badge %}}{{{{ {macro} }}}}'
    return environment.from_string(text).render(**arguments)


def test_each_word_has_a_name(environment: jinja2.Environment) -> None:
    for name, words in (
        ("operation_type", vocabulary.OPERATION_TYPES),
        ("verb", vocabulary.OPERATION_TYPES),
        ("wallet_status", vocabulary.WALLET_STATUSES),
        ("scope", api_keys.SCOPES),
        ("rejection", [kind.sqlstate for kind in REJECTIONS]),
    ):
        names = [environment.filters[name](word) for word in words]
        assert len(set(names)) == len(words), name
        for unknown in ("TRANSFER", "WA999", ""):
            with pytest.raises(KeyError):
                environment.filters[name](unknown)
    with pytest.raises(KeyError):
        rendered(environment, "badge('PAUSED')")


def test_an_amount_has_the_sign_of_its_row(environment: jinja2.Environment) -> None:
    for row, shown in (
        ({"operation_type": "DEPOSIT"}, '<span class="plus">+5<'),
        ({"operation_type": "WITHDRAW"}, "<span>−5<"),
        ({"operation_type": "TRANSFER_IN", "balance_change": 5}, '<span class="plus">+5<'),
        ({"operation_type": "TRANSFER_OUT", "balance_change": -5}, "<span>−5<"),
        ({"operation_type": "HOLD", "balance_change": 0}, "<span>5<"),
    ):
        assert shown in rendered(environment, "change(row, 'RUB')", row=row | {"amount": 5})
    with pytest.raises(KeyError):
        rendered(environment, "change(row, 'RUB')", row={"operation_type": "TRANSFER", "amount": 5})


def test_no_page_compares_a_word_or_a_code() -> None:
    words = "|".join([*vocabulary.OPERATION_TYPES, *vocabulary.WALLET_STATUSES, *api_keys.SCOPES])
    for path in SOURCES:
        text = path.read_text()
        assert not re.search(r"\bWA\d{3}\b", text), path
        if path.suffix == ".html":
            # A comparison may offer an action for one status; what is not named in it must not follow from an else.
            for block in re.findall(rf"{{%-? (?:el)?if [^%]*[\"'](?:{words})[\"'].*?{{%-? endif", text, re.DOTALL):
                assert not re.search(r"{%-? else", block), f"{path}: {block}"
            assert not re.search(rf"if [^%}}]*[\"'](?:{words})[\"'][^%}}]*else", text), path


def test_no_template_computes_money() -> None:
    arithmetic = r"(amount|balance\w*|available|held)\s*[-+*/]|[-+*/]\s*\w+\.(amount|balance)"
    for path in (ROOT / "templates").rglob("*.html"):
        for expression in re.findall(r"{[{%](.*?)[%}]}", path.read_text(), re.DOTALL):
            assert not re.search(arithmetic, expression), path
