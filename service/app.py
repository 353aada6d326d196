"""The application: routes, and what every request goes through. Makes no connection and reads no environment."""

import logging
import re
from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from service import admin, api, errors, health, openapi
from service.database.calls import TRACING, batchers
from service.database.pool import DATABASE_URL, open_pool
from service.errors import Problem
from service.ids import new_id
from service.keys import Keys
from service.limits import DEFAULT, LIMITS, Limits
from service.metrics import METRICS, Metrics
from service.web import REQUEST_ID, Handler

if TYPE_CHECKING:
    from service.tracing import Tracing

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


def create_app(
    database_url: str,
    *,
    auth: bool = False,
    tls_proxy: bool = False,
    traces_to: str | None = None,
    limits: Limits = DEFAULT,
) -> web.Application:
    """The service on a database that is migrated.

    For holders of API keys alone, behind a proxy that ends TLS, or sending traces to an OpenTelemetry collector.
    """
    app = web.Application(middlewares=[_answer], client_max_size=MAX_BODY_BYTES)
    app[DATABASE_URL] = database_url
    app[LIMITS] = limits
    app[TRACING] = _traced(app, traces_to) if traces_to else None
    app.cleanup_ctx.extend([open_pool, batchers])
    app[METRICS] = Metrics()
    keys = Keys(limits.api_key_seconds) if auth else None
    api.setup(app, keys)
    openapi.setup(app, auth=auth)
    health.setup(app, keys)
    admin.setup(app, tls_proxy)
    return app


def _traced(app: web.Application, endpoint: str) -> "Tracing":
    from service.tracing import Tracing  # noqa: PLC0415 -- what it needs need not be installed

    tracing = Tracing(endpoint)
    tracing.setup(app)
    return tracing


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives every request an id, and every refusal, the framework's own included, the body of a problem."""
    began_at = perf_counter()
    metrics = request.app[METRICS]
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
    request[REQUEST_ID] = request_id
    try:
        response = await handler(request)
    except Exception as exc:
        refusal = _refusal(exc)
        if refusal is None:
            log.exception("request failed", extra={"request_id": request_id})
            refusal = errors.internal_error()
        elif refusal is not exc and refusal.kind is errors.DATABASE_UNAVAILABLE:
            log.warning("database unavailable: %s", exc, extra={"request_id": request_id})
        metrics.refused(refusal.kind.code)
        response = refusal.response()
    metrics.answered(request, response.status, perf_counter() - began_at)
    response.headers["X-Request-ID"] = request_id
    return response


def _refusal(exc: Exception) -> Problem | None:
    if isinstance(exc, Problem):
        return exc
    if isinstance(exc, web.HTTPException):
        return errors.from_framework(exc)
    return errors.from_database(exc)
