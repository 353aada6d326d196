"""Every problem that a caller can get: one catalogue, one body (RFC 9457, `application/problem+json`)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import asyncpg
import msgspec
from aiohttp import web

from service.response import JsonResponse


class ProblemType(NamedTuple):
    """A kind of problem: its code and status over HTTP, and the SQLSTATE that SQL functions raise for it, if any."""

    code: str
    status: HTTPStatus
    title: str
    sqlstate: str | None = None


_BAD_REQUEST = HTTPStatus.BAD_REQUEST
_CONFLICT = HTTPStatus.CONFLICT

# Raised by the functions of the database.
WALLET_NOT_FOUND = ProblemType("wallet_not_found", HTTPStatus.NOT_FOUND, "Wallet not found", "WA001")
INSUFFICIENT_FUNDS = ProblemType("insufficient_funds", _BAD_REQUEST, "Insufficient funds", "WA002")
INVALID_AMOUNT = ProblemType("invalid_amount", _BAD_REQUEST, "Invalid amount", "WA003")
INVALID_OPERATION_TYPE = ProblemType("invalid_operation_type", _BAD_REQUEST, "Invalid operation type", "WA004")
BALANCE_LIMIT_EXCEEDED = ProblemType("balance_limit_exceeded", _BAD_REQUEST, "Balance limit exceeded", "WA005")
WALLET_NOT_ACTIVE = ProblemType("wallet_not_active", _CONFLICT, "Wallet not active", "WA006")
IDEMPOTENCY_KEY_REUSED = ProblemType(
    "idempotency_key_reused", HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key reused", "WA007"
)
INVALID_IDEMPOTENCY_KEY = ProblemType("invalid_idempotency_key", _BAD_REQUEST, "Invalid idempotency key", "WA008")
WALLET_ALREADY_EXISTS = ProblemType("wallet_already_exists", _CONFLICT, "Wallet already exists", "WA009")
OPERATION_NOT_FOUND = ProblemType("operation_not_found", HTTPStatus.NOT_FOUND, "Operation not found", "WA010")
INVALID_CURRENCY = ProblemType("invalid_currency", _BAD_REQUEST, "Invalid currency", "WA011")
INVALID_STATUS = ProblemType("invalid_status", _BAD_REQUEST, "Invalid status", "WA012")
WALLET_NOT_EMPTY = ProblemType("wallet_not_empty", _CONFLICT, "Wallet not empty", "WA013")
INVALID_NAME = ProblemType("invalid_name", _BAD_REQUEST, "Invalid name", "WA014")
INVALID_LIMIT = ProblemType("invalid_limit", _BAD_REQUEST, "Invalid limit", "WA015")
ADMIN_ALREADY_EXISTS = ProblemType("admin_already_exists", _CONFLICT, "Admin already exists", "WA016")
INVALID_USERNAME = ProblemType("invalid_username", _BAD_REQUEST, "Invalid username", "WA017")
ADMIN_NOT_FOUND = ProblemType("admin_not_found", HTTPStatus.NOT_FOUND, "Admin not found", "WA018")
TOO_MANY_ATTEMPTS = ProblemType("too_many_attempts", HTTPStatus.TOO_MANY_REQUESTS, "Too many attempts", "WA019")
NOT_SIGNED_IN = ProblemType("not_signed_in", HTTPStatus.UNAUTHORIZED, "Not signed in", "WA020")
INVALID_REASON = ProblemType("invalid_reason", _BAD_REQUEST, "Invalid reason", "WA021")
INVALID_ORDER = ProblemType("invalid_order", _BAD_REQUEST, "Invalid order", "WA022")
API_KEY_ALREADY_EXISTS = ProblemType("api_key_already_exists", _CONFLICT, "API key already exists", "WA023")
API_KEY_NOT_FOUND = ProblemType("api_key_not_found", HTTPStatus.NOT_FOUND, "API key not found", "WA024")
INVALID_SCOPE = ProblemType("invalid_scope", _BAD_REQUEST, "Invalid scope", "WA025")
INVALID_RATE_LIMIT = ProblemType("invalid_rate_limit", _BAD_REQUEST, "Invalid rate limit", "WA026")

# Raised by the service itself.
INVALID_REQUEST = ProblemType("invalid_request", _BAD_REQUEST, "Invalid request")
UNAUTHORIZED = ProblemType("unauthorized", HTTPStatus.UNAUTHORIZED, "Unauthorized")
FORBIDDEN = ProblemType("forbidden", HTTPStatus.FORBIDDEN, "Forbidden")
NOT_FOUND = ProblemType("not_found", HTTPStatus.NOT_FOUND, "Not found")
METHOD_NOT_ALLOWED = ProblemType("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")
REQUEST_TIMEOUT = ProblemType("request_timeout", HTTPStatus.REQUEST_TIMEOUT, "Request timeout")
PAYLOAD_TOO_LARGE = ProblemType("payload_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Payload too large")
UNSUPPORTED_MEDIA_TYPE = ProblemType(
    "unsupported_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported media type"
)
RATE_LIMITED = ProblemType("rate_limited", HTTPStatus.TOO_MANY_REQUESTS, "Rate limited")
OVERLOADED = ProblemType("overloaded", HTTPStatus.SERVICE_UNAVAILABLE, "Overloaded")
DATABASE_UNAVAILABLE = ProblemType("database_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Database unavailable")
INTERNAL_ERROR = ProblemType("internal_error", HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")

CATALOGUE = tuple(constant for constant in globals().copy().values() if isinstance(constant, ProblemType))

BY_SQLSTATE = {kind.sqlstate: kind for kind in CATALOGUE if kind.sqlstate is not None}

# Problems that aiohttp finds itself, by status.
BY_STATUS = {
    kind.status: kind
    for kind in (
        INVALID_REQUEST,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        REQUEST_TIMEOUT,
        PAYLOAD_TOO_LARGE,
        UNSUPPORTED_MEDIA_TYPE,
        INTERNAL_ERROR,
    )
}

RETRY_AFTER_SECONDS = "1"

# SQLSTATEs, or classes of them, of errors that are temporary: connection lost or rejected, out of resources, stopped by
# an operator, in conflict with other transactions, out of time. 42804: a view gained a column while a function that
# returns its rows ran.
_CONFLICT_STATES = ("40", "55P03")
_TEMPORARY_STATES = ("08", "28", "3D", "53", "57P", "57014", "25006", "42804", *_CONFLICT_STATES)


class Problem(Exception):  # noqa: N818 -- the word of RFC 9457
    """A problem, raised anywhere below a handler; the response is `application/problem+json`."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        closes_connection: bool = False,
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers or {}
        self.closes_connection = closes_connection

    def response(self) -> web.Response:
        """The response to the caller."""
        body = msgspec.json.encode(content(self.kind, self.detail))
        response = JsonResponse(body, self.kind.status, self.headers, "application/problem+json")
        if self.closes_connection:
            response.force_close()
        return response


def content(kind: ProblemType, detail: str) -> dict[str, str | int]:
    """The members of a problem's body."""
    return {
        "type": f"urn:wallets:problem:{kind.code}",
        "title": kind.title,
        "status": int(kind.status),
        "detail": detail,
        "code": kind.code,
    }


def database_unavailable() -> Problem:
    """The database did not respond in time; whether an operation was applied is unknown."""
    return Problem(
        DATABASE_UNAVAILABLE,
        "database unavailable: the operation may or may not have been applied; retry with the same Idempotency-Key",
        {"Retry-After": RETRY_AFTER_SECONDS},
    )


def internal_error() -> Problem:
    """A defect of the service."""
    return Problem(INTERNAL_ERROR, "internal error; the log has details under this X-Request-ID")


def overloaded() -> Problem:
    """More requests are queued than the service accepts."""
    return Problem(OVERLOADED, "too many queued requests; retry later", {"Retry-After": RETRY_AFTER_SECONDS})


def is_conflict(exc: Exception) -> bool:
    """Whether other transactions were the cause: a lock not available in time, a deadlock, a serialization failure."""
    return isinstance(exc, asyncpg.PostgresError) and (exc.sqlstate or "").startswith(_CONFLICT_STATES)


def is_temporary(exc: Exception) -> bool:
    """Whether the same call may succeed later."""
    problem = from_database(exc)
    return problem is not None and problem.kind is DATABASE_UNAVAILABLE


def from_framework(exc: web.HTTPException) -> Problem:
    """The problem of an error that aiohttp raises."""
    kind = BY_STATUS.get(HTTPStatus(exc.status), INVALID_REQUEST)
    headers = {name: value for name, value in exc.headers.items() if name == "Allow"}
    if isinstance(exc, web.HTTPMethodNotAllowed):
        detail = f"method must be {' or '.join(sorted(exc.allowed_methods))}; got {exc.method}"
    elif isinstance(exc, web.HTTPNotFound):
        detail = "path not found"
    else:
        detail = exc.text or kind.title
    return Problem(kind, detail, headers)


def from_database(exc: BaseException) -> Problem | None:
    """The problem of an error of a database call; None when it is a defect of the service.

    Branches on the SQLSTATE: asyncpg raises unknown codes as `UnknownPostgresError`, a subclass of
    `FatalPostgresError`.
    """
    if isinstance(exc, asyncpg.PostgresError):
        sqlstate = exc.sqlstate or ""
        if kind := BY_SQLSTATE.get(sqlstate):
            return Problem(kind, exc.message or kind.title)
        return database_unavailable() if sqlstate.startswith(_TEMPORARY_STATES) else None
    # Errors of asyncpg and of the socket about a lost connection, and time limits. Those of asyncpg that are also a
    # ValueError are about an argument, which is a defect.
    if isinstance(exc, (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)) and not isinstance(
        exc, ValueError
    ):
        return database_unavailable()
    return None
