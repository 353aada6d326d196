"""All wallets: searching them, and creating one."""

from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from aiohttp import web

from service import errors, vocabulary
from service.admin import currencies, page, paging, totals
from service.admin.guard import FORM
from service.admin.i18n import N_, language
from service.admin.i18n import gettext as _
from service.admin.money import MoneyError, parse_money
from service.admin.session import ADMIN
from service.admin.wallet import wallet_url
from service.database import admin_calls
from service.database.pool import POOL
from service.errors import Problem

_ORDERS = {
    "newest": N_("Newest first"),
    "oldest": N_("Oldest first"),
    "name": N_("By name, A to Z"),
    "name_desc": N_("By name, Z to A"),
}
_FILTERS = ("q", "status", "currency")
_DEFAULT_CURRENCY = "RUB"


def setup(app: web.Application) -> None:
    """Adds the pages."""
    app.router.add_get("/wallets/", list_wallets, name="wallets")
    new = app.router.add_resource("/wallets/new", name="new_wallet")
    new.add_route("GET", new_wallet)
    new.add_route("POST", create_wallet)


async def list_wallets(request: web.Request) -> web.Response:
    """A page of the wallets that match a search."""
    searched = {name: request.query.get(name, "").strip() for name in (*_FILTERS, "order")}
    if searched["order"] not in _ORDERS:
        searched["order"] = next(iter(_ORDERS))
    is_by_name = searched["order"].startswith("name")
    kind: Any = tuple[str | None, UUID] if is_by_name else tuple[datetime, UUID]
    position, is_backward = paging.position(request, kind)
    key, wallet_id = position or (None, None)
    rows = await admin_calls.search_wallets(
        request.config_dict[POOL],
        paging.SIZE + 1,
        searched["order"],
        [searched[name] or None for name in _FILTERS],
        (None, key, wallet_id) if is_by_name else (key, None, wallet_id),
        is_backward,
    )
    sums = await totals.latest(request)
    decimals = await currencies.known(request, {row["currency"] for row in (*rows, *(sums.rows if sums else ()))})
    return page.render(
        request,
        "wallets.html",
        totals=sums,
        page=paging.page(request, rows, lambda row: (row["name" if is_by_name else "created_at"], row["id"])),
        searched=searched,
        is_filtered=any(searched[name] for name in _FILTERS),
        statuses=vocabulary.WALLET_STATUSES,
        orders={order: _(label) for order, label in _ORDERS.items()},
        currencies=sorted(decimals),
    )


async def new_wallet(request: web.Request) -> web.Response:
    """The form of a wallet. Its id is generated with it: sent twice, it creates one wallet."""
    return await _render_form(
        request, {"id": str(uuid4()), "name": "", "currency": _DEFAULT_CURRENCY, "opening": ""}, {}
    )


async def create_wallet(request: web.Request) -> web.Response:
    """Creates a wallet."""
    form = request[FORM]
    typed = {name: form.get(name, "") for name in ("id", "name", "currency", "opening")}
    if not vocabulary.UUID.fullmatch(typed["id"]):
        raise Problem(errors.INVALID_REQUEST, "id must be a UUID")
    opening, wrong = await _check(request, typed)
    if wrong:
        return await _render_form(request, typed, wrong)
    name = typed["name"] if typed["name"].strip() else None
    try:
        row = await admin_calls.create_wallet(
            request.config_dict[POOL], request[ADMIN], typed["id"], name, typed["currency"], opening
        )
    except asyncpg.PostgresError as exc:
        if exc.sqlstate == errors.INVALID_NAME.sqlstate:
            wrong["name"] = _("A name must be at most %(max)s characters, without control characters.") % {
                "max": vocabulary.MAX_NAME
            }
        elif exc.sqlstate == errors.WALLET_ALREADY_EXISTS.sqlstate:
            typed["id"] = str(uuid4())
            wrong["form"] = _(
                "This form was already used for another wallet. Nothing was changed. "
                "Send it again to create one more wallet."
            )
        else:
            raise
        return await _render_form(request, typed, wrong)
    return page.redirect(wallet_url(request, row["id"], done="created"))


async def _check(request: web.Request, typed: dict[str, str]) -> tuple[int | None, dict[str, str]]:
    """The opening deposit in minor units, None for none, and what is wrong with the form by field."""
    decimals = await currencies.known(request, {typed["currency"]})
    if typed["currency"] not in decimals:
        return None, {"currency": _("Choose a currency.")}
    if not typed["opening"].strip():
        return None, {}
    try:
        return parse_money(typed["opening"], decimals[typed["currency"]], language()), {}
    except MoneyError as exc:
        return None, {"opening": str(exc)}


async def _render_form(request: web.Request, typed: dict[str, str], wrong: dict[str, str]) -> web.Response:
    return page.render(
        request,
        "new_wallet.html",
        HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK,
        typed=typed,
        errors=wrong,
        currencies=sorted(await currencies.known(request)),
    )
