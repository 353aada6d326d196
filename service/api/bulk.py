"""Many operations in one request, each applied or rejected on its own."""

from typing import Annotated

from aiohttp import web
from asyncpg import Record
from msgspec import Struct

from service import errors
from service.api import fields, requests
from service.api.fields import Amount, OperationId, OperationType, described
from service.api.idempotency import NAME, REPLAYED, idempotency_key, parameter, replayed
from service.api.routing import Route
from service.api_keys import Scope
from service.database.batcher import Operation
from service.database.batchers import OPERATIONS
from service.errors import Problem
from service.response import json_response
from service.vocabulary import IDEMPOTENCY_KEY, MAX_IDEMPOTENCY_KEY, OPERATION_TYPES

MAX_BULK = 10_000
MAX_BULK_BYTES = 4 * 1024 * 1024
# The keys of items without their own end in the item's index, up to /10000.
_MAX_KEY = MAX_IDEMPOTENCY_KEY - len(f"/{MAX_BULK}")


def routes() -> tuple[Route, ...]:
    """The routes of this resource."""
    return (
        Route(
            method="POST",
            path="/api/operations/",
            handler=apply_operations,
            scope=Scope.OPERATE,
            request=BulkRequest,
            response=BulkResults,
            parameters=(parameter(_MAX_KEY),),
            headers=REPLAYED,
            problems=(errors.INVALID_IDEMPOTENCY_KEY,),
        ),
    )


class BulkItem(Struct):
    """A deposit or a withdrawal among others. One that breaks a rule is rejected, and the others are applied."""

    wallet_id: Annotated[str, described("The wallet", fields.WALLET_EXAMPLE)]
    operation_type: Annotated[str, described(" or ".join(OPERATION_TYPES), OPERATION_TYPES[0])]
    amount: Annotated[int | str, described(fields.POSITIVE_AMOUNT, "1000", 1000)]
    idempotency_key: (
        Annotated[
            str,
            described(f"{fields.IDEMPOTENCY_KEY}; default: the request's key, a slash and the index", "order-17"),
        ]
        | None
    ) = None


class BulkRequest(Struct):
    """Operations on any wallets, each applied or rejected on its own."""

    operations: Annotated[list[BulkItem], described("Applied in this order", maxItems=MAX_BULK)]


class BulkApplied(Struct, tag_field="status", tag="SUCCESS"):
    """An operation that was applied, and the balance after it."""

    operation_id: OperationId
    operation_type: OperationType
    amount: Amount
    new_balance: Amount
    replayed: Annotated[bool, described("Whether it had been applied before, under the same key", False)]


class BulkRejected(Struct, tag_field="status", tag="REJECTED"):
    """An operation that was rejected; it changed nothing."""

    code: Annotated[str, described("The code of a problem", "insufficient_funds")]
    detail: Annotated[str, described("Why it was rejected", "insufficient funds: 1000 available, 5000 requested")]
    replayed: Annotated[bool, described("Whether it had been rejected before, under the same key", False)]


class BulkResults(Struct):
    """A result for each operation, in the order of the request."""

    results: list[BulkApplied | BulkRejected]


_BODY = requests.Body(BulkRequest, {})


async def apply_operations(request: web.Request) -> web.Response:
    """Applies up to 10,000 operations; a result for each, in order."""
    body = await _BODY.read(request.clone(client_max_size=MAX_BULK_BYTES))
    if len(body.operations) > MAX_BULK:
        raise Problem(
            errors.INVALID_REQUEST, f"operations must have at most {MAX_BULK} items; got {len(body.operations)}"
        )
    key = _key(request)
    parsed = [_parse(item, f"{key}/{index}") for index, item in enumerate(body.operations, start=1)]
    rows = iter(await request.app[OPERATIONS].apply_all([item for item in parsed if isinstance(item, Operation)]))
    results = [_rejected(item) if isinstance(item, Problem) else _result(item, next(rows)) for item in parsed]
    is_replay = bool(results) and all(result.replayed for result in results)
    return json_response(BulkResults(results), headers=replayed(is_replay))


def _key(request: web.Request) -> str:
    """The key that the keys of items without their own begin with."""
    key = idempotency_key(request)
    if not IDEMPOTENCY_KEY.fullmatch(key) or len(key) > _MAX_KEY:
        raise Problem(
            errors.INVALID_IDEMPOTENCY_KEY,
            f"{NAME} must be 1 to {_MAX_KEY} visible ASCII characters for many operations",
        )
    return key


def _parse(item: BulkItem, default_key: str) -> Operation | Problem:
    try:
        key = default_key if item.idempotency_key is None else item.idempotency_key
        return Operation(
            requests.wallet_id(item.wallet_id),
            requests.text(item.operation_type, errors.INVALID_OPERATION_TYPE),
            requests.amount(item.amount),
            requests.text(key, errors.INVALID_IDEMPOTENCY_KEY),
        )
    except Problem as problem:
        return problem


def _result(operation: Operation, row: Record | BaseException) -> BulkApplied | BulkRejected:
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
