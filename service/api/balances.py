"""The balance of a wallet."""

from aiohttp import web
from msgspec import Struct

from service import errors
from service.api import requests
from service.api.fields import BalanceAmount
from service.api.routing import Route
from service.api_keys import Scope
from service.database.batcher import BalanceRequest
from service.database.batchers import BALANCES
from service.errors import Problem
from service.response import json_response


def routes() -> tuple[Route, ...]:
    """The routes of this resource."""
    return (
        Route(
            method="GET",
            path="/api/wallets/{wallet_id}/",
            handler=get_balance,
            scope=Scope.READ,
            response=Balance,
            problems=(errors.WALLET_NOT_FOUND,),
        ),
    )


class Balance(Struct):
    """A wallet's balance."""

    balance: BalanceAmount


async def get_balance(request: web.Request) -> web.Response:
    """`{"balance": 1000}`: minor units, and nothing else. A published contract."""
    wallet_id = requests.wallet_id(request.match_info["wallet_id"])
    row = await request.app[BALANCES].apply(BalanceRequest(wallet_id))
    if row["balance"] is None:
        raise Problem(errors.WALLET_NOT_FOUND, f"wallet not found: {wallet_id}")
    return json_response(Balance(row["balance"]))
