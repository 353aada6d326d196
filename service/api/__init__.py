"""The REST API: a file for each resource, with its routes, its structs and its handlers.

A handler parses the request, calls one function of the database, and responds.
"""

from aiohttp import web

from service.api import balances, bulk, ledger, operations, routing, wallets
from service.api.guard import ApiKeyCache

# aiohttp matches in this order: the most frequent requests first.
ROUTES = (*operations.routes(), *balances.routes(), *bulk.routes(), *wallets.routes(), *ledger.routes())


def setup(app: web.Application, api_keys: ApiKeyCache | None) -> None:
    """Adds the routes; without a cache of API keys, none is required."""
    routing.setup(app, ROUTES, api_keys)
