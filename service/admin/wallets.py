"""The wallets: finding one, making one, looking at one."""

import asyncio
import re
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiohttp import web

from service import errors
from service.admin import currencies, ledger, page, paging, totals
from service.admin.chart import balance_chart
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.i18n import language
from service.admin.money import MAX, MoneyError, parse_money
from service.admin.paging import Moment, Page
from service.admin.session import ADMIN
from service.database.pool import POOL
from service.errors import Problem

WALLET = "/wallets/{id:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}}"

_ORDERS = ("newest", "oldest", "name", "name_desc")
_STATUSES = ("ACTIVE", "FROZEN", "CLOSED")
_TABS = ("operations", "refusals", "audit")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_SEQ = re.compile(r"[0-9]{1,19}")


def setup(app: web.Application) -> None:
    """Adds the pages."""
    app.router.add_get("/wallets/", list_wallets, name="wallets")
    new = app.router.add_resource("/wallets/new", name="new_wallet")
    new.add_route("GET", new_wallet)
    new.add_route("POST", create_wallet)
    app.router.add_get(f"{WALLET}/", show, name="wallet")


async def list_wallets(request: web.Request) -> web.Response:
    """A page of the wallets that a search finds."""
    searched = {name: request.query.get(name, "").strip() for name in ("q", "status", "currency", "order")}
    if searched["order"] not in _ORDERS:
        searched["order"] = _ORDERS[0]
    created_at: datetime | None = None
    name: str | None = None
    wallet_id: UUID | None = None
    if searched["order"].startswith("name"):
        by_name, is_backward = paging.position(request, tuple[str | None, UUID])
        name, wallet_id = by_name or (None, None)
    else:
        by_time, is_backward = paging.position(request, tuple[Moment, UUID])
        created_at, wallet_id = by_time or (None, None)
    rows = await request.config_dict[POOL].fetch(
        "select * from wallet.search_wallets($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        paging.SIZE + 1,
        searched["order"],
        *(searched[key] or None for key in ("q", "status", "currency")),
        created_at,
        name,
        wallet_id,
        is_backward,
    )
    key = "name" if searched["order"].startswith("name") else "created_at"
    sums = await totals.latest(request)
    decimals = await currencies.known(request, {row["currency"] for row in (*rows, *(sums.rows if sums else ()))})
    return page.render(
        request,
        "wallets.html",
        totals=sums,
        page=paging.page(request, rows, lambda row: (row[key], row["id"])),
        searched=searched,
        is_filtered=any(searched[key] for key in ("q", "status", "currency")),
        statuses=_STATUSES,
        currencies=sorted(decimals),
    )


async def new_wallet(request: web.Request) -> web.Response:
    """The form for a wallet, whose id is drawn with it: sent twice, it makes one wallet."""
    return await _new_wallet(request, {"id": str(uuid4()), "name": "", "currency": "RUB", "opening": ""}, {})


async def create_wallet(request: web.Request) -> web.Response:
    """Makes a wallet."""
    form, admin = request[FORM], request[ADMIN]
    typed = {name: form.get(name, "") for name in ("id", "name", "currency", "opening")}
    decimals = await currencies.known(request, {typed["currency"]})
    wrong: dict[str, str] = {}
    opening: int | None = None
    if not _UUID.fullmatch(typed["id"]):
        raise Problem(errors.INVALID_REQUEST, "a wallet's id is a UUID")
    if typed["currency"] not in decimals:
        wrong["currency"] = _("Choose a currency.")
    elif typed["opening"].strip():
        try:
            opening = parse_money(typed["opening"], decimals[typed["currency"]], language())
        except MoneyError as exc:
            wrong["opening"] = str(exc)
    if wrong:
        return await _new_wallet(request, typed, wrong)
    try:
        row = await request.config_dict[POOL].fetchrow(
            "select * from wallet.admin_create_wallet($1, $2, $3, $4, $5, $6)",
            admin.token,
            admin.address,
            typed["id"],
            typed["name"] if typed["name"].strip() else None,
            typed["currency"],
            opening,
        )
    except asyncpg.PostgresError as exc:
        if exc.sqlstate == "WA014":
            wrong["name"] = _("A name has at most 200 characters, and no control characters.")
        elif exc.sqlstate == "WA009":
            typed["id"] = str(uuid4())
            wrong["form"] = _(
                "This form was already used for another wallet, and nothing was done now. "
                "To make one more, send it again."
            )
        else:
            raise
        return await _new_wallet(request, typed, wrong)
    return page.redirect(url(request, row["id"], done="created"))


async def show(request: web.Request) -> web.Response:
    """A wallet with its history."""
    return await render(request, await find(request))


async def find(request: web.Request) -> asyncpg.Record:
    """The wallet that a page is about."""
    row = await request.config_dict[POOL].fetchrow("select * from wallet.get_wallet($1)", request.match_info["id"])
    await currencies.known(request, {row["currency"]})
    return row


async def render(request: web.Request, wallet: asyncpg.Record, **more: Any) -> web.Response:
    """The page of a wallet: one of the lists of its history, below what is always there."""
    tab = request.query.get("tab", "")
    if tab not in _TABS:
        tab = _TABS[0]
    decimals = await currencies.known(request)
    listing = {"operations": _operations, "refusals": _refusals, "audit": _audit}[tab]
    history, listed, notice = await asyncio.gather(
        request.config_dict[POOL].fetch("select * from wallet.get_balance_history($1)", wallet["id"]),
        listing(request, wallet),
        _notice(request, wallet),
    )
    chart = None
    if history:
        chart = balance_chart(
            [(point["created_at"], point["balance"]) for point in history],
            decimals[wallet["currency"]],
            language(),
            _("Balance over time"),
        )
    context = {
        "wallet": wallet,
        "tab": tab,
        "page": listed,
        "entries": ledger.entries(listed.rows, decimals) if tab == "audit" else (),
        "chart": chart,
        "notice": notice,
        "findings": None,
        "today": datetime.now(UTC).date(),
    }
    return page.render(request, "wallet.html", **context | more)


def url(request: web.Request, wallet_id: object, **query: str) -> str:
    """Where the page of a wallet is."""
    return str(request.app.router["wallet"].url_for(id=str(wallet_id)).with_query(query))


async def _new_wallet(request: web.Request, typed: dict[str, str], wrong: dict[str, str]) -> web.Response:
    return page.render(
        request,
        "new_wallet.html",
        HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        typed=typed,
        errors=wrong,
        currencies=sorted(await currencies.known(request)),
    )


async def _operations(request: web.Request, wallet: asyncpg.Record) -> Page:
    before = request.query.get("before")
    if before is not None and not (_SEQ.fullmatch(before) and 1 <= int(before) <= MAX):
        raise Problem(errors.INVALID_REQUEST, "this is not the address of a page of this list")
    rows = await request.config_dict[POOL].fetch(
        "select * from wallet.list_operations($1, $2, $3)",
        wallet["id"],
        paging.SIZE,
        None if before is None else int(before),
    )
    newer = older = None
    # Operations are numbered without gaps: the page before this one is so many numbers away.
    if rows and rows[0]["seq"] < wallet["last_seq"]:
        start = rows[0]["seq"] + paging.SIZE + 1
        newer = paging.link(request, before=str(start)) if start <= wallet["last_seq"] else paging.link(request)
    if rows and rows[-1]["seq"] > 1:
        older = paging.link(request, before=str(rows[-1]["seq"]))
    return Page(rows, newer, older)


async def _refusals(request: web.Request, wallet: asyncpg.Record) -> Page:
    place, is_backward = paging.position(request, tuple[Moment, UUID])
    rows = await request.config_dict[POOL].fetch(
        "select * from wallet.list_rejections($1, $2, $3, $4, $5)",
        wallet["id"],
        paging.SIZE + 1,
        *(place or (None, None)),
        is_backward,
    )
    return paging.page(request, rows, lambda row: (row["created_at"], row["operation_id"]))


async def _audit(request: web.Request, wallet: asyncpg.Record) -> Page:
    from_id, is_backward = paging.position(request, int)
    rows = await request.config_dict[POOL].fetch(
        "select * from wallet.list_audit($1, $2, $3, $4)", paging.SIZE + 1, from_id, is_backward, wallet["id"]
    )
    return paging.page(request, rows, lambda row: row["id"])


async def _notice(request: web.Request, wallet: asyncpg.Record) -> object:
    """What was just done, as far as the wallet bears it out: an operation's row, or a word. A link can say anything."""
    done = request.query.get("done", "")
    if _UUID.fullmatch(done):
        try:
            return await request.config_dict[POOL].fetchrow(
                "select * from wallet.get_operation($1, $2)", wallet["id"], done
            )
        except asyncpg.PostgresError as exc:
            if exc.sqlstate != "WA010":
                raise
            return None
    is_true = done == "created" or (done in _STATUSES and done == wallet["status"])
    return done if is_true else None
