"""The whole ledger: how it is doing, and who did what to it."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import asyncpg
import msgspec
from aiohttp import web

from service.admin import currencies, i18n, page, paging, session, totals
from service.admin.chart import Hour, activity_chart
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.i18n import language
from service.admin.money import format_money
from service.database.pool import POOL

_LATEST = 10


def setup(app: web.Application) -> None:
    """Adds the pages."""
    totals.setup(app)
    app.router.add_get("/", start, name="start")
    app.router.add_get("/audit/", audit, name="audit")
    app.router.add_post("/language", choose_language, name="language")


async def start(request: web.Request) -> web.Response:
    """The money there is, what happens to it, and what needs somebody's attention."""
    pool = request.config_dict[POOL]
    sums, hours, operations, rejections, broken = await asyncio.gather(
        totals.latest(request),
        pool.fetch("select * from wallet.get_activity()"),
        pool.fetch("select * from wallet.list_latest_operations($1)", _LATEST),
        pool.fetch("select * from wallet.list_latest_rejections($1)", _LATEST),
        pool.fetch("select * from wallet.list_broken_wallets($1)", _LATEST),
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
        "start.html",
        totals=sums,
        chart=chart,
        is_estimate=any(row["is_estimate"] for row in hours),
        operations=operations,
        rejections=rejections,
        broken=broken,
    )


async def audit(request: web.Request) -> web.Response:
    """What admins did."""
    from_id, is_backward = paging.position(request, int)
    rows = await request.config_dict[POOL].fetch(
        "select * from wallet.list_audit($1, $2, $3)", paging.SIZE + 1, from_id, is_backward
    )
    listed = paging.page(request, rows, lambda row: row["id"])
    decimals = await currencies.known(request, {row["currency"] for row in rows if row["currency"]})
    return page.render(request, "audit.html", page=listed, entries=entries(listed.rows, decimals))


async def choose_language(request: web.Request) -> web.Response:
    """Keeps the reader's choice, and leads back to where it was made."""
    response = page.redirect(page.local(request[FORM].get("next", "")))
    i18n.remember(response, request[FORM].get("language", ""), secure=session.is_secure(request))
    return response


def entries(rows: Sequence[asyncpg.Record], decimals: Mapping[str, int]) -> list[dict[str, Any]]:
    """Rows of the audit in words."""
    return [
        {
            **row,
            "action": _action(row["action"]),
            "outcome": _outcome(row["outcome"]),
            "is_done": row["outcome"] == "done",
            "details": list(_details(msgspec.json.decode(row["detail"] or "{}"), row["currency"], decimals)),
        }
        for row in rows
    ]


def _details(detail: Mapping[str, Any], currency: str | None, decimals: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    names = {
        "name": _("Name"),
        "scope": _("Is for"),
        "rate_limit": _("Requests a second"),
        "currency": _("Currency"),
        "opening_amount": _("Opening deposit"),
        "amount": _("Amount"),
        "reason": _("Reason"),
        "operation_id": _("Operation"),
        "findings": _("Findings"),
        "from": _("From"),
        "until": _("Until"),
    }
    for key in sorted(detail, key=lambda key: (list(names).index(key) if key in names else len(names), key)):
        value = detail[key]
        if value is None:
            continue
        text = str(value)
        if key in ("amount", "opening_amount") and currency is not None:
            text = f"{format_money(int(value), decimals[currency], language())} {currency}"
        yield names.get(key, key), text


def _action(action: str) -> str:
    return {
        "create_admin": _("Create an admin"),
        "set_password": _("Set a password"),
        "login": _("Sign in"),
        "logout": _("Sign out"),
        "create_wallet": _("Create a wallet"),
        "deposit": _("Deposit"),
        "withdraw": _("Withdraw"),
        "freeze": _("Freeze"),
        "unfreeze": _("Unfreeze"),
        "close": _("Close"),
        "verify": _("Verify"),
        "export": _("Download operations"),
        "create_api_key": _("Make an API key"),
        "revoke_api_key": _("Revoke an API key"),
    }.get(action, action)


def _outcome(outcome: str) -> str:
    return {
        "done": _("Done"),
        "refused": _("Refused"),
        "WA002": _("Not enough money"),
        "WA005": _("Balance limit exceeded"),
        "WA006": _("Wallet was not active"),
        "WA007": _("Form already used"),
    }.get(outcome, outcome)
