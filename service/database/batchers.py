"""The application's batchers: operations, balances and API keys."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import TYPE_CHECKING, Any

from aiohttp import web

from service.database import calls
from service.database.batcher import ApiKeyRequest, BalanceRequest, Batcher, Operation
from service.database.pool import POOL, KeptConnections
from service.limits import LIMITS
from service.metrics import METRICS

if TYPE_CHECKING:
    from service.tracing import Tracing

OPERATIONS: web.AppKey[Batcher[Operation]] = web.AppKey("OPERATIONS", Batcher)
BALANCES: web.AppKey[Batcher[BalanceRequest]] = web.AppKey("BALANCES", Batcher)
API_KEYS: web.AppKey[Batcher[ApiKeyRequest]] = web.AppKey("API_KEYS", Batcher)
TRACING: "web.AppKey[Tracing | None]" = web.AppKey("TRACING")

_Call = Callable[[KeptConnections, Sequence[Any]], calls.Rows]


async def open_batchers(app: web.Application) -> AsyncIterator[None]:
    """Opens the batchers; at the end, waits until every request that they accepted has a result or an error."""
    async with KeptConnections(app[POOL]) as connections:
        operations = app[OPERATIONS] = _batcher(app, connections, calls.apply_operations)
        balances = app[BALANCES] = _batcher(app, connections, calls.get_balances)
        api_keys = app[API_KEYS] = _batcher(app, connections, calls.check_api_keys)
        yield
        for batcher in (operations, balances, api_keys):
            await batcher.close()


def _batcher(app: web.Application, connections: KeptConnections, call: _Call) -> Batcher[Any]:
    metrics, tracing, limits = app[METRICS], app[TRACING], app[LIMITS]
    function = call.__name__
    counted = metrics.calls_of(function)
    is_of_operations = call is calls.apply_operations

    async def measured(requests: Sequence[Any]) -> Sequence[Any]:
        counted.sizes.observe(len(requests))
        counted.queued.set(batcher.queued)
        with counted.seconds.time(), counted.failures.count_exceptions():
            rows = await call(connections, requests)
        if is_of_operations:
            metrics.count_operations(requests, rows)
        return rows

    batcher = Batcher(measured, limits) if tracing is None else tracing.batcher(function, measured, limits)
    return batcher
