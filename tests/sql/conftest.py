"""A database per file, or per test, and what its audit says."""

import json
from collections.abc import AsyncIterator

import pytest
from ledger import Database

from . import Audited


@pytest.fixture(scope="module")
async def database(module_database_url: str) -> AsyncIterator[Database]:
    """The database of the file."""
    async with Database.connect(module_database_url) as database:
        yield database


@pytest.fixture
async def own(own_database_url: str) -> AsyncIterator[Database]:
    """A database for a test that looks at all of it."""
    async with Database.connect(own_database_url) as database:
        yield database


@pytest.fixture(scope="module")
async def session(database: Database) -> str:
    """The token of a session of the admin "ann"."""
    return await database.sign_in("ann")


@pytest.fixture
async def audited(database: Database) -> Audited:
    """What the test has added to the audit about an action: admin, address, wallet, outcome, detail."""
    last_id = await database.owner.fetchval("select coalesce(max(id), 0) from wallet.audit")

    async def read(action: str) -> list[tuple[object, ...]]:
        rows = await database.owner.fetch(
            "select admin, host(address), wallet_id, outcome, detail::text from wallet.audit"
            " where action = $1 and id > $2 order by id",
            *(action, last_id),
        )
        return [(*row[:4], json.loads(row["detail"])) for row in rows]

    return read
