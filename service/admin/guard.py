"""What every request below `/admin/` passes: the session, the check of forms, error pages and security headers."""

import asyncio
import logging
import re
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from service import errors
from service.admin import csrf, page, session, static
from service.admin.session import ADMIN
from service.errors import Problem
from service.limits import LIMITS
from service.web import REQUEST_ID, Handler

log = logging.getLogger(__name__)

FORM: web.RequestKey[MultiDictProxy[str]] = web.RequestKey("FORM", MultiDictProxy)
_STARTED: web.RequestKey[web.StreamResponse] = web.RequestKey("_STARTED", web.StreamResponse)

# Routes that need no session.
_OPEN = frozenset({"login", "language"})
_SAFE = frozenset({"GET", "HEAD"})
# PostgreSQL takes no NUL, and half of a surrogate pair, which UTF-7 can encode, is no character.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_RETRY_AFTER: dict[int, str] = {
    # Failed sign-in attempts count for 15 minutes.
    HTTPStatus.TOO_MANY_REQUESTS: "900",
    HTTPStatus.SERVICE_UNAVAILABLE: errors.RETRY_AFTER_SECONDS,
}

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_HSTS = "max-age=31536000"


@web.middleware
async def show_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Responds to every error with a page."""
    try:
        response = await handler(request)
    except web.HTTPException as exc:
        response = _from_framework(request, exc)
    except Exception as exc:
        if _STARTED in request:
            return _break_off(request, exc)
        response = _from_failure(request, exc)
    csrf.keep(request, response)
    return response


@web.middleware
async def admit(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Leads to the sign-in page without a session, and accepts forms of our own pages only."""
    route = request.match_info.route.name
    if route == static.ROUTE:
        return await handler(request)
    # The sign-in form ignores the session: it can still be sent after signing in in another tab.
    if route != "login" and (admin := await session.find(request)):
        request[ADMIN] = admin
    elif route not in _OPEN:
        return page.to_login(request)
    _check_storable(request.query)
    is_allowed = request.match_info.http_exception is None
    if is_allowed and request.method not in _SAFE:
        request[FORM] = await _form(request)
    return await handler(request)


async def set_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Adds the security headers to every response, streamed ones too."""
    request[_STARTED] = response
    response.headers.update(_HEADERS)
    response.headers["X-Request-ID"] = request[REQUEST_ID]
    is_static = request.match_info.route.name == static.ROUTE and response.status < HTTPStatus.BAD_REQUEST
    response.headers["Cache-Control"] = static.cache_control(request) if is_static else "no-store"
    if response.status in _RETRY_AFTER:
        response.headers["Retry-After"] = _RETRY_AFTER[response.status]
    if session.is_secure(request):
        response.headers["Strict-Transport-Security"] = _HSTS


async def _form(request: web.Request) -> MultiDictProxy[str]:
    if csrf.is_foreign(request):
        raise web.HTTPForbidden
    form = await _read(request)
    _check_storable(form)
    if not csrf.is_ours(request, form):
        raise web.HTTPForbidden
    return MultiDictProxy(form)


async def _read(request: web.Request) -> MultiDict[str]:
    if request.content_type != "application/x-www-form-urlencoded":
        return MultiDict()
    limit = request.config_dict[LIMITS].body_seconds
    try:
        async with asyncio.timeout(limit):
            posted = await request.post()
    except TimeoutError:
        detail = f"form not received within {limit:g} s"
        raise Problem(errors.REQUEST_TIMEOUT, detail, closes_connection=True) from None
    except (web.RequestPayloadError, ConnectionError, LookupError, ValueError):
        raise Problem(errors.INVALID_REQUEST, "form cannot be decoded", closes_connection=True) from None
    return MultiDict((name, value) for name, value in posted.items() if isinstance(value, str))


def _check_storable(values: Mapping[str, str]) -> None:
    if any(_UNSTORABLE.search(value) for value in values.values()):
        raise Problem(errors.INVALID_REQUEST, "text must not contain NUL or surrogate characters")


def _from_framework(request: web.Request, exc: web.HTTPException) -> web.Response:
    status = HTTPStatus(exc.status)
    headers = {name: exc.headers[name] for name in ("Allow", "Location") if name in exc.headers}
    if status < HTTPStatus.BAD_REQUEST:
        return web.Response(status=status, headers=headers)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("page failed: %s", exc.text, extra={"request_id": request[REQUEST_ID]})
    return _error(request, status, headers=headers)


def _from_failure(request: web.Request, exc: Exception) -> web.Response:
    extra = {"request_id": request[REQUEST_ID]}
    problem = exc if isinstance(exc, Problem) else errors.from_database(exc)
    if problem is None:
        log.exception("page failed", extra=extra)
        return _error(request, HTTPStatus.INTERNAL_SERVER_ERROR)
    if problem.kind is errors.DATABASE_UNAVAILABLE:
        log.warning("database unavailable: %s", exc, extra=extra)
    if problem.kind.status == HTTPStatus.UNAUTHORIZED:
        # The session ended after we had found it.
        return page.to_login(request)
    response = _error(request, problem.kind.status, problem.detail)
    if problem.closes_connection:
        response.force_close()
    return response


def _error(
    request: web.Request, status: HTTPStatus, detail: str = "", headers: dict[str, str] | None = None
) -> web.Response:
    response = page.render(request, "error.html", status, code=int(status), detail=detail)
    response.headers.update(headers or {})
    return response


def _break_off(request: web.Request, exc: Exception) -> web.StreamResponse:
    """Aborts a streamed response that failed, so that it is not taken for complete."""
    # A browser that was closed is no failure of ours.
    if not isinstance(exc, ConnectionError):
        log.exception("page failed while it was sent", extra={"request_id": request[REQUEST_ID]})
    if request.transport is not None:
        request.transport.abort()
    return request[_STARTED]
