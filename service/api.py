"""The REST API: each handler parses, calls one function of the database, and responds."""

import asyncio
import base64
import re
import secrets
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from aiohttp import web

from service import errors
from service.coalesce import BalanceRequest, Operation
from service.database import BALANCES, OPERATIONS, POOL
from service.errors import Problem
from service.keys import Keys, Scope, guarded

MAX_AMOUNT = 2**63 - 1
_MAX_PAGE = 1000
_DEFAULT_PAGE = 50
_MAX_BULK = 10_000
_MAX_KEY = 255
MAX_BULK_BYTES = 4 * 1024 * 1024
_READ_SECONDS = 15.0

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_AMOUNT = re.compile(r"[0-9]{1,19}")
_KEY = re.compile(r"[!-~]+")

_encode = msgspec.json.Encoder().encode


class OperationRequest(msgspec.Struct):
    """The body of `POST …/operation`. What its members may be is checked one by one, for errors that say so."""

    operation_type: Any = None
    amount: Any = None


class BulkItem(msgspec.Struct):
    """One operation of a `POST /api/operations/`."""

    wallet_id: str
    operation_type: str
    amount: int | str
    idempotency_key: str | None = None


class BulkRequest(msgspec.Struct):
    """The body of `POST /api/operations/`."""

    operations: list[BulkItem]


class WalletRequest(msgspec.Struct):
    """The body of `POST /api/wallets/`."""

    name: Any = None
    currency: Any = "RUB"


_decode_operation = msgspec.json.Decoder(OperationRequest).decode
_decode_bulk = msgspec.json.Decoder(BulkRequest).decode
_decode_wallet = msgspec.json.Decoder(WalletRequest).decode


def setup(app: web.Application, keys: Keys | None) -> None:
    """Adds the routes, each with and without its trailing slash; where keys are asked for, for whoever has one."""
    for method, path, handler, scope in (
        # Matched in this order: first what most requests are for.
        ("POST", "/api/wallets/{wallet_id}/operation", apply_operation, Scope.OPERATE),
        ("GET", "/api/wallets/{wallet_id}", get_balance, Scope.READ),
        ("POST", "/api/operations", apply_operations, Scope.OPERATE),
        ("POST", "/api/wallets", create_wallet, Scope.MANAGE),
        ("GET", "/api/wallets", list_wallets, Scope.READ),
        ("GET", "/api/wallets/{wallet_id}/details", get_wallet, Scope.READ),
        ("GET", "/api/wallets/{wallet_id}/operations", list_operations, Scope.READ),
        ("GET", "/api/wallets/{wallet_id}/operations/{operation_id}", get_operation, Scope.READ),
    ):
        # A plain `{wallet_id}` would not match an id in braces.
        pattern = path.replace("_id}", "_id:[^/]+}")
        handle = handler if keys is None else guarded(handler, scope, keys)
        app.router.add_route(method, pattern, handle)
        app.router.add_route(method, f"{pattern}/", handle)


async def get_balance(request: web.Request) -> web.Response:
    """`{"balance": 1000}`: minor units, and nothing else. A published contract."""
    wallet_id = _wallet_id(request)
    row = await request.app[BALANCES].apply(BalanceRequest(wallet_id))
    if row["balance"] is None:
        raise Problem(errors.WALLET_NOT_FOUND, f"there is no wallet {wallet_id}")
    return _json({"balance": row["balance"]})


async def apply_operation(request: web.Request) -> web.Response:
    """Deposits to or withdraws from a wallet. A published contract."""
    wallet_id = _wallet_id(request)
    key = _idempotency_key(request)
    body = await _body(request, _decode_operation)
    if not isinstance(body.operation_type, str):
        raise Problem(errors.INVALID_OPERATION_TYPE, "operation_type has to be DEPOSIT or WITHDRAW")
    operation = Operation(
        wallet_id, _text(body.operation_type, errors.INVALID_OPERATION_TYPE), _amount(body.amount), key
    )
    row = await request.app[OPERATIONS].apply(operation)
    headers = {"Idempotent-Replayed": "true"} if row["replayed"] else None
    if row["error_code"] is not None:
        raise Problem(errors.BY_SQLSTATE[row["error_code"]], row["detail"], headers)
    return _json(_success(operation, row), status=201, headers=headers)


async def apply_operations(request: web.Request) -> web.Response:
    """Applies up to 10,000 operations; a result for each, in order."""
    body: BulkRequest = await _body(request.clone(client_max_size=MAX_BULK_BYTES), _decode_bulk)
    if len(body.operations) > _MAX_BULK:
        raise Problem(errors.INVALID_REQUEST, f"operations has {len(body.operations)} items, {_MAX_BULK} are allowed")
    key = _bulk_key(request, len(body.operations))
    parsed = [_bulk_item(item, f"{key}/{place}") for place, item in enumerate(body.operations, start=1)]
    rows = iter(await request.app[OPERATIONS].apply_all([item for item in parsed if isinstance(item, Operation)]))
    results = [_rejected(item) if isinstance(item, Problem) else _result(item, next(rows)) for item in parsed]
    is_replay = bool(results) and all(result["replayed"] for result in results)
    return _json({"results": results}, headers={"Idempotent-Replayed": "true"} if is_replay else None)


async def create_wallet(request: web.Request) -> web.Response:
    """Makes an empty wallet."""
    body = await _body(request, _decode_wallet)
    if not isinstance(body.name, str | None):
        raise Problem(errors.INVALID_NAME, "name has to be a string")
    if not isinstance(body.currency, str):
        raise Problem(errors.INVALID_CURRENCY, "currency has to be an ISO 4217 code such as RUB or EUR")
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
        *(_text(query.get(name, ""), errors.INVALID_REQUEST) or None for name in ("q", "status", "currency")),
    )
    return _page([_wallet(row) for row in rows], limit, lambda last: f"{last['created_at']} {last['id']}")


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
    return _page([_operation(row) for row in rows], limit, lambda last: str(last["seq"]))


async def get_operation(request: web.Request) -> web.Response:
    """One operation."""
    operation_id = request.match_info["operation_id"]
    if not _UUID.fullmatch(operation_id):
        raise Problem(errors.OPERATION_NOT_FOUND, "an operation's id is a UUID")
    row = await request.app[POOL].fetchrow(
        "select * from wallet.get_operation($1, $2)", _wallet_id(request), operation_id
    )
    return _json(_operation(row))


def _success(operation: Operation, row: asyncpg.Record) -> dict[str, Any]:
    return {
        "operation_id": str(row["operation_id"]),
        "status": row["status"],
        "operation_type": operation.operation_type,
        "amount": str(operation.amount),
        "new_balance": str(row["new_balance"]),
    }


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


def _result(operation: Operation, row: asyncpg.Record | BaseException) -> dict[str, Any]:
    if isinstance(row, BaseException):
        return _rejected(errors.from_database(row) or errors.internal_error())
    if row["error_code"] is not None:
        return _rejected(Problem(errors.BY_SQLSTATE[row["error_code"]], row["detail"]), row["replayed"])
    return {**_success(operation, row), "replayed": row["replayed"]}


def _rejected(problem: Problem, replayed: bool = False) -> dict[str, Any]:
    return {"status": "REJECTED", "code": problem.entry.code, "detail": problem.detail, "replayed": replayed}


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(body=_encode(content), status=status, headers=headers, content_type="application/json")


def _page(items: list[dict[str, Any]], limit: int, cursor_of: Any) -> web.Response:
    """One item more than the page holds was asked for: whether it came says whether there is a next page."""
    page = items[:limit]
    has_more = len(items) > limit
    cursor = base64.urlsafe_b64encode(cursor_of(page[-1]).encode()).decode().rstrip("=") if has_more else None
    return _json({"items": page, "next_cursor": cursor})


def _wallet(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": str(row["id"]),
        "name": row["name"],
        "currency": row["currency"],
        "status": row["status"],
        "balance": row["balance"],
        "last_seq": row["last_seq"],
        "created_at": _time(row["created_at"]),
        "updated_at": _time(row["updated_at"]),
    }


def _operation(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "operation_id": str(row["operation_id"]),
        "wallet_id": str(row["wallet_id"]),
        "seq": row["seq"],
        "operation_type": row["operation_type"],
        "amount": str(row["amount"]),
        "balance_after": str(row["balance_after"]),
        "idempotency_key": row["idempotency_key"],
        "created_at": _time(row["created_at"]),
    }


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _wallet_id(request: web.Request) -> str:
    return _uuid(request.match_info["wallet_id"])


def _uuid(wallet_id: str) -> str:
    if not _UUID.fullmatch(wallet_id):
        raise Problem(errors.WALLET_NOT_FOUND, "there is no such wallet: a wallet's id is a UUID")
    # One wallet is one text, by which its operations are kept together.
    return wallet_id.lower()


async def _body(request: web.Request, decode: Any) -> Any:
    content_type = request.content_type
    if content_type != "application/json" and "Content-Type" in request.headers:
        raise Problem(errors.UNSUPPORTED_MEDIA_TYPE, f"the body has to be application/json, not {content_type}")
    try:
        if request.content.is_eof():  # it came with its headers, as small ones do: no timer is needed
            return decode(await request.read())
        async with asyncio.timeout(_READ_SECONDS):
            content = await request.read()
        return decode(content)
    except TimeoutError:
        raise Problem(
            errors.REQUEST_TIMEOUT, f"the body did not arrive within {_READ_SECONDS:g} s", closes_connection=True
        ) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(
            errors.INVALID_REQUEST,
            "the body cannot be read: it was broken off, or is not in its Content-Encoding",
            closes_connection=True,
        ) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Problem(errors.INVALID_REQUEST, f"the body has to be a JSON object: {exc}") from None


def _amount(value: object) -> int:
    # bool is an int to Python, and 1.0 == 1: neither is an amount.
    if type(value) is int and 1 <= value <= MAX_AMOUNT:
        return value
    if isinstance(value, str) and _AMOUNT.fullmatch(value) and 1 <= int(value) <= MAX_AMOUNT:
        return int(value)
    raise Problem(
        errors.INVALID_AMOUNT, f"amount has to be an integer from 1 to {MAX_AMOUNT}, as a number or a string of digits"
    )


def _text(value: str, refusal: errors.Entry) -> str:
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
        return secrets.token_urlsafe(16)  # not to be guessed: whoever could, might use it up before us
    if len(keys) > 1 or not keys[0].isascii():
        raise Problem(errors.INVALID_IDEMPOTENCY_KEY, "Idempotency-Key has to be one value of visible ASCII characters")
    return keys[0]


def _bulk_key(request: web.Request, count: int) -> str:
    """The key that items without their own are numbered under: `key/1`, `key/2`, …"""
    key = _idempotency_key(request)
    most = _MAX_KEY - len(f"/{count}")
    if not _KEY.fullmatch(key) or len(key) > most:
        raise Problem(
            errors.INVALID_IDEMPOTENCY_KEY,
            f"Idempotency-Key has to be 1 to {most} visible ASCII characters for {count} operations",
        )
    return key


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_PAGE
    if text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= _MAX_PAGE:  # noqa: PLR2004
        return int(text)
    raise Problem(errors.INVALID_LIMIT, f"limit has to be a number from 1 to {_MAX_PAGE}")


def _cursor(text: str) -> str:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()


def _wallets_cursor(text: str | None) -> tuple[datetime | None, UUID | None]:
    if text is None:
        return None, None
    try:
        created_at, wallet_id = _cursor(text).split(" ")
        return datetime.strptime(created_at, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC), UUID(wallet_id)
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
