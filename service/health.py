"""Probes and metrics: `/health/live`, `/health/ready`, `/metrics`."""

from dataclasses import dataclass

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST

from service import deploy
from service.api.guard import ApiKeyCache, guarded
from service.api_keys import Scope
from service.database import calls
from service.database.connection import FAILURES
from service.database.pool import POOL
from service.metrics import METRICS

_CHECK_SECONDS = 3.0


@dataclass
class Comparison:
    """The last comparison of the database's functions with those of this release; None once they matched."""

    drift: str | None = "not yet compared"


_COMPARISON: web.AppKey[Comparison] = web.AppKey("_COMPARISON", Comparison)


def setup(app: web.Application, api_keys: ApiKeyCache | None) -> None:
    """Adds the routes. Where API keys are required, metrics require one of scope read."""
    app[_COMPARISON] = Comparison()
    read_metrics = metrics if api_keys is None else guarded(metrics, Scope.READ, api_keys)
    for path, handler in (("/health/live", live), ("/health/ready", ready), ("/metrics", read_metrics)):
        app.router.add_get(path, handler)
        app.router.add_get(f"{path}/", handler)


async def live(_: web.Request) -> web.Response:
    """200 while the process responds: restart it when it does not."""
    return _response(200, "live")


async def ready(request: web.Request) -> web.Response:
    """200 when the database responds and has the functions of this release.

    The functions are compared until they match, and not again: the next release is deployed to the database before its
    services start, and must not make the running ones unready.
    """
    comparison = request.app[_COMPARISON]
    try:
        async with request.app[POOL].acquire(timeout=_CHECK_SECONDS) as connection:
            await calls.ping(connection, _CHECK_SECONDS)
            if comparison.drift is not None:
                comparison.drift = await deploy.drift(connection)
    except FAILURES:
        return _response(503, "database_unavailable", "the database does not respond")
    if comparison.drift is not None:
        return _response(503, "functions_differ", f"{comparison.drift}; run: {deploy.MIGRATE_COMMAND}")
    return _response(200, "ready")


async def metrics(request: web.Request) -> web.Response:
    """The metrics, for Prometheus."""
    return web.Response(
        body=request.app[METRICS].text(request.app[POOL]),
        headers={"Content-Type": CONTENT_TYPE_LATEST, "Cache-Control": "no-store"},
    )


def _response(status: int, state: str, detail: str | None = None) -> web.Response:
    content = {"status": state} if detail is None else {"status": state, "detail": detail}
    return web.Response(
        body=msgspec.json.encode(content),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
