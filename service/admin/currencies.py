"""The currencies that wallets may have, and amounts in them as pages show them."""

from collections.abc import Iterable

import jinja2
from aiohttp import web

from service.admin.i18n import language
from service.admin.money import format_money
from service.database import admin_calls
from service.database.pool import POOL

_DECIMALS: web.AppKey[dict[str, int]] = web.AppKey("_DECIMALS", dict)


def setup(app: web.Application, env: jinja2.Environment) -> None:
    """Gives templates the filters `money`, as in `{{ balance | money(currency) }}`, and `grouped` for counts."""
    decimals: dict[str, int] = {}
    app[_DECIMALS] = decimals
    env.filters["money"] = lambda minor, currency: format_money(int(minor), decimals[currency], language())
    env.filters["grouped"] = lambda count: format_money(int(count), 0, language())


async def known(request: web.Request, codes: Iterable[str] = ()) -> dict[str, int]:
    """The decimals of each currency by its code. Must have been called with the currencies that a page shows."""
    decimals = request.config_dict[_DECIMALS]
    # Currencies are only ever added, by a migration: an unknown code is the reason to read them again.
    if not decimals or not decimals.keys() >= set(codes):
        rows = await admin_calls.list_currencies(request.config_dict[POOL])
        decimals.update((row["code"], row["decimals"]) for row in rows)
    return decimals


def amount(request: web.Request, minor: int, currency: str) -> str:
    """An amount with its currency, which must be known: 1,234.56 EUR."""
    return f"{format_money(minor, request.config_dict[_DECIMALS][currency], language())} {currency}"
