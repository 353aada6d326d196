"""The application: routes, and what every request goes through. Makes no connection and reads no environment."""

import logging
import re

from aiohttp import web

from service import admin, api, database, errors, health, openapi
from service.errors import Problem
from service.ids import new_id
from service.keys import Keys
from service.web import REQUEST_ID, Handler

log = logging.getLogger(__name__)

MAX_BODY_BYTES = 64 * 1024
_REQUEST_ID = re.compile(r"[!-~]{1,128}")


def create_app(database_url: str, *, auth: bool = False, tls_proxy: bool = False) -> web.Application:
    """The service on a database that is migrated; for holders of API keys alone, or behind a proxy that ends TLS."""
    app = web.Application(middlewares=[_answer], client_max_size=MAX_BODY_BYTES)
    app[database.DATABASE_URL] = database_url
    app.cleanup_ctx.extend([database.pool, database.coalescers])
    api.setup(app, Keys() if auth else None)
    openapi.setup(app, auth=auth)
    health.setup(app)
    admin.setup(app, tls_proxy)
    return app


@web.middleware
async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Gives every request an id, and every refusal, the framework's own included, the body of a problem."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _REQUEST_ID.fullmatch(given) else new_id()
    request[REQUEST_ID] = request_id
    try:
        response = await handler(request)
    except Problem as problem:
        response = problem.response()
    except web.HTTPException as exc:
        response = errors.from_framework(exc).response()
    except Exception as exc:
        refusal = errors.from_database(exc)
        if refusal is None:
            log.exception("request failed", extra={"request_id": request_id})
            refusal = errors.internal_error()
        elif refusal.entry is errors.DATABASE_UNAVAILABLE:
            log.warning("database unavailable: %s", exc, extra={"request_id": request_id})
        response = refusal.response()
    response.headers["X-Request-ID"] = request_id
    return response
