"""The benchmark as a picture: an SVG that is legible on light and on dark pages, made without a library."""

from html import escape
from typing import Any

_WIDTH = 840
_ROW = 22
_LABEL = 420
_BAR = 330
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#555}"
    "@media(prefers-color-scheme:dark){text{fill:#bbb}}"
    ".mine{fill:#3572b0}.yardstick{fill:#b8b8b8}"
)


def draw(report: dict[str, Any]) -> str:
    """Bars of what the service does in a second, beside those of what it is measured with."""
    wanted = ("ceiling, 128", "deposits, 128", "pgbench floor", "pgbench apply_operation, 32", "a call")
    bars = [figure for figure in report["figures"] if any(part in figure["name"] for part in wanted)]
    most = max(figure["per_second"] for figure in bars)
    rows = []
    for place, figure in enumerate(bars):
        top = 10 + place * _ROW
        kind = "yardstick" if figure["name"].startswith(("ceiling", "pgbench")) else "mine"
        width = max(1, round(_BAR * figure["per_second"] / most))
        rows.append(
            f'<text x="{_LABEL - 8}" y="{top + 13}" text-anchor="end">{escape(figure["name"])}</text>'
            f'<rect class="{kind}" x="{_LABEL}" y="{top + 2}" width="{width}" height="{_ROW - 7}" rx="2"/>'
            f'<text x="{_LABEL + width + 6}" y="{top + 13}">{figure["per_second"]:,.0f}/s</text>'
        )
    height = 20 + len(bars) * _ROW
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        f'role="img" aria-label="Operations per second, and their yardsticks">\n<style>{_STYLE}</style>\n'
        + "\n".join(rows)
        + "\n</svg>\n"
    )
