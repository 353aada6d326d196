"""Wallets to act on, a second session to get in the way, and the proof that every ledger is sound afterwards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from conftest import connect_directly

from . import (
    Answer,
    Apply,
    ApplyAll,
    Backends,
    Call,
    CreateWallet,
    Item,
    ReadState,
    SetStatus,
    State,
    WaitingCall,
    call_apply_operations,
)

_PATIENCE_SECONDS = 10.0


@pytest.fixture(autouse=True)
async def every_wallet_is_sound_afterwards(owner_connection: asyncpg.Connection) -> AsyncIterator[None]:
    """Whatever a test did, verify_wallet has nothing to say."""
    yield
    findings = await owner_connection.fetch(
        "select w.id, v.* from wallet.wallets as w cross join lateral wallet.verify_wallet(w.id) as v"
    )
    assert findings == []


@pytest.fixture
def create_wallet(app_connection: asyncpg.Connection) -> CreateWallet:
    """Makes an active wallet: `await create_wallet(balance=100)`."""

    async def create(balance: int = 0, wallet_id: UUID | None = None) -> UUID:
        created = await app_connection.fetchval("select id from wallet.create_wallet(p_id => $1)", wallet_id)
        if balance:
            await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', $2)", created, balance)
        return UUID(str(created))

    return create


@pytest.fixture
async def wallet_id(create_wallet: CreateWallet) -> UUID:
    """An empty, active wallet."""
    return await create_wallet()


@pytest.fixture
def set_status(app_connection: asyncpg.Connection) -> SetStatus:
    """Freezes, unfreezes or closes a wallet."""

    async def call(wallet_id: UUID, status: str) -> None:
        await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)

    return call


@pytest.fixture
def apply_all(app_connection: asyncpg.Connection) -> ApplyAll:
    """Calls apply_operations: `await apply_all(Item(wallet_id, "DEPOSIT", 100, "key"), …, positions=[…])`."""

    async def call(*items: Item, positions: list[int | None] | None = None) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await app_connection.fetch(
            "select * from wallet.apply_operations($1, $2, $3, $4, $5)", *zip(*items, strict=True), positions
        )
        return rows

    return call


@pytest.fixture
def apply(app_connection: asyncpg.Connection) -> Apply:
    """Calls apply_operation."""

    async def call(item: Item) -> asyncpg.Record:
        return await app_connection.fetchrow("select * from wallet.apply_operation($1, $2, $3, $4)", *item)

    return call


@pytest.fixture
def state(owner_connection: asyncpg.Connection) -> ReadState:
    """Reads every wallet, operation and rejection."""

    async def read() -> State:
        return State(
            await owner_connection.fetch("select * from wallet.wallets order by id"),
            await owner_connection.fetch("select * from wallet.operations order by wallet_id, seq"),
            await owner_connection.fetch("select * from wallet.rejections order by wallet_id, idempotency_key"),
        )

    return read


@pytest.fixture
async def waiting_call(maintenance: asyncpg.Connection, database_url: str) -> AsyncIterator[WaitingCall]:
    """Calls apply_operations in a session of its own, and returns once that is seen waiting for another session."""
    async with AsyncExitStack() as opened:

        async def start(*items: Item) -> asyncio.Task[list[asyncpg.Record]]:
            connection = await connect_directly(database_url)
            opened.push_async_callback(connection.close)
            call = asyncio.create_task(call_apply_operations(connection, *items))
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not await maintenance.fetchval(
                    "select pg_blocking_pids($1) <> '{}'", connection.get_server_pid()
                ):
                    pass
            return call

        yield start


@pytest.fixture
def backends(maintenance: asyncpg.Connection, database_url: str) -> Backends:
    """The service's sessions."""
    return Backends(maintenance, urlsplit(database_url).path[1:])


@pytest.fixture
def call(client: aiohttp.ClientSession) -> Call:
    """Posts JSON, and reads the whole response: `await call("/api/…", {…}, "key")`."""

    async def post(path: str, content: object, key: str | None = None) -> Answer:
        headers = {} if key is None else {"Idempotency-Key": key}
        async with client.post(path, json=content, headers=headers) as response:
            return Answer(response.status, response.headers, await response.read())

    return post
