"""A database under test: its functions as methods take them, its state, and the id that an operation must have."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from typing import Any, NamedTuple, Self
from uuid import UUID

import asyncpg
import pytest
from conftest import connect_as_owner, connect_directly

MAX = 2**63 - 1


class State(NamedTuple):
    """What is stored of some wallets, and a summary of all others, which changes when anything of them does."""

    wallets: list[asyncpg.Record]
    operations: list[asyncpg.Record]
    rejections: list[asyncpg.Record]
    others: asyncpg.Record


_OTHERS = """
select
    count(*), sum(w.balance), sum(w.held), sum(w.last_seq), max(w.updated_at),
    (select count(*) from wallet.operations as o where o.wallet_id <> all($1)),
    (select count(*) from wallet.rejections as r where r.wallet_id <> all($1))
from wallet.wallets as w
where w.id <> all($1)
"""


class Database:
    """A database with a connection of wallet_app, one of the owner of all tables, and one that no trigger stops."""

    def __init__(
        self, url: str, app: asyncpg.Connection, owner: asyncpg.Connection, tamperer: asyncpg.Connection
    ) -> None:
        self.url = url
        self.app = app
        self.owner = owner
        self.tamperer = tamperer

    @classmethod
    @asynccontextmanager
    async def connect(cls, url: str) -> AsyncIterator[Self]:
        async with AsyncExitStack() as opened:
            connections = [
                await connect_directly(url),
                await connect_as_owner(url),
                await asyncpg.connect(url, server_settings={"session_replication_role": "replica"}),
            ]
            for connection in connections:
                opened.push_async_callback(connection.close)
            yield cls(url, *connections)

    async def rows(self, function: str, *arguments: object, **named: object) -> list[asyncpg.Record]:
        """The rows of a function: `await database.rows("list_operations", wallet_id, p_limit=3)`."""
        parameters = [f"${index}" for index, _ in enumerate(arguments, 1)]
        parameters += [f"{name} => ${index}" for index, name in enumerate(named, len(arguments) + 1)]
        rows: list[asyncpg.Record] = await self.app.fetch(
            f"select * from wallet.{function}({', '.join(parameters)})", *arguments, *named.values()
        )
        return rows

    async def row(self, function: str, *arguments: object, **named: object) -> asyncpg.Record:
        """The only row of a function."""
        (row,) = await self.rows(function, *arguments, **named)
        return row

    async def value(self, function: str, *arguments: object, **named: object) -> Any:
        """The first column of the only row of a function."""
        return (await self.row(function, *arguments, **named))[0]

    async def raises(self, sqlstate: str, function: str, *arguments: object, **named: object) -> str:
        """The message of the error that a function must raise."""
        with pytest.raises(asyncpg.PostgresError) as error:
            await self.rows(function, *arguments, **named)
        assert error.value.sqlstate == sqlstate, (function, arguments, named, error.value)
        return str(error.value.message)

    async def wallet(
        self, balance: int = 0, status: str = "ACTIVE", *, held: int = 0, wallet_id: UUID | None = None, **named: object
    ) -> UUID:
        """The id of a new wallet."""
        created: UUID = await self.value("create_wallet", p_id=wallet_id, **named)
        if balance:
            await self.row("apply_operation", created, "DEPOSIT", balance, "opening")
        if held:
            await self.owner.execute("update wallet.wallets set held = $2 where id = $1", created, held)
        if status != "ACTIVE":
            await self.row("set_wallet_status", created, status)
        return created

    async def deposit(self, wallet_id: UUID, *amounts: int) -> list[asyncpg.Record]:
        """Applies deposits; returns what apply_operation returned."""
        return [await self.row("apply_operation", wallet_id, "DEPOSIT", amount) for amount in amounts]

    async def sign_in(self, username: str) -> str:
        """Creates an admin; returns the token of a session."""
        token = f"token of {username}"
        await self.row("create_admin", username, f"hash of {username}")
        await self.rows("begin_session", username, token, "192.0.2.1")
        return token

    async def balance(self, wallet_id: UUID) -> int:
        return int(await self.value("get_balance", wallet_id))

    async def state(self, *wallet_ids: UUID | None) -> State:
        ids = [wallet_id for wallet_id in wallet_ids if wallet_id is not None]
        return State(
            await self.owner.fetch("select * from wallet.wallets where id = any($1) order by id", ids),
            await self.owner.fetch(
                "select * from wallet.operations where wallet_id = any($1) order by wallet_id, seq", ids
            ),
            await self.owner.fetch(
                "select * from wallet.rejections where wallet_id = any($1) order by wallet_id, created_at", ids
            ),
            await self.owner.fetchrow(_OTHERS, ids),
        )

    async def broken_wallets(self) -> list[asyncpg.Record]:
        """What verify_wallet finds in any wallet."""
        rows: list[asyncpg.Record] = await self.owner.fetch(
            "select w.id, v.* from wallet.wallets as w cross join lateral wallet.verify_wallet(w.id) as v"
        )
        return rows


def id_of(wallet_id: UUID, key: str) -> UUID:
    """The id that the documentation promises for a key: a UUID of version 8 from the first 120 bits of a sha256."""
    digits = list(sha256(wallet_id.bytes + key.encode()).hexdigest()[:32])
    digits[12] = digits[16] = "8"
    return UUID("".join(digits))
