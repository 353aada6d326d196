"""The application: its routes, and the middleware that every request passes. Does no I/O, reads no environment."""

import logging
import re
from time import perf_counter
from typing import TYPE_CHECKING

from aiohttp import web

from service import admin, api, errors, health
from service.api import openapi
from service.api.guard import ApiKeyCache
from service.database.batchers import TRACING, open_batchers
from service.database.pool import DATABASE_URL, open_pool
from service.errors import Problem
from service.ids import new_id
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
    """The service on a migrated database.

    `auth` requires API keys; `tls_proxy` says that a proxy in front ends TLS; `traces_to` is the URL of an
    OpenTelemetry collector.
    """
    app = web.Application(middlewares=[_respond], client_max_size=MAX_BODY_BYTES)
    app[DATABASE_URL] = database_url
    app[LIMITS] = limits
    app[TRACING] = _traced(app, traces_to) if traces_to else None
    app.cleanup_ctx.extend([open_pool, open_batchers])
    app[METRICS] = Metrics()
    api_keys = ApiKeyCache(limits.api_key_seconds) if auth else None
    api.setup(app, api_keys)
    openapi.setup(app, auth=auth)
    health.setup(app, api_keys)
    admin.setup(app, tls_proxy)
    return app


def _traced(app: web.Application, endpoint: str) -> "Tracing":
    from service.tracing import Tracing  # noqa: PLC0415 -- OpenTelemetry is optional

    tracing = Tracing(endpoint)
    tracing.setup(app)
    return tracing


@web.middleware
async def _respond(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives every request an id, and every error, those of aiohttp included, the body of a problem."""
    began_at = perf_counter()
    metrics = request.app[METRICS]
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
    request[REQUEST_ID] = request_id
    try:
        response = await handler(request)
    except Exception as exc:
        problem = _problem(exc)
        if problem is None:
            log.exception("request failed", extra={"request_id": request_id})
            problem = errors.internal_error()
        elif problem is not exc and problem.kind is errors.DATABASE_UNAVAILABLE:
            log.warning("database unavailable: %s", exc, extra={"request_id": request_id})
        metrics.count_problem(problem.kind.code)
        response = problem.response()
    metrics.count_request(request, response.status, perf_counter() - began_at)
    response.headers["X-Request-ID"] = request_id
    return response


def _problem(exc: Exception) -> Problem | None:
    if isinstance(exc, Problem):
        return exc
    if isinstance(exc, web.HTTPException):
        return errors.from_framework(exc)
    return errors.from_database(exc)
