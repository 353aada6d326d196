"""A wallet to act on, and the proof that what was refused has changed nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import asyncpg
import pytest

from . import Apply, Audited, ReadState, Refused, State


@pytest.fixture
async def wallet_id(app_connection: asyncpg.Connection) -> UUID:
    """An empty, active wallet."""
    return UUID(str(await app_connection.fetchval("select id from wallet.create_wallet()")))


@pytest.fixture
async def session(app_connection: asyncpg.Connection) -> str:
    """The token of a session of the admin "ann"."""
    await app_connection.execute("select wallet.create_admin('ann', 'hash of ann')")
    await app_connection.execute("select wallet.begin_session('ann', 'token of ann', '192.0.2.1')")
    return "token of ann"


@pytest.fixture
def audited(owner_connection: asyncpg.Connection) -> Audited:
    """What was written down of an action, oldest first: admin, address, wallet, outcome, detail."""

    async def read(action: str) -> list[tuple[object, ...]]:
        rows = await owner_connection.fetch(
            "select admin, host(address), wallet_id, outcome, detail::text from wallet.audit"
            " where action = $1 order by id",
            action,
        )
        return [(*row[:4], json.loads(row["detail"])) for row in rows]

    return read


@pytest.fixture
def apply(app_connection: asyncpg.Connection) -> Apply:
    """Calls apply_operation: `await apply(wallet_id, "DEPOSIT", 100, "key")`."""

    async def call(wallet_id: UUID | None, operation_type: str | None, amount: int | None, *key: str) -> asyncpg.Record:
        arguments = (wallet_id, operation_type, amount, *key)
        places = ", ".join(f"${place}" for place, _ in enumerate(arguments, 1))
        return await app_connection.fetchrow(f"select * from wallet.apply_operation({places})", *arguments)

    return call


@pytest.fixture
def state(owner_connection: asyncpg.Connection) -> ReadState:
    """Reads every wallet, every operation and every remembered refusal."""

    async def read() -> State:
        return State(
            await owner_connection.fetch("select * from wallet.wallets order by id"),
            await owner_connection.fetch("select * from wallet.operations order by wallet_id, seq"),
            await owner_connection.fetch("select * from wallet.rejections order by wallet_id, id"),
        )

    return read


@pytest.fixture
def refused(state: ReadState) -> Refused:
    """Expects what is done inside to be refused with an SQLSTATE, and to have changed nothing."""

    @asynccontextmanager
    async def expect(sqlstate: str) -> AsyncIterator[None]:
        before = await state()
        with pytest.raises(asyncpg.PostgresError) as refusal:
            yield
        assert refusal.value.sqlstate == sqlstate
        assert await state() == before

    return expect


@pytest.fixture
async def superuser_connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that no trigger and no grant holds back."""
    connection = await asyncpg.connect(database_url, server_settings={"session_replication_role": "replica"})
    yield connection
    await connection.close()
