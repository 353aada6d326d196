"""The currencies that wallets may have, and amounts in them as templates show them."""

from collections.abc import Iterable

import asyncpg
import jinja2
from aiohttp import web

from service.admin.i18n import language
from service.admin.money import format_money
from service.database.pool import POOL

_DECIMALS: web.AppKey[dict[str, int]] = web.AppKey("_DECIMALS", dict)


def setup(app: web.Application, env: jinja2.Environment) -> None:
    """Gives templates the filters `money`, as in `{{ balance | money(currency) }}`, and `grouped` for counts."""
    decimals: dict[str, int] = {}
    app[_DECIMALS] = decimals
    env.filters["money"] = lambda minor, currency: format_money(int(minor), decimals[currency], language())
    env.filters["grouped"] = lambda count: format_money(int(count), 0, language())


async def known(request: web.Request, codes: Iterable[str] = ()) -> dict[str, int]:
    """How many decimals each currency has, by its code; whoever shows amounts asks for their currencies first."""
    decimals = request.config_dict[_DECIMALS]
    # They only ever become more, by a migration: a code that is not known yet is reason to look again.
    if not decimals or not decimals.keys() >= set(codes):
        rows: list[asyncpg.Record] = await request.config_dict[POOL].fetch("select * from wallet.list_currencies()")
        decimals.update((row["code"], row["decimals"]) for row in rows)
    return decimals
