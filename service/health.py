"""Whether the process lives, whether it can serve, and how it is doing."""

from dataclasses import dataclass

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from service import deploy
from service.database.connection import FAILURES
from service.database.pool import POOL
from service.keys import Keys, Scope, guarded
from service.metrics import METRICS

_CHECK_SECONDS = 3.0


@dataclass
class Comparison:
    """How the functions in the database differ from ours, as last seen; None once they were found to be the same."""

    drift: str | None = "not yet compared"


_COMPARISON: web.AppKey[Comparison] = web.AppKey("_COMPARISON", Comparison)


def setup(app: web.Application, keys: Keys | None) -> None:
    """Adds the routes; where keys are asked for, how it is doing is told to whoever may read."""
    app[_COMPARISON] = Comparison()
    tell = metrics if keys is None else guarded(metrics, Scope.READ, keys)
    for path, handler in (("/health/live", live), ("/health/ready", ready), ("/metrics", tell)):
        app.router.add_get(path, handler)
        app.router.add_get(f"{path}/", handler)


async def live(_: web.Request) -> web.Response:
    """200 for as long as the process answers: restart it when it does not."""
    return _answer(200, "live")


async def ready(request: web.Request) -> web.Response:
    """200 when the database answers and has the functions that this service was written for.

    The functions are compared until they match, and then no more: the next release is deployed to the database before
    its services start, and must not take the ones that still run out of service.
    """
    comparison = request.app[_COMPARISON]
    try:
        async with request.app[POOL].acquire(timeout=_CHECK_SECONDS) as connection:
            await connection.fetchval("select 1", timeout=_CHECK_SECONDS)
            if comparison.drift is not None:
                comparison.drift = await deploy.drift(connection)
    except FAILURES:
        return _answer(503, "database_unavailable", "the database does not answer")
    if comparison.drift is not None:
        return _answer(503, "functions_differ", f"{comparison.drift}; run: {deploy.MIGRATE_COMMAND}")
    return _answer(200, "ready")


async def metrics(request: web.Request) -> web.Response:
    """All that is counted, for Prometheus."""
    return web.Response(
        body=request.app[METRICS].text(request.app[POOL]),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )


def _answer(status: int, state: str, detail: str | None = None) -> web.Response:
    content = {"status": state} if detail is None else {"status": state, "detail": detail}
    return web.Response(
        body=msgspec.json.encode(content),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
