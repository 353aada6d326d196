"""Wallets: one created, one read, many listed."""

from datetime import datetime
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from aiohttp import web
from asyncpg import Record
from msgspec import Meta, Struct

from service import errors
from service.api import requests
from service.api.fields import BalanceAmount, Currency, Name, NextCursor, Status, Time, WalletId, described, rfc3339
from service.api.pages import CURSOR, LIMIT, cursor_of, limit_of, page
from service.api.routing import Header, Link, Parameter, Route
from service.api_keys import Scope
from service.database import calls
from service.database.pool import POOL
from service.errors import Problem
from service.response import json_response
from service.vocabulary import CURRENCY, WALLET_STATUSES


def routes() -> tuple[Route, ...]:
    """The routes of this resource."""
    new_wallet = {"wallet_id": "$response.body#/id"}
    return (
        Route(
            method="POST",
            path="/api/wallets/",
            handler=create_wallet,
            scope=Scope.MANAGE,
            request=WalletRequest,
            response=Wallet,
            status=HTTPStatus.CREATED,
            headers={"Location": Header("The wallet's URL", {"type": "string", "format": "uri-reference"})},
            links={
                "balance": Link("get_balance", "The wallet's balance", new_wallet),
                "details": Link("get_wallet", "The wallet", new_wallet),
                "operate": Link("apply_operation", "A deposit", new_wallet),
                "history": Link("list_operations", "The wallet's operations", new_wallet),
            },
            problems=(errors.INVALID_NAME, errors.INVALID_CURRENCY),
        ),
        Route(
            method="GET",
            path="/api/wallets/",
            handler=list_wallets,
            scope=Scope.READ,
            response=WalletPage,
            parameters=(LIMIT, CURSOR, *_FILTERS),
            links={"next": Link("list_wallets", "The next page", {"cursor": "$response.body#/next_cursor"})},
            problems=(errors.INVALID_LIMIT, errors.INVALID_STATUS, errors.INVALID_CURRENCY, errors.INVALID_REQUEST),
        ),
        Route(
            method="GET",
            path="/api/wallets/{wallet_id}/details",
            handler=get_wallet,
            scope=Scope.READ,
            response=Wallet,
            problems=(errors.WALLET_NOT_FOUND,),
        ),
    )


_FILTERS = (
    Parameter("q", "A part of the name, in any case", {"type": "string", "pattern": r"^[^\u0000]*$"}),
    Parameter("status", "Wallets of this status only", {"type": "string", "enum": ["", *WALLET_STATUSES]}),
    Parameter(
        "currency",
        "Wallets of this currency only (ISO 4217)",
        {"type": "string", "pattern": f"^({CURRENCY.pattern})?$"},
    ),
)


class WalletRequest(Struct):
    """A wallet to create."""

    name: Name | None = None
    currency: Currency = "RUB"


class Wallet(Struct):
    """A wallet."""

    id: WalletId
    name: Annotated[str | None, described("The wallet's name", "Alice")]
    currency: Currency
    status: Status
    balance: BalanceAmount
    last_seq: Annotated[int, described("How many operations the wallet has", 4, minimum=0)]
    created_at: Time
    updated_at: Time


class WalletPage(Struct):
    """Wallets, newest first."""

    items: list[Wallet]
    next_cursor: NextCursor


_CURRENCY_FORM = "currency must be an ISO 4217 code such as RUB or EUR"
_BODY = requests.Body(
    WalletRequest,
    {
        "name": (errors.INVALID_NAME, "name must be a string"),
        "currency": (errors.INVALID_CURRENCY, _CURRENCY_FORM),
    },
)


async def create_wallet(request: web.Request) -> web.Response:
    """Creates an empty wallet."""
    body = await _BODY.read(request)
    row = await calls.create_wallet(
        request.app[POOL],
        None if body.name is None else requests.text(body.name, errors.INVALID_NAME),
        requests.text(body.currency, errors.INVALID_CURRENCY),
    )
    return json_response(_wallet(row), HTTPStatus.CREATED, {"Location": f"/api/wallets/{row['id']}/details"})


async def get_wallet(request: web.Request) -> web.Response:
    """The whole wallet."""
    wallet_id = requests.wallet_id(request.match_info["wallet_id"])
    return json_response(_wallet(await calls.get_wallet(request.app[POOL], wallet_id)))


async def list_wallets(request: web.Request) -> web.Response:
    """A page of wallets, newest first."""
    query = request.query
    limit = limit_of(request)
    rows = await calls.list_wallets(
        request.app[POOL],
        limit=limit + 1,
        before=cursor_of(request, tuple[Annotated[datetime, Meta(tz=True)], UUID]),
        name_part=requests.text(query.get("q", ""), errors.INVALID_REQUEST) or None,
        status=_status(query.get("status", "")),
        currency=_currency(query.get("currency", "")),
    )
    rows, next_cursor = page(rows, limit, lambda row: (row["created_at"], row["id"]))
    return json_response(WalletPage([_wallet(row) for row in rows], next_cursor))


def _status(text: str) -> str | None:
    if text and text not in WALLET_STATUSES:
        *others, last = WALLET_STATUSES
        raise Problem(
            errors.INVALID_STATUS, f"status must be {', '.join(others)} or {last}; got {requests.shown(text)}"
        )
    return text or None


def _currency(text: str) -> str | None:
    if text and not CURRENCY.fullmatch(text):
        raise Problem(errors.INVALID_CURRENCY, f"{_CURRENCY_FORM}; got {requests.shown(text)}")
    return text or None


def _wallet(row: Record) -> Wallet:
    return Wallet(
        id=str(row["id"]),
        name=row["name"],
        currency=row["currency"],
        status=row["status"],
        balance=row["balance"],
        last_seq=row["last_seq"],
        created_at=rfc3339(row["created_at"]),
        updated_at=rfc3339(row["updated_at"]),
    )
