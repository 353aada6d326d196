"""A database per file, in which every table has gained a column, and the ways to apply an operation to its wallets."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
from conftest import serving
from ledger import Database

from service.app import create_app

from . import ENTRANCES, Entrance, Item


@pytest.fixture(scope="module")
async def database(module_database_url: str) -> AsyncIterator[Database]:
    """Its tables have a nullable column more, as after a migration. Every wallet must be sound in the end."""
    async with Database.connect(module_database_url) as database:
        for row in await database.owner.fetch("select tablename from pg_tables where schemaname = 'wallet'"):
            await database.owner.execute(f"alter table wallet.{row['tablename']} add column added_later integer")
        yield database
        assert await database.broken_wallets() == []


@pytest.fixture(scope="module")
async def client(database: Database) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the service on the file's database."""
    async with serving(create_app(database.url)) as address, aiohttp.ClientSession(base_url=address) as session:
        yield session


@pytest.fixture(scope="module")
async def entrances(database: Database, client: aiohttp.ClientSession) -> list[Entrance]:
    """Every way to apply an operation."""
    neighbour = Item(await database.wallet(), "DEPOSIT", 7, "neighbour")
    await database.row("apply_operation", *neighbour)
    return [entrance(database, client, neighbour) for entrance in ENTRANCES]


@pytest.fixture(params=range(len(ENTRANCES)), ids=[entrance.__name__ for entrance in ENTRANCES])
def entrance(entrances: list[Entrance], request: pytest.FixtureRequest) -> Entrance:
    """One way to apply an operation: `await entrance.apply(wallet_id, "DEPOSIT", 100, "key")`."""
    index: int = request.param
    return entrances[index]
