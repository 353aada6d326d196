"""The benchmark as an SVG that is legible on light and dark pages."""

from html import escape
from typing import Any

_WIDTH = 840
_ROW = 22
_LABEL = 420
_BAR = 330
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#555}"
    "@media(prefers-color-scheme:dark){text{fill:#bbb}}"
    ".service{fill:#3572b0}.baseline{fill:#b8b8b8}"
)


def draw(report: dict[str, Any]) -> str:
    """Operations per second as bars, those of the service and those of its baselines."""
    wanted = ("upper bound, 128", "deposits, 128", "pgbench bare statement", "pgbench apply_operation, 32", "a call")
    bars = [figure for figure in report["figures"] if any(part in figure["name"] for part in wanted)]
    most = max(figure["per_second"] for figure in bars)
    rows = []
    for index, figure in enumerate(bars):
        top = 10 + index * _ROW
        kind = "baseline" if figure["name"].startswith(("upper bound", "pgbench")) else "service"
        width = max(1, round(_BAR * figure["per_second"] / most))
        rows.append(
            f'<text x="{_LABEL - 8}" y="{top + 13}" text-anchor="end">{escape(figure["name"])}</text>'
            f'<rect class="{kind}" x="{_LABEL}" y="{top + 2}" width="{width}" height="{_ROW - 7}" rx="2"/>'
            f'<text x="{_LABEL + width + 6}" y="{top + 13}">{figure["per_second"]:,.0f}/s</text>'
        )
    height = 20 + len(bars) * _ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="Operations per second, and their baselines">\n<style>{_STYLE}</style>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )
