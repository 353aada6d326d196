"""The page of a wallet: its balance, and a list of its operations, its rejections or what admins did to it."""

import asyncio
import re
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp import web
from markupsafe import Markup

from service import errors, vocabulary
from service.admin import audit, currencies, page, paging
from service.admin.chart import balance_chart
from service.admin.i18n import N_, language
from service.admin.i18n import gettext as _
from service.admin.paging import Page
from service.database import admin_calls, calls
from service.database.admin_calls import Row
from service.database.pool import POOL
from service.errors import Problem

WALLET = f"/wallets/{{id:{vocabulary.UUID.pattern}}}"

_TABS = ("operations", "refusals", "audit")
_SEQ = re.compile(r"[0-9]{1,19}")
_DONE = {
    "created": N_("The wallet was created."),
    "ACTIVE": N_("The wallet is active."),
    "FROZEN": N_("The wallet is frozen: deposits and withdrawals are rejected."),
    "CLOSED": N_("The wallet is closed."),
}


def setup(app: web.Application) -> None:
    """Adds the page."""
    app.router.add_get(f"{WALLET}/", show_wallet, name="wallet")


async def show_wallet(request: web.Request) -> web.Response:
    """A wallet with its history."""
    return await render_wallet(request, await find_wallet(request))


async def redirect_to_wallet(request: web.Request) -> web.Response:
    """For a GET of a URL that only takes forms."""
    return page.redirect(wallet_url(request, request.match_info["id"]))


async def find_wallet(request: web.Request) -> Row:
    """The wallet of the URL. Raises wallet_not_found."""
    row: Row = await calls.get_wallet(request.config_dict[POOL], request.match_info["id"])
    await currencies.known(request, {row["currency"]})
    return row


def wallet_url(request: web.Request, wallet_id: object, **query: str) -> str:
    """The URL of a wallet's page."""
    return str(request.app.router["wallet"].url_for(id=str(wallet_id)).with_query(query))


async def render_wallet(request: web.Request, wallet: Row, findings: Any = None) -> web.Response:
    """The page of a wallet, with the findings of a verification if there was one."""
    tab = request.query.get("tab", "")
    if tab not in _TABS:
        tab = _TABS[0]
    list_tab = {"operations": _operations, "refusals": _rejections, "audit": _audit}[tab]
    decimals = await currencies.known(request)
    chart, listed, operation = await asyncio.gather(
        _chart(request, wallet, decimals[wallet["currency"]]), list_tab(request, wallet), _operation(request)
    )
    return page.render(
        request,
        "wallet.html",
        wallet=wallet,
        tab=tab,
        page=listed,
        entries=audit.entries(request, listed.rows) if tab == "audit" else (),
        chart=chart,
        done=_done(request, wallet),
        operation=operation,
        findings=findings,
        today=datetime.now(UTC).date(),
    )


async def _chart(request: web.Request, wallet: Row, decimals: int) -> Markup | None:
    history = await admin_calls.get_balance_history(request.config_dict[POOL], wallet["id"])
    points = [(point["created_at"], point["balance"]) for point in history]
    return balance_chart(points, decimals, language(), _("Balance over time")) if points else None


async def _operations(request: web.Request, wallet: Row) -> Page:
    before = request.query.get("before")
    if before is not None and not (_SEQ.fullmatch(before) and 1 <= int(before) <= vocabulary.MAX_AMOUNT):
        raise Problem(errors.INVALID_REQUEST, "before must be the number of an operation")
    rows = await calls.list_operations(
        request.config_dict[POOL], request.match_info["id"], paging.SIZE, None if before is None else int(before)
    )
    newer = older = None
    # Operations are numbered without gaps: the newer page begins so many numbers later.
    if rows and rows[0]["seq"] < wallet["last_seq"]:
        start = rows[0]["seq"] + paging.SIZE + 1
        newer = paging.link(request, before=str(start)) if start <= wallet["last_seq"] else paging.link(request)
    if rows and rows[-1]["seq"] > 1:
        older = paging.link(request, before=str(rows[-1]["seq"]))
    return Page(rows, newer, older)


async def _rejections(request: web.Request, wallet: Row) -> Page:
    position, is_backward = paging.position(request, tuple[datetime, UUID])
    rows = await admin_calls.list_rejections(
        request.config_dict[POOL], wallet["id"], paging.SIZE + 1, position or (None, None), is_backward
    )
    return paging.page(request, rows, lambda row: (row["created_at"], row["operation_id"]))


async def _audit(request: web.Request, wallet: Row) -> Page:
    return await audit.list_entries(request, wallet["id"])


def _done(request: web.Request, wallet: Row) -> str:
    """What was done to the wallet itself, as far as its row confirms it: anybody can write a link."""
    done = request.query.get("done", "")
    return _(_DONE[done]) if done in ("created", wallet["status"]) else ""


async def _operation(request: web.Request) -> Row | None:
    """The operation that was just applied."""
    done = request.query.get("done", "")
    if not vocabulary.UUID.fullmatch(done):
        return None
    try:
        row: Row = await calls.get_operation(request.config_dict[POOL], request.match_info["id"], done)
    except asyncpg.PostgresError as exc:
        if exc.sqlstate != errors.OPERATION_NOT_FOUND.sqlstate:
            raise
        return None
    return row
