"""One deposit or withdrawal."""

from http import HTTPStatus
from typing import Literal

from aiohttp import web
from msgspec import Struct

from service import errors
from service.api import requests
from service.api.fields import Amount, OperationId, OperationType, RequestAmount
from service.api.idempotency import REPLAYED, idempotency_key, parameter, replayed
from service.api.routing import Link, Route
from service.api_keys import Scope
from service.database.batcher import Operation
from service.database.batchers import OPERATIONS
from service.errors import Problem
from service.response import json_response
from service.vocabulary import OPERATION_TYPES


def routes() -> tuple[Route, ...]:
    """The routes of this resource."""
    same_wallet = {"wallet_id": "$request.path.wallet_id"}
    return (
        Route(
            method="POST",
            path="/api/wallets/{wallet_id}/operation",
            handler=apply_operation,
            scope=Scope.OPERATE,
            request=OperationRequest,
            response=Applied,
            status=HTTPStatus.CREATED,
            parameters=(parameter(),),
            headers=REPLAYED,
            links={
                "balance": Link("get_balance", "The wallet's balance", same_wallet),
                "history": Link("list_operations", "The wallet's operations", same_wallet),
                "operation": Link(
                    "get_operation", "The operation", same_wallet | {"operation_id": "$response.body#/operation_id"}
                ),
            },
            problems=(
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
    )


class OperationRequest(Struct):
    """A deposit or a withdrawal."""

    operation_type: OperationType
    amount: RequestAmount


class Applied(Struct):
    """An operation that was applied, and the balance after it."""

    operation_id: OperationId
    status: Literal["SUCCESS"]
    operation_type: OperationType
    amount: Amount
    new_balance: Amount


_BODY = requests.Body(
    OperationRequest,
    {
        "operation_type": (
            errors.INVALID_OPERATION_TYPE,
            f"operation_type must be {' or '.join(OPERATION_TYPES)}, as a string",
        ),
        "amount": requests.WRONG_AMOUNT,
    },
)


async def apply_operation(request: web.Request) -> web.Response:
    """Deposits to or withdraws from a wallet. A published contract."""
    operations = request.app[OPERATIONS]
    operations.check_capacity()  # first, so that a rejected request costs little under overload
    wallet_id = requests.wallet_id(request.match_info["wallet_id"])
    key = idempotency_key(request)
    body = await _BODY.read(request)
    operation = Operation(
        wallet_id,
        requests.text(body.operation_type, errors.INVALID_OPERATION_TYPE),
        requests.amount(body.amount),
        key,
    )
    row = await operations.apply(operation)
    headers = replayed(row["replayed"])
    if row["error_code"] is not None:
        raise Problem(errors.BY_SQLSTATE[row["error_code"]], row["detail"], headers)
    applied = Applied(
        str(row["operation_id"]),
        row["status"],
        operation.operation_type,
        str(operation.amount),
        str(row["new_balance"]),
    )
    return json_response(applied, HTTPStatus.CREATED, headers)
