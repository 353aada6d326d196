"""Amounts as people write them, to and from minor units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.admin.money import MoneyError, format_money, parse_money
from service.vocabulary import MAX_AMOUNT as MAX

LOCALES = ["en", "ru"]


@pytest.mark.parametrize(
    ("minor", "decimals", "english", "russian"),
    [
        (0, 2, "0.00", "0,00"),
        (5, 2, "0.05", "0,05"),
        (123_456_789, 2, "1,234,567.89", "1\u00a0234\u00a0567,89"),
        (1234, 0, "1,234", "1\u00a0234"),
        (1234, 3, "1.234", "1,234"),
        (-150, 2, "-1.50", "-1,50"),
        (MAX, 2, "92,233,720,368,547,758.07", "92\u00a0233\u00a0720\u00a0368\u00a0547\u00a0758,07"),
    ],
)
def test_an_amount_is_written_as_the_language_does(minor: int, decimals: int, english: str, russian: str) -> None:
    assert format_money(minor, decimals, "en") == english
    assert format_money(minor, decimals, "ru") == russian


@given(minor=st.integers(1, MAX), decimals=st.integers(0, 4), locale=st.sampled_from(LOCALES))
def test_what_is_shown_can_be_typed(minor: int, decimals: int, locale: str) -> None:
    shown = format_money(minor, decimals, locale)
    try:
        read = parse_money(shown, decimals, locale)
    except MoneyError as error:
        pytest.fail(f"{shown}: {error}")
    assert read == minor


@pytest.mark.parametrize(
    ("text", "decimals", "locale", "minor"),
    [
        ("100", 2, "en", 10_000),
        ("  100.5 ", 2, "en", 10_050),
        ("100,5", 2, "en", 10_050),
        ("100.50", 2, "ru", 10_050),
        ("007", 0, "en", 7),
        ("1 000", 2, "ru", 100_000),
        ("1\u00a0000\u202f000,01", 2, "ru", 100_000_001),
        ("1'000’000.01", 2, "en", 100_000_001),
        ("1,000", 2, "en", 100_000),
        ("1,000", 0, "en", 1000),
        ("1,000,000", 3, "en", 1_000_000_000),
        ("1,000.50", 2, "ru", 100_050),
        ("1.000,50", 2, "en", 100_050),
        ("1.000", 3, "en", 1000),
        ("1,000", 3, "ru", 1000),
        ("1234,567", 3, "en", 1_234_567),
        ("0,500", 3, "en", 500),
    ],
)
def test_what_can_be_read_in_one_way_is_read(text: str, decimals: int, locale: str, minor: int) -> None:
    assert parse_money(text, decimals, locale) == minor


@pytest.mark.parametrize(
    ("text", "decimals", "written"), [("1,000", 3, "Write 1000 or 1.000"), ("9,999", 4, "or 9.999")]
)
def test_what_can_be_read_in_two_ways_is_refused(text: str, decimals: int, written: str) -> None:
    with pytest.raises(MoneyError, match=written):
        parse_money(text, decimals, "en")


@pytest.mark.parametrize(
    ("text", "decimals", "locale", "word"),
    [
        ("", 2, "en", "Enter an amount"),
        ("\u00a0 ", 2, "en", "Enter an amount"),
        ("0", 2, "en", "more than zero"),
        ("0.00", 2, "ru", "more than zero"),
        ("1.234", 2, "en", "Too many decimals: this currency has 2"),
        ("1,234", 2, "ru", "Too many decimals: this currency has 2"),
        ("0,123", 2, "en", "Too many decimals"),
        ("1.5", 0, "en", "no decimals"),
        ("92233720368547758.08", 2, "en", "92,233,720,368,547,758.07"),
        ("9" * 10_000, 0, "en", "The most there can be"),
    ],
)
def test_a_refusal_says_what_is_expected(text: str, decimals: int, locale: str, word: str) -> None:
    with pytest.raises(MoneyError, match=word):
        parse_money(text, decimals, locale)


@pytest.mark.parametrize(
    "text",
    [
        "-1", "+1", "1-", "(1)", "1e3", "0x10", "1_000", "NaN", "Infinity", "ten", "1 RUB", "₽1", "1%",
        "٣", "１００", "²", "1\n000\n", "1\x00",
        "1 00", "10 00", "1  000", "1000 000", "01 000", "1 000'000", "1 000,000 000",
        ".5", "5.", ",", "1..0", "1.0.0", "1,000,00", "1,000,000,", "1.000,000.00", "1,0000,000.00",
    ],
)  # fmt: skip
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(MoneyError, match=r"Enter a number, for example 1,234\.56"):
        parse_money(text, 2, "en")


@given(text=st.text(alphabet="0123456789.,' \u00a0-e", max_size=12), decimals=st.integers(0, 4))
def test_any_text_is_an_amount_within_bounds_or_refused(text: str, decimals: int) -> None:
    try:
        minor = parse_money(text, decimals, "ru")
    except MoneyError:
        return
    assert 1 <= minor <= MAX
