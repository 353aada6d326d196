"""Charts: well-formed, right at the edges, in words as well, and nothing that a strict policy forbids."""

import re
from datetime import UTC, datetime, timedelta
from itertools import product
from xml.etree import ElementTree as ET

from markupsafe import Markup

from service.admin.chart import Hour, activity_chart, balance_chart

BEGIN = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
MAX = 2**63 - 1


def parsed(chart: Markup) -> ET.Element:
    assert "style=" not in chart
    assert "<script" not in chart
    return ET.fromstring(chart)  # noqa: S314 -- our own text


def line(chart: Markup) -> str:
    [path] = parsed(chart).iterfind(".//path[@class='chart-line']")
    return path.attrib["d"]


def labels(chart: Markup, kind: str) -> list[str]:
    [box] = parsed(chart).iterfind(f"./div[@class='chart-{kind}']")
    return [span.text or "" for span in box]


def summary(chart: Markup) -> str:
    return parsed(chart).findtext(".//desc") or ""


def test_a_balance_holds_until_the_next_operation() -> None:
    points = [(BEGIN, 0), (BEGIN + timedelta(hours=1), 40_000), (BEGIN + timedelta(hours=4), 10_000)]
    chart = balance_chart(points, 2, "en", "Balance")
    assert line(chart) == "M0 1000H250V0H1000V750H1000"
    assert labels(chart, "amounts") == ["400", "300", "200", "100", "0"]
    assert labels(chart, "times") == ["24 Nov, 09:00", "24 Nov, 11:00", "24 Nov, 13:00"]


def test_a_balance_of_one_moment_is_a_line() -> None:
    for balances, drawn in (([100], "M0 0H1000"), ([400, 100], "M0 0H0V750H1000"), ([0], "M0 1000H1000")):
        chart = balance_chart([(BEGIN, balance) for balance in balances], 2, "en", "Balance")
        assert line(chart) == drawn, balances
        assert labels(chart, "times") == ["24 Nov, 09:00"]
    assert labels(chart, "amounts") == ["0.01", "0.00"]


def test_the_largest_balance_is_exact_in_words() -> None:
    chart = balance_chart([(BEGIN, MAX - 1), (BEGIN + timedelta(days=900), MAX)], 2, "en", "Balance")
    assert "Lowest 92,233,720,368,547,758.06, highest 92,233,720,368,547,758.07" in summary(chart)
    assert all(0 <= int(number) <= 1000 for number in re.findall("[0-9]+", line(chart)))


def test_amount_labels_are_few_short_and_distinct() -> None:
    for highest, locale in product([1, 3, 4, 5, 99, 100, 101, 123_456, 10**12, MAX], ["en", "ru"]):
        found = labels(balance_chart([(BEGIN, highest)], 2, locale, "Balance"), "amounts")
        assert 2 <= len(found) <= 5
        assert len(set(found)) == len(found)
        assert max(map(len, found)) <= 12


def test_words_are_escaped_and_in_the_language_of_numbers() -> None:
    chart = balance_chart([(BEGIN, 123_456)], 2, "ru", "<b>&")
    assert "1\u00a0234,56" in summary(chart)
    assert parsed(chart).findtext(".//title") == "<b>&"


def test_hours_are_stacked() -> None:
    hours = [Hour(BEGIN, 2, 1), Hour(BEGIN + timedelta(hours=1), 0, 4)]
    chart = activity_chart(hours, "en", "Operations per hour")
    bars = [(bar.get("class"), bar.get("y"), bar.get("height")) for bar in parsed(chart).iter("rect")]
    assert bars == [
        ("chart-deposits", "500", "500"),
        ("chart-withdrawals", "250", "250"),
        ("chart-deposits", "1000", "0"),
        ("chart-withdrawals", "0", "1000"),
    ]
    assert summary(chart) == "From 24 Nov, 09:00 to 24 Nov, 11:00 UTC: 2 deposits, 5 withdrawals."
    assert [title.text for title in parsed(chart).findall(".//g/title")] == [
        "24 Nov, 09:00: 2 deposits, 1 withdrawal",
        "24 Nov, 10:00: 0 deposits, 4 withdrawals",
    ]


def test_quiet_hours_are_flat_and_an_estimate_says_so() -> None:
    chart = activity_chart([Hour(BEGIN + timedelta(hours=hour), 0, 0) for hour in range(48)], "en", "Operations")
    assert {bar.get("height") for bar in parsed(chart).iter("rect")} == {"0"}
    assert labels(chart, "amounts") == ["1", "0"]
    assert "estimated" not in summary(chart)
    assert "estimated" in summary(activity_chart([Hour(BEGIN, 3, 0, is_estimate=True)], "en", "Operations"))
