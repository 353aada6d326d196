"""The calls of the database, each statement once."""

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
from aiohttp import web

from service.database.batcher import BalanceRequest, Batcher, KeyRequest, Operation
from service.database.pool import POOL, KeptConnections
from service.limits import LIMITS
from service.metrics import METRICS

if TYPE_CHECKING:
    from service.tracing import Tracing

OPERATIONS: web.AppKey[Batcher[Operation]] = web.AppKey("OPERATIONS", Batcher)
BALANCES: web.AppKey[Batcher[BalanceRequest]] = web.AppKey("BALANCES", Batcher)
KEYS: web.AppKey[Batcher[KeyRequest]] = web.AppKey("KEYS", Batcher)
TRACING: "web.AppKey[Tracing | None]" = web.AppKey("TRACING")

_APPLY_OPERATIONS = """
select operation_id, status, new_balance, replayed, error_code, detail
from wallet.apply_operations($1, $2, $3, $4)
"""

_GET_BALANCES = "select balance from wallet.get_balances($1)"

_CHECK_API_KEYS = "select id, name, scope, rate_limit from wallet.check_api_keys($1)"


async def batchers(app: web.Application) -> AsyncIterator[None]:
    """What applies operations, reads balances and looks keys up; all that they accepted is answered before they end."""
    pool, metrics, tracing, limits = app[POOL], app[METRICS], app[TRACING], app[LIMITS]

    async with KeptConnections(pool) as connections:

        def batcher(function: str, statement: str) -> Batcher[Any]:
            counted = metrics.calls_of(function)

            async def call(requests: Sequence[Any]) -> Sequence[asyncpg.Record]:
                counted.sizes.observe(len(requests))
                counted.waiting.set(made.waiting)
                with counted.seconds.time(), counted.failures.count_exceptions():
                    rows = await connections.fetch(statement, *zip(*requests, strict=True))
                if made is operations:
                    metrics.operated(requests, rows)
                return rows

            made = Batcher(call, limits) if tracing is None else tracing.batcher(function, call, limits)
            return made

        operations = app[OPERATIONS] = batcher("apply_operations", _APPLY_OPERATIONS)
        app[BALANCES] = batcher("get_balances", _GET_BALANCES)
        app[KEYS] = batcher("check_api_keys", _CHECK_API_KEYS)
        yield
        for made in (operations, app[BALANCES], app[KEYS]):
            await made.close()
