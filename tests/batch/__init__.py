"""Many operations at once, each exactly once: apply_operations, coalescing, the bulk endpoint, idempotency keys."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Coroutine
from hashlib import sha256
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from multidict import CIMultiDictProxy

_SERVICE_BACKENDS = "from pg_stat_activity where application_name = 'wallets' and datname = $1"
MAX = 2**63 - 1


class Item(NamedTuple):
    """An operation as it is asked for; what the rules allow of it is for the database to say."""

    wallet_id: UUID | None
    operation_type: str | None
    amount: int | None
    key: str | None


class State(NamedTuple):
    """All that the money rules read and write, as it is stored."""

    wallets: list[asyncpg.Record]
    operations: list[asyncpg.Record]
    rejections: list[asyncpg.Record]


class Answer(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Backends(NamedTuple):
    """The service's sessions, as the database sees them."""

    maintenance: asyncpg.Connection
    database: str

    async def until_one_waits(self) -> None:
        """Returns once one is seen waiting for a lock of another session."""
        query = f"select exists (select {_SERVICE_BACKENDS} and pg_blocking_pids(pid) <> '{{}}')"
        async with asyncio.timeout(10):
            while not await self.maintenance.fetchval(query, self.database):
                pass

    async def kill(self) -> int:
        """Ends all of them; returns how many there were."""
        return len(await self.maintenance.fetch(f"select pg_terminate_backend(pid) {_SERVICE_BACKENDS}", self.database))


ApplyAll = Callable[..., Awaitable[list[asyncpg.Record]]]
Apply = Callable[[Item], Awaitable[asyncpg.Record]]
CreateWallet = Callable[..., Awaitable[UUID]]
SetStatus = Callable[[UUID, str], Awaitable[None]]
ReadState = Callable[[], Awaitable[State]]
Call = Callable[..., Coroutine[Any, Any, Answer]]
WaitingCall = Callable[..., Awaitable[asyncio.Task[list[asyncpg.Record]]]]


async def call_apply_operations(connection: asyncpg.Connection, *items: Item) -> list[asyncpg.Record]:
    """Calls apply_operations on a connection of one's own."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "select * from wallet.apply_operations($1, $2, $3, $4)", *zip(*items, strict=True)
    )
    return rows


def id_of(wallet_id: UUID, key: str) -> UUID:
    """The id that design.md promises for a key: UUID version 8, made of sha256."""
    digits = list(sha256(wallet_id.bytes + key.encode()).hexdigest()[:32])
    digits[12] = digits[16] = "8"
    return UUID("".join(digits))
