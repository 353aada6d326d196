"""A wallet's operations as the ledger has them."""

from typing import Annotated

from aiohttp import web
from asyncpg import Record
from msgspec import Meta, Struct

from service import errors
from service.api import requests
from service.api.fields import Amount, NextCursor, OperationId, OperationType, Seq, Time, WalletId, described, rfc3339
from service.api.pages import CURSOR, LIMIT, cursor_of, limit_of, page
from service.api.routing import Link, Route
from service.api_keys import Scope
from service.database import calls
from service.database.pool import POOL
from service.response import json_response
from service.vocabulary import MAX_AMOUNT

_MAX_SEQ = MAX_AMOUNT  # both are a bigint


def routes() -> tuple[Route, ...]:
    """The routes of this resource."""
    next_page = {"wallet_id": "$request.path.wallet_id", "cursor": "$response.body#/next_cursor"}
    return (
        Route(
            method="GET",
            path="/api/wallets/{wallet_id}/operations/",
            handler=list_operations,
            scope=Scope.READ,
            response=LedgerPage,
            parameters=(LIMIT, CURSOR),
            links={"next": Link("list_operations", "The next page", next_page)},
            problems=(errors.INVALID_LIMIT, errors.INVALID_REQUEST, errors.WALLET_NOT_FOUND),
        ),
        Route(
            method="GET",
            path="/api/wallets/{wallet_id}/operations/{operation_id}",
            handler=get_operation,
            scope=Scope.READ,
            response=LedgerEntry,
            problems=(errors.WALLET_NOT_FOUND, errors.OPERATION_NOT_FOUND),
        ),
    )


class LedgerEntry(Struct):
    """An operation in the ledger. It never changes."""

    operation_id: OperationId
    wallet_id: WalletId
    seq: Seq
    operation_type: OperationType
    amount: Amount
    balance_after: Amount
    idempotency_key: Annotated[str, described("The caller's key, or a generated one", "order-17")]
    created_at: Time


class LedgerPage(Struct):
    """A wallet's operations, newest first."""

    items: list[LedgerEntry]
    next_cursor: NextCursor


async def list_operations(request: web.Request) -> web.Response:
    """A page of a wallet's operations, newest first."""
    wallet_id = requests.wallet_id(request.match_info["wallet_id"])
    limit = limit_of(request)
    (before_seq,) = cursor_of(request, tuple[Annotated[int, Meta(ge=1, le=_MAX_SEQ)]]) or (None,)
    rows = await calls.list_operations(request.app[POOL], wallet_id, limit + 1, before_seq)
    rows, next_cursor = page(rows, limit, lambda row: (row["seq"],))
    return json_response(LedgerPage([_entry(row) for row in rows], next_cursor))


async def get_operation(request: web.Request) -> web.Response:
    """One operation."""
    operation_id = requests.operation_id(request.match_info["operation_id"])
    wallet_id = requests.wallet_id(request.match_info["wallet_id"])
    return json_response(_entry(await calls.get_operation(request.app[POOL], wallet_id, operation_id)))


def _entry(row: Record) -> LedgerEntry:
    return LedgerEntry(
        operation_id=str(row["operation_id"]),
        wallet_id=str(row["wallet_id"]),
        seq=row["seq"],
        operation_type=row["operation_type"],
        amount=str(row["amount"]),
        balance_after=str(row["balance_after"]),
        idempotency_key=row["idempotency_key"],
        created_at=rfc3339(row["created_at"]),
    )
