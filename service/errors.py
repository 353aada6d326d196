"""Every refusal that a caller can meet: one catalogue, one body (RFC 9457, `application/problem+json`)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import asyncpg
import msgspec
from aiohttp import web

from service.response import JsonResponse


class ProblemType(NamedTuple):
    """A kind of problem: what it is to an HTTP caller, and the SQLSTATE that a function raises for it, if one does."""

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

# What the framework rejects by itself, by status.
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

# SQLSTATEs, or classes of them, by which PostgreSQL says that it cannot answer now: connection lost or refused, out of
# resources, an operator's stop, conflicts with other transactions, a time limit. After a lost connection nobody knows
# whether the call was applied.
_CONFLICT_STATES = ("40", "55P03")
_UNAVAILABLE_STATES = ("08", "28", "3D", "53", "57P", "57014", "25006", *_CONFLICT_STATES)


class Problem(Exception):  # noqa: N818 -- the word of RFC 9457
    """A refusal, raised anywhere below a handler and answered as `application/problem+json`."""

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
        """The answer to the caller."""
        content = {
            "type": urn(self.kind),
            "title": self.kind.title,
            "status": int(self.kind.status),
            "detail": self.detail,
            "code": self.kind.code,
        }
        response = JsonResponse(
            msgspec.json.encode(content), self.kind.status, self.headers, "application/problem+json"
        )
        if self.closes_connection:
            response.force_close()
        return response


def urn(kind: ProblemType) -> str:
    """What identifies a kind of problem anywhere."""
    return f"urn:wallets:problem:{kind.code}"


def database_unavailable() -> Problem:
    """The database cannot answer now; the caller may try again."""
    return Problem(
        DATABASE_UNAVAILABLE,
        "the database did not answer in time; an operation may have been applied or not: to be sure, try again "
        "with the same Idempotency-Key",
        {"Retry-After": RETRY_AFTER_SECONDS},
    )


def internal_error() -> Problem:
    """A defect of ours."""
    return Problem(INTERNAL_ERROR, "the service failed; its log tells more under the request id")


def overloaded() -> Problem:
    """More requests wait than the service takes on; the caller may try again."""
    return Problem(OVERLOADED, "too many requests wait already: try again", {"Retry-After": RETRY_AFTER_SECONDS})


def is_conflict(exc: Exception) -> bool:
    """Whether other transactions were in the way: a lock waited for too long, a deadlock, a serialization failure."""
    return isinstance(exc, asyncpg.PostgresError) and (exc.sqlstate or "").startswith(_CONFLICT_STATES)


def is_passing(exc: Exception) -> bool:
    """Whether the same call may well succeed later."""
    problem = from_database(exc)
    return problem is not None and problem.kind is DATABASE_UNAVAILABLE


def from_framework(exc: web.HTTPException) -> Problem:
    """What a refusal of aiohttp itself is to the caller."""
    kind = BY_STATUS.get(HTTPStatus(exc.status), INVALID_REQUEST)
    headers = {name: value for name, value in exc.headers.items() if name == "Allow"}
    if isinstance(exc, web.HTTPMethodNotAllowed):
        detail = f"{exc.method} is not allowed here, {', '.join(sorted(exc.allowed_methods))} is"
    elif isinstance(exc, web.HTTPNotFound):
        detail = "there is nothing at this path"
    else:
        detail = exc.text or kind.title
    return Problem(kind, detail, headers)


def from_database(exc: BaseException) -> Problem | None:
    """What a failure of a database call is to the caller; None when it is a defect of ours.

    Branches on the SQLSTATE alone: asyncpg raises codes that it does not know as `UnknownPostgresError`, whose base
    class says "fatal".
    """
    if isinstance(exc, asyncpg.PostgresError):
        sqlstate = exc.sqlstate or ""
        if kind := BY_SQLSTATE.get(sqlstate):
            return Problem(kind, exc.message or kind.title)
        return database_unavailable() if sqlstate.startswith(_UNAVAILABLE_STATES) else None
    # asyncpg's own errors about a connection that is gone, the socket's, and time limits. The ones that are a
    # ValueError as well are about an argument that we should not have passed.
    if isinstance(exc, (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)) and not isinstance(
        exc, ValueError
    ):
        return database_unavailable()
    return None
