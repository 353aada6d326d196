"""The overview: how much money there is, what happens to it, and which wallets need attention."""

import asyncio

from aiohttp import web

from service.admin import currencies, page, totals
from service.admin.chart import Hour, activity_chart
from service.admin.i18n import gettext as _
from service.admin.i18n import language
from service.database import admin_calls
from service.database.pool import POOL

_LATEST = 10


def setup(app: web.Application) -> None:
    """Adds the page."""
    app.router.add_get("/", overview, name="overview")


async def overview(request: web.Request) -> web.Response:
    """Totals, activity, the latest operations and rejections, wallets that fail verification."""
    pool = request.config_dict[POOL]
    sums, hours, operations, rejections, broken = await asyncio.gather(
        totals.latest(request),
        admin_calls.get_activity(pool),
        admin_calls.list_latest_operations(pool, _LATEST),
        admin_calls.list_latest_rejections(pool, _LATEST),
        admin_calls.list_broken_wallets(pool, _LATEST),
    )
    await currencies.known(
        request, {row["currency"] for rows in (sums.rows if sums else (), operations, rejections) for row in rows}
    )
    chart = activity_chart(
        (Hour(row["hour"], row["deposits"], row["withdrawals"], row["is_estimate"]) for row in hours),
        language(),
        _("Operations per hour"),
    )
    return page.render(
        request,
        "overview.html",
        totals=sums,
        chart=chart,
        is_estimate=any(row["is_estimate"] for row in hours),
        operations=operations,
        rejections=rejections,
        broken=broken,
    )
