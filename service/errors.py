"""Every refusal that a caller can meet: one catalogue, one body (RFC 9457, `application/problem+json`)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import NamedTuple

import asyncpg
import msgspec
from aiohttp import web

from service.answer import JsonAnswer


class Entry(NamedTuple):
    """What a refusal is to an HTTP caller."""

    code: str
    status: HTTPStatus
    title: str


_BAD_REQUEST = HTTPStatus.BAD_REQUEST
_CONFLICT = HTTPStatus.CONFLICT

# What the functions raise, by SQLSTATE.
BY_SQLSTATE = {
    "WA001": Entry("wallet_not_found", HTTPStatus.NOT_FOUND, "Wallet not found"),
    "WA002": Entry("insufficient_funds", _BAD_REQUEST, "Insufficient funds"),
    "WA003": Entry("invalid_amount", _BAD_REQUEST, "Invalid amount"),
    "WA004": Entry("invalid_operation_type", _BAD_REQUEST, "Invalid operation type"),
    "WA005": Entry("balance_limit_exceeded", _BAD_REQUEST, "Balance limit exceeded"),
    "WA006": Entry("wallet_not_active", _CONFLICT, "Wallet not active"),
    "WA007": Entry("idempotency_key_reused", HTTPStatus.UNPROCESSABLE_ENTITY, "Idempotency key reused"),
    "WA008": Entry("invalid_idempotency_key", _BAD_REQUEST, "Invalid idempotency key"),
    "WA009": Entry("wallet_already_exists", _CONFLICT, "Wallet already exists"),
    "WA010": Entry("operation_not_found", HTTPStatus.NOT_FOUND, "Operation not found"),
    "WA011": Entry("invalid_currency", _BAD_REQUEST, "Invalid currency"),
    "WA012": Entry("invalid_status", _BAD_REQUEST, "Invalid status"),
    "WA013": Entry("wallet_not_empty", _CONFLICT, "Wallet not empty"),
    "WA014": Entry("invalid_name", _BAD_REQUEST, "Invalid name"),
    "WA015": Entry("invalid_limit", _BAD_REQUEST, "Invalid limit"),
    "WA016": Entry("admin_already_exists", _CONFLICT, "Admin already exists"),
    "WA017": Entry("invalid_username", _BAD_REQUEST, "Invalid username"),
    "WA018": Entry("admin_not_found", HTTPStatus.NOT_FOUND, "Admin not found"),
    "WA019": Entry("too_many_attempts", HTTPStatus.TOO_MANY_REQUESTS, "Too many attempts"),
    "WA020": Entry("not_signed_in", HTTPStatus.UNAUTHORIZED, "Not signed in"),
    "WA021": Entry("invalid_reason", _BAD_REQUEST, "Invalid reason"),
    "WA022": Entry("invalid_order", _BAD_REQUEST, "Invalid order"),
    "WA023": Entry("api_key_already_exists", _CONFLICT, "API key already exists"),
    "WA024": Entry("api_key_not_found", HTTPStatus.NOT_FOUND, "API key not found"),
    "WA025": Entry("invalid_scope", _BAD_REQUEST, "Invalid scope"),
    "WA026": Entry("invalid_rate_limit", _BAD_REQUEST, "Invalid rate limit"),
}

INVALID_REQUEST = Entry("invalid_request", _BAD_REQUEST, "Invalid request")
UNAUTHORIZED = Entry("unauthorized", HTTPStatus.UNAUTHORIZED, "Unauthorized")
FORBIDDEN = Entry("forbidden", HTTPStatus.FORBIDDEN, "Forbidden")
NOT_FOUND = Entry("not_found", HTTPStatus.NOT_FOUND, "Not found")
METHOD_NOT_ALLOWED = Entry("method_not_allowed", HTTPStatus.METHOD_NOT_ALLOWED, "Method not allowed")
REQUEST_TIMEOUT = Entry("request_timeout", HTTPStatus.REQUEST_TIMEOUT, "Request timeout")
PAYLOAD_TOO_LARGE = Entry("payload_too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Payload too large")
UNSUPPORTED_MEDIA_TYPE = Entry("unsupported_media_type", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
RATE_LIMITED = Entry("rate_limited", HTTPStatus.TOO_MANY_REQUESTS, "Rate limited")
OVERLOADED = Entry("overloaded", HTTPStatus.SERVICE_UNAVAILABLE, "Overloaded")
DATABASE_UNAVAILABLE = Entry("database_unavailable", HTTPStatus.SERVICE_UNAVAILABLE, "Database unavailable")
INTERNAL_ERROR = Entry("internal_error", HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")

WALLET_NOT_FOUND = BY_SQLSTATE["WA001"]
INSUFFICIENT_FUNDS = BY_SQLSTATE["WA002"]
INVALID_AMOUNT = BY_SQLSTATE["WA003"]
INVALID_OPERATION_TYPE = BY_SQLSTATE["WA004"]
BALANCE_LIMIT_EXCEEDED = BY_SQLSTATE["WA005"]
WALLET_NOT_ACTIVE = BY_SQLSTATE["WA006"]
IDEMPOTENCY_KEY_REUSED = BY_SQLSTATE["WA007"]
INVALID_IDEMPOTENCY_KEY = BY_SQLSTATE["WA008"]
OPERATION_NOT_FOUND = BY_SQLSTATE["WA010"]
INVALID_CURRENCY = BY_SQLSTATE["WA011"]
INVALID_STATUS = BY_SQLSTATE["WA012"]
INVALID_NAME = BY_SQLSTATE["WA014"]
INVALID_LIMIT = BY_SQLSTATE["WA015"]

# What the framework refuses by itself, by status.
BY_STATUS = {
    entry.status: entry
    for entry in (
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
        self, entry: Entry, detail: str, headers: Mapping[str, str] | None = None, *, closes_connection: bool = False
    ) -> None:
        super().__init__(detail)
        self.entry = entry
        self.detail = detail
        self.headers = headers or {}
        self.closes_connection = closes_connection

    def response(self) -> web.Response:
        """The answer to the caller."""
        content = {
            "type": urn(self.entry),
            "title": self.entry.title,
            "status": int(self.entry.status),
            "detail": self.detail,
            "code": self.entry.code,
        }
        response = JsonAnswer(msgspec.json.encode(content), self.entry.status, self.headers, "application/problem+json")
        if self.closes_connection:
            response.force_close()
        return response


def urn(entry: Entry) -> str:
    """What identifies a kind of problem anywhere."""
    return f"urn:wallets:problem:{entry.code}"


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
    return problem is not None and problem.entry is DATABASE_UNAVAILABLE


def from_framework(exc: web.HTTPException) -> Problem:
    """What a refusal of aiohttp itself is to the caller."""
    entry = BY_STATUS.get(HTTPStatus(exc.status), INVALID_REQUEST)
    headers = {name: value for name, value in exc.headers.items() if name == "Allow"}
    if isinstance(exc, web.HTTPMethodNotAllowed):
        detail = f"{exc.method} is not allowed here, {', '.join(sorted(exc.allowed_methods))} is"
    elif isinstance(exc, web.HTTPNotFound):
        detail = "there is nothing at this path"
    else:
        detail = exc.text or entry.title
    return Problem(entry, detail, headers)


def from_database(exc: BaseException) -> Problem | None:
    """What a failure of a database call is to the caller; None when it is a defect of ours.

    Branches on the SQLSTATE alone: asyncpg raises codes that it does not know as `UnknownPostgresError`, whose base
    class says "fatal".
    """
    if isinstance(exc, asyncpg.PostgresError):
        sqlstate = exc.sqlstate or ""
        if entry := BY_SQLSTATE.get(sqlstate):
            return Problem(entry, exc.message or entry.title)
        return database_unavailable() if sqlstate.startswith(_UNAVAILABLE_STATES) else None
    # asyncpg's own errors about a connection that is gone, the socket's, and time limits. The ones that are a
    # ValueError as well are about an argument that we should not have passed.
    if isinstance(exc, (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError)) and not isinstance(
        exc, ValueError
    ):
        return database_unavailable()
    return None
