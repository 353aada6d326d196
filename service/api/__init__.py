"""The REST API: each handler parses, calls one function of the database, and responds."""

import asyncio
import base64
import re
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import asyncpg
import msgspec
from aiohttp import web
from msgspec import Struct

from service import errors
from service.api.schema import (
    AMOUNT,
    CURRENCY,
    DEFAULT_PAGE,
    KEY,
    MAX_AMOUNT,
    MAX_AMOUNT_DIGITS,
    MAX_BULK,
    MAX_BULK_KEY,
    MAX_PAGE,
    STATUSES,
    UUID,
    Applied,
    Balance,
    BulkApplied,
    BulkItem,
    BulkRejected,
    BulkRequest,
    BulkResults,
    LedgerEntry,
    LedgerPage,
    OperationRequest,
    Wallet,
    WalletPage,
    WalletRequest,
)
from service.database.batcher import BalanceRequest, Operation
from service.database.calls import BALANCES, OPERATIONS
from service.database.pool import POOL
from service.errors import Problem, ProblemType
from service.ids import new_id
from service.keys import Keys, Scope, guarded
from service.limits import LIMITS
from service.response import JsonResponse
from service.web import Handler

_Item = TypeVar("_Item")

MAX_BULK_BYTES = 4 * 1024 * 1024
_JSON = "application/json"

_encode = msgspec.json.Encoder().encode
_decode_operation = msgspec.json.Decoder(OperationRequest).decode
_decode_bulk = msgspec.json.Decoder(BulkRequest).decode
_decode_wallet = msgspec.json.Decoder(WalletRequest).decode

# Where msgspec says which member is of the wrong type, or missing.
_MEMBER = re.compile(r"`\$\.(\w+)`$|field `(\w+)`$")
_WRONG_AMOUNT = (
    errors.INVALID_AMOUNT,
    f"amount has to be an integer from 1 to {MAX_AMOUNT}, as a number or a string of digits",
)
_WRONG_CURRENCY = (errors.INVALID_CURRENCY, "currency has to be an ISO 4217 code such as RUB or EUR")
_BY_MEMBER = {
    "operation_type": (errors.INVALID_OPERATION_TYPE, "operation_type has to be DEPOSIT or WITHDRAW"),
    "amount": _WRONG_AMOUNT,
    "name": (errors.INVALID_NAME, "name has to be a string"),
    "currency": _WRONG_CURRENCY,
}


def setup(app: web.Application, keys: Keys | None) -> None:
    """Adds the routes, each with and without its trailing slash; where keys are asked for, for whoever has one."""
    for route in ROUTES:
        # A plain `{wallet_id}` would not match an id in braces.
        pattern = route.path.rstrip("/").replace("_id}", "_id:[^/]+}")
        handler = route.handler if keys is None else guarded(route.handler, route.scope, keys)
        app.router.add_route(route.method, pattern, handler)
        app.router.add_route(route.method, f"{pattern}/", handler)


async def get_balance(request: web.Request) -> web.Response:
    """`{"balance": 1000}`: minor units, and nothing else. A published contract."""
    wallet_id = _wallet_id(request)
    row = await request.app[BALANCES].apply(BalanceRequest(wallet_id))
    if row["balance"] is None:
        raise Problem(errors.WALLET_NOT_FOUND, f"there is no wallet {wallet_id}")
    return _json(Balance(row["balance"]))


async def apply_operation(request: web.Request) -> web.Response:
    """Deposits to or withdraws from a wallet. A published contract."""
    operations = request.app[OPERATIONS]
    operations.check_room()  # before anything else: the more are turned away, the less each may cost
    wallet_id = _wallet_id(request)
    key = _idempotency_key(request)
    body = await _body(request, _decode_operation)
    operation = Operation(
        wallet_id, _text(body.operation_type, errors.INVALID_OPERATION_TYPE), _amount(body.amount), key
    )
    row = await operations.apply(operation)
    headers = {"Idempotent-Replayed": "true"} if row["replayed"] else None
    if row["error_code"] is not None:
        raise Problem(errors.BY_SQLSTATE[row["error_code"]], row["detail"], headers)
    applied = Applied(
        str(row["operation_id"]),
        row["status"],
        operation.operation_type,
        str(operation.amount),
        str(row["new_balance"]),
    )
    return _json(applied, status=201, headers=headers)


async def apply_operations(request: web.Request) -> web.Response:
    """Applies up to 10,000 operations; a result for each, in order."""
    body: BulkRequest = await _body(request.clone(client_max_size=MAX_BULK_BYTES), _decode_bulk)
    if len(body.operations) > MAX_BULK:
        raise Problem(errors.INVALID_REQUEST, f"operations has {len(body.operations)} items, {MAX_BULK} are allowed")
    key = _bulk_key(request)
    parsed = [_bulk_item(item, f"{key}/{place}") for place, item in enumerate(body.operations, start=1)]
    rows = iter(await request.app[OPERATIONS].apply_all([item for item in parsed if isinstance(item, Operation)]))
    results = [_rejected(item) if isinstance(item, Problem) else _result(item, next(rows)) for item in parsed]
    is_replay = bool(results) and all(result.replayed for result in results)
    return _json(BulkResults(results), headers={"Idempotent-Replayed": "true"} if is_replay else None)


async def create_wallet(request: web.Request) -> web.Response:
    """Makes an empty wallet."""
    body = await _body(request, _decode_wallet)
    row = await request.app[POOL].fetchrow(
        "select * from wallet.create_wallet($1, $2)",
        None if body.name is None else _text(body.name, errors.INVALID_NAME),
        _text(body.currency, errors.INVALID_CURRENCY),
    )
    return _json(_wallet(row), status=201, headers={"Location": f"/api/wallets/{row['id']}/details"})


async def get_wallet(request: web.Request) -> web.Response:
    """The whole wallet."""
    row = await request.app[POOL].fetchrow("select * from wallet.get_wallet($1)", _wallet_id(request))
    return _json(_wallet(row))


async def list_wallets(request: web.Request) -> web.Response:
    """A page of wallets, newest first."""
    query = request.query
    limit = _limit(query.get("limit"))
    before_created_at, before_id = _wallets_cursor(query.get("cursor"))
    rows = await request.app[POOL].fetch(
        "select * from wallet.list_wallets($1, $2, $3, $4, $5, $6)",
        limit + 1,
        before_created_at,
        before_id,
        _text(query.get("q", ""), errors.INVALID_REQUEST) or None,
        _status(query.get("status", "")),
        _currency(query.get("currency", "")),
    )
    return _json(WalletPage(*_page([_wallet(row) for row in rows], limit, lambda last: f"{last.created_at} {last.id}")))


async def list_operations(request: web.Request) -> web.Response:
    """A page of a wallet's operations, newest first."""
    wallet_id = _wallet_id(request)
    limit = _limit(request.query.get("limit"))
    rows = await request.app[POOL].fetch(
        "select * from wallet.list_operations($1, $2, $3)",
        wallet_id,
        limit + 1,
        _operations_cursor(request.query.get("cursor")),
    )
    return _json(LedgerPage(*_page([_entry(row) for row in rows], limit, lambda last: str(last.seq))))


async def get_operation(request: web.Request) -> web.Response:
    """One operation."""
    operation_id = request.match_info["operation_id"]
    if not UUID.fullmatch(operation_id):
        raise Problem(errors.OPERATION_NOT_FOUND, "an operation's id is a UUID")
    row = await request.app[POOL].fetchrow(
        "select * from wallet.get_operation($1, $2)", _wallet_id(request), operation_id
    )
    return _json(_entry(row))


def _bulk_item(item: BulkItem, drawn_key: str) -> Operation | Problem:
    """An item as the database takes it, or why it cannot take it."""
    try:
        key = drawn_key if item.idempotency_key is None else item.idempotency_key
        return Operation(
            _uuid(item.wallet_id),
            _text(item.operation_type, errors.INVALID_OPERATION_TYPE),
            _amount(item.amount),
            _text(key, errors.INVALID_IDEMPOTENCY_KEY),
        )
    except Problem as problem:
        return problem


def _result(operation: Operation, row: asyncpg.Record | BaseException) -> BulkApplied | BulkRejected:
    if isinstance(row, BaseException):
        return _rejected(errors.from_database(row) or errors.internal_error())
    if row["error_code"] is not None:
        return _rejected(Problem(errors.BY_SQLSTATE[row["error_code"]], row["detail"]), row["replayed"])
    return BulkApplied(
        str(row["operation_id"]),
        operation.operation_type,
        str(operation.amount),
        str(row["new_balance"]),
        row["replayed"],
    )


def _rejected(problem: Problem, replayed: bool = False) -> BulkRejected:
    return BulkRejected(problem.kind.code, problem.detail, replayed)


def _json(content: Struct, status: int = 200, headers: dict[str, str] | None = None) -> JsonResponse:
    return JsonResponse(_encode(content), status, headers)


def _page(items: list[_Item], limit: int, cursor_of: Callable[[_Item], str]) -> tuple[list[_Item], str | None]:
    """One item more than the page holds was asked for: whether it came says whether there is a next page."""
    page = items[:limit]
    if len(items) <= limit:
        return page, None
    return page, base64.urlsafe_b64encode(cursor_of(page[-1]).encode()).decode().rstrip("=")


def _wallet(row: asyncpg.Record) -> Wallet:
    return Wallet(
        id=str(row["id"]),
        name=row["name"],
        currency=row["currency"],
        status=row["status"],
        balance=row["balance"],
        last_seq=row["last_seq"],
        created_at=_time(row["created_at"]),
        updated_at=_time(row["updated_at"]),
    )


def _entry(row: asyncpg.Record) -> LedgerEntry:
    return LedgerEntry(
        operation_id=str(row["operation_id"]),
        wallet_id=str(row["wallet_id"]),
        seq=row["seq"],
        operation_type=row["operation_type"],
        amount=str(row["amount"]),
        balance_after=str(row["balance_after"]),
        idempotency_key=row["idempotency_key"],
        created_at=_time(row["created_at"]),
    )


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _wallet_id(request: web.Request) -> str:
    return _uuid(request.match_info["wallet_id"])


def _uuid(wallet_id: str) -> str:
    if not UUID.fullmatch(wallet_id):
        raise Problem(errors.WALLET_NOT_FOUND, "there is no such wallet: a wallet's id is a UUID")
    # One wallet is one text, by which its operations are kept together.
    return wallet_id.lower()


async def _body(request: web.Request, decode: Any) -> Any:
    # The second looks at what it says apart from its parameters.
    if request.headers.get("Content-Type", _JSON) != _JSON and request.content_type != _JSON:
        raise Problem(errors.UNSUPPORTED_MEDIA_TYPE, f"the body has to be {_JSON}, not {request.content_type}")
    try:
        return decode(await _read(request))
    except TimeoutError:
        raise Problem(
            errors.REQUEST_TIMEOUT,
            f"the body did not arrive within {request.app[LIMITS].body_seconds:g} s",
            closes_connection=True,
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(
            errors.INVALID_REQUEST,
            "the body cannot be read: it was broken off, or is not in its Content-Encoding",
            closes_connection=True,
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        member = _MEMBER.search(str(exc))
        refusal = _BY_MEMBER.get(member[1] or member[2]) if member else None
        raise Problem(*refusal or (errors.INVALID_REQUEST, f"the body has to be a JSON object: {exc}")) from None


async def _read(request: web.Request) -> bytes:
    if request.content.is_eof():  # it came with its headers, as small ones do: there is nothing to wait for
        content = request.content.read_nowait()
        if len(content) > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size)
        return content
    async with asyncio.timeout(request.app[LIMITS].body_seconds):
        return await request.read()


def _amount(value: int | str) -> int:
    if isinstance(value, str):
        value = int(value) if len(value) <= MAX_AMOUNT_DIGITS and AMOUNT.fullmatch(value) else 0
    if 1 <= value <= MAX_AMOUNT:
        return value
    raise Problem(*_WRONG_AMOUNT)


def _text(value: str, refusal: errors.ProblemType) -> str:
    """A text that PostgreSQL can hold: no NUL, and no lone surrogates, which aiohttp without its C parser makes."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Problem(refusal, "a text has to be valid UTF-8") from None
    if "\0" in value:
        raise Problem(refusal, "a text cannot hold the character NUL")
    return value


def _idempotency_key(request: web.Request) -> str:
    """The caller's key, or one drawn here: whoever resubmits after a lost connection does so under the same key."""
    keys = request.headers.getall("Idempotency-Key", ())
    if not keys:
        return new_id()
    if len(keys) > 1 or not keys[0].isascii():
        raise Problem(errors.INVALID_IDEMPOTENCY_KEY, "Idempotency-Key has to be one value of visible ASCII characters")
    return keys[0]


def _bulk_key(request: web.Request) -> str:
    """The key that items without their own are numbered under: `key/1`, `key/2`, …"""
    key = _idempotency_key(request)
    if not KEY.fullmatch(key) or len(key) > MAX_BULK_KEY:
        raise Problem(
            errors.INVALID_IDEMPOTENCY_KEY,
            f"Idempotency-Key has to be 1 to {MAX_BULK_KEY} visible ASCII characters for many operations",
        )
    return key


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_PAGE
    if text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MAX_PAGE:  # noqa: PLR2004
        return int(text)
    raise Problem(errors.INVALID_LIMIT, f"limit has to be a number from 1 to {MAX_PAGE}")


def _status(text: str) -> str | None:
    if text and text not in STATUSES:
        raise Problem(errors.INVALID_STATUS, f"status has to be one of {', '.join(STATUSES)}")
    return text or None


def _currency(text: str) -> str | None:
    if text and not CURRENCY.fullmatch(text):
        raise Problem(*_WRONG_CURRENCY)
    return text or None


def _cursor(text: str) -> str:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()


def _wallets_cursor(text: str | None) -> tuple[datetime | None, uuid.UUID | None]:
    if text is None:
        return None, None
    try:
        created_at, wallet_id = _cursor(text).split(" ")
        return datetime.strptime(created_at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC), uuid.UUID(wallet_id)
    except ValueError:
        raise _invalid_cursor() from None


def _operations_cursor(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        seq = int(_cursor(text))
        if 1 <= seq <= MAX_AMOUNT:
            return seq
    except ValueError:
        pass
    raise _invalid_cursor()


def _invalid_cursor() -> Problem:
    return Problem(errors.INVALID_REQUEST, "cursor has to be the next_cursor of an earlier page")


class Route(NamedTuple):
    """An endpoint: how it is reached, what it takes and gives, and what it may be refused for."""

    method: str
    path: str
    handler: Handler
    scope: Scope
    gives: type[Struct]
    takes: type[Struct] | None = None
    parameters: tuple[str, ...] = ()
    refusals: tuple[ProblemType, ...] = ()


# Matched in this order: first what most requests are for.
ROUTES = (
    Route(
        "POST",
        "/api/wallets/{wallet_id}/operation",
        apply_operation,
        Scope.OPERATE,
        Applied,
        takes=OperationRequest,
        parameters=("Idempotency-Key",),
        refusals=(
            errors.INVALID_AMOUNT,
            errors.INVALID_OPERATION_TYPE,
            errors.INVALID_IDEMPOTENCY_KEY,
            errors.INSUFFICIENT_FUNDS,
            errors.BALANCE_LIMIT_EXCEEDED,
            errors.WALLET_NOT_FOUND,
            errors.WALLET_NOT_ACTIVE,
            errors.IDEMPOTENCY_KEY_REUSED,
        ),
    ),
    Route("GET", "/api/wallets/{wallet_id}/", get_balance, Scope.READ, Balance, refusals=(errors.WALLET_NOT_FOUND,)),
    Route(
        "POST",
        "/api/operations/",
        apply_operations,
        Scope.OPERATE,
        BulkResults,
        takes=BulkRequest,
        parameters=("Bulk-Idempotency-Key",),
        refusals=(errors.INVALID_IDEMPOTENCY_KEY,),
    ),
    Route(
        "POST",
        "/api/wallets/",
        create_wallet,
        Scope.MANAGE,
        Wallet,
        takes=WalletRequest,
        refusals=(errors.INVALID_NAME, errors.INVALID_CURRENCY),
    ),
    Route(
        "GET",
        "/api/wallets/",
        list_wallets,
        Scope.READ,
        WalletPage,
        parameters=("limit", "cursor", "q", "status", "currency"),
        refusals=(errors.INVALID_LIMIT, errors.INVALID_STATUS, errors.INVALID_CURRENCY, errors.INVALID_REQUEST),
    ),
    Route(
        "GET",
        "/api/wallets/{wallet_id}/details",
        get_wallet,
        Scope.READ,
        Wallet,
        refusals=(errors.WALLET_NOT_FOUND,),
    ),
    Route(
        "GET",
        "/api/wallets/{wallet_id}/operations/",
        list_operations,
        Scope.READ,
        LedgerPage,
        parameters=("limit", "cursor"),
        refusals=(errors.INVALID_LIMIT, errors.INVALID_REQUEST, errors.WALLET_NOT_FOUND),
    ),
    Route(
        "GET",
        "/api/wallets/{wallet_id}/operations/{operation_id}",
        get_operation,
        Scope.READ,
        LedgerEntry,
        refusals=(errors.WALLET_NOT_FOUND, errors.OPERATION_NOT_FOUND),
    ),
)
