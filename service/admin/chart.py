"""Charts as SVG without scripts: the drawing stretches to the available width, the text around it keeps its size.

The Content-Security-Policy forbids style attributes: colours are classes of the stylesheet. Coordinates are integers,
so that the largest balances are drawn as exactly as small ones.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from babel.dates import UTC, format_datetime
from babel.numbers import format_compact_decimal
from markupsafe import Markup

from service.admin.i18n import format_time, ngettext
from service.admin.i18n import gettext as _
from service.admin.money import format_money

_WIDTH = 1000
_HEIGHT = 1000
_BAR = 20
_GAP = 4
_STEPS = 4
_COMPACT_FROM = 1_000_000
_TIME_LABELS = 3
_SHORT_PERIOD = timedelta(days=2)
_NOTHING = Markup()


class Hour(NamedTuple):
    """What was applied in the hour that begins at `hour`."""

    hour: datetime
    deposits: int
    withdrawals: int
    is_estimate: bool = False


class _Figure(NamedTuple):
    kind: str
    label: str
    summary: str
    amounts: list[str]
    times: list[str]
    drawing: Markup
    width: int
    legend: Markup = _NOTHING

    def render(self) -> Markup:
        """The drawing with its axes."""
        lines = len(self.amounts) - 1
        grid = "".join(f"M0 {line * _HEIGHT // lines}H{self.width}" for line in range(lines + 1))
        return Markup(
            '<figure class="chart chart-{kind}">'
            '<div class="chart-amounts" aria-hidden="true">{amounts}</div>'
            '<svg class="chart-plot" role="img" aria-labelledby="{kind}-title" aria-describedby="{kind}-summary"'
            ' viewBox="0 0 {width} {height}" preserveAspectRatio="none" focusable="false">'
            '<title id="{kind}-title">{label}</title><desc id="{kind}-summary">{summary}</desc>'
            '<path class="chart-grid" d="{grid}" fill="none" vector-effect="non-scaling-stroke"/>{drawing}</svg>'
            '<div class="chart-times" aria-hidden="true">{times}</div>{legend}</figure>'
        ).format(
            kind=self.kind,
            label=self.label,
            summary=self.summary,
            amounts=_spans(reversed(self.amounts)),
            times=_spans(self.times),
            drawing=self.drawing,
            grid=grid,
            width=self.width,
            height=_HEIGHT,
            legend=self.legend,
        )


def balance_chart(points: Sequence[tuple[datetime, int]], decimals: int, locale: str, label: str) -> Markup:
    """A balance over time, oldest first, at least one point: it holds from each point until the next one."""
    begin, end = points[0][0], points[-1][0]
    span = (end - begin) // timedelta(microseconds=1)
    amounts = [amount for _at, amount in points]
    ticks = _ticks(max(amounts))

    steps = ""
    for at, amount in points:
        x = (at - begin) // timedelta(microseconds=1) * _WIDTH // span if span else 0
        y = _height(amount, ticks[-1])
        steps += f"H{x}V{y}" if steps else f"M0 {y}"
    # A single point, or points of one moment, still show as a line.
    steps += f"H{_WIDTH}"

    summary = _("From %(begin)s to %(end)s UTC. Lowest %(lowest)s, highest %(highest)s, last %(last)s.") % {
        "begin": format_time(begin, locale),
        "end": format_time(end, locale),
        "lowest": format_money(min(amounts), decimals, locale),
        "highest": format_money(max(amounts), decimals, locale),
        "last": format_money(amounts[-1], decimals, locale),
    }
    drawing = Markup(
        '<path class="chart-area" d="{steps}V{bottom}H0Z"/>'
        '<path class="chart-line" d="{steps}" fill="none" vector-effect="non-scaling-stroke"/>'
    ).format(steps=steps, bottom=_HEIGHT)
    return _Figure(
        "balance",
        label,
        summary,
        amounts=[_amount_label(tick, ticks[1], ticks[-1], decimals, locale) for tick in ticks],
        times=_time_labels(begin, end, locale),
        drawing=drawing,
        width=_WIDTH,
    ).render()


def activity_chart(hours: Iterable[Hour], locale: str, label: str) -> Markup:
    """Deposits and withdrawals of each hour, oldest first, at least one hour, one on top of the other."""
    hours = list(hours)
    ticks = _ticks(max(hour.deposits + hour.withdrawals for hour in hours))
    bars = Markup()
    for index, hour in enumerate(hours):
        deposits = _height(hour.deposits, ticks[-1])
        both = _height(hour.deposits + hour.withdrawals, ticks[-1])
        bars += Markup(
            "<g><title>{title}</title>"
            '<rect class="chart-deposits" x="{x}" y="{deposits}" width="{width}" height="{high}"/>'
            '<rect class="chart-withdrawals" x="{x}" y="{both}" width="{width}" height="{higher}"/></g>'
        ).format(
            title=f"{_short_time(hour.hour, locale)}: {_counts(hour.deposits, hour.withdrawals, locale)}",
            x=index * _BAR + _GAP // 2,
            width=_BAR - _GAP,
            deposits=deposits,
            high=_HEIGHT - deposits,
            both=both,
            higher=deposits - both,
        )

    end = hours[-1].hour + timedelta(hours=1)
    text = (
        _("From %(begin)s to %(end)s UTC, estimated: %(counts)s.")
        if any(hour.is_estimate for hour in hours)
        else _("From %(begin)s to %(end)s UTC: %(counts)s.")
    )
    summary = text % {
        "begin": _short_time(hours[0].hour, locale),
        "end": _short_time(end, locale),
        "counts": _counts(sum(hour.deposits for hour in hours), sum(hour.withdrawals for hour in hours), locale),
    }
    legend = Markup(
        '<ul class="chart-legend"><li class="chart-deposits">{}</li><li class="chart-withdrawals">{}</li></ul>'
    ).format(_("Deposits"), _("Withdrawals"))
    return _Figure(
        "activity",
        label,
        summary,
        amounts=[_amount_label(tick, ticks[1], ticks[-1], 0, locale) for tick in ticks],
        times=_time_labels(hours[0].hour, end, locale),
        drawing=bars,
        width=len(hours) * _BAR,
        legend=legend,
    ).render()


def _spans(texts: Iterable[str]) -> Markup:
    return Markup().join(Markup("<span>{}</span>").format(text) for text in texts)


def _ticks(highest: int) -> list[int]:
    """Round numbers, evenly from 0 to where the highest fits."""
    least = max(1, -(-highest // _STEPS))
    power = 10 ** (len(str(least)) - 1)
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least)
    return list(range(0, max(highest, 1) + step, step))


def _height(amount: int, top: int) -> int:
    return _HEIGHT - amount * _HEIGHT // top


def _amount_label(tick: int, step: int, top: int, decimals: int, locale: str) -> str:
    unit = 10**decimals
    if top >= _COMPACT_FROM * unit:
        return format_compact_decimal(Decimal(tick) / unit, locale=locale, fraction_digits=1)
    if step % unit == 0:
        return format_money(tick // unit, 0, locale)
    return format_money(tick, decimals, locale)


def _time_labels(begin: datetime, end: datetime, locale: str) -> list[str]:
    pattern = "d MMM, HH:mm" if end - begin <= _SHORT_PERIOD else "d MMM y"
    moments = [begin + (end - begin) * index / (_TIME_LABELS - 1) for index in range(_TIME_LABELS)]
    labels = [format_datetime(moment, pattern, tzinfo=UTC, locale=locale) for moment in moments]
    return list(dict.fromkeys(labels))


def _short_time(moment: datetime, locale: str) -> str:
    return format_datetime(moment, "d MMM, HH:mm", tzinfo=UTC, locale=locale)


def _counts(deposits: int, withdrawals: int, locale: str) -> str:
    return "{}, {}".format(
        ngettext("%(count)s deposit", "%(count)s deposits", deposits) % {"count": format_money(deposits, 0, locale)},
        ngettext("%(count)s withdrawal", "%(count)s withdrawals", withdrawals)
        % {"count": format_money(withdrawals, 0, locale)},
    )
