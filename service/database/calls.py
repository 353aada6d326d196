"""The SQL of every function that the API, the probes and the commands call, each statement once."""

from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg

from service.database.pool import KeptConnections

Database: TypeAlias = asyncpg.Pool | asyncpg.Connection
Row: TypeAlias = asyncpg.Record
# Of the three calls that are batched: a tuple for each request, and a row for each of them in order.
Requests = Sequence[tuple[Any, ...]]
Rows = Awaitable[list[Row]]


def apply_operations(connections: KeptConnections, operations: Requests) -> Rows:
    """Rows of operation_id, status, new_balance, replayed, error_code and detail."""
    return connections.fetch(
        "select operation_id, status, new_balance, replayed, error_code, detail "
        "from wallet.apply_operations($1, $2, $3, $4)",
        *zip(*operations, strict=True),
    )


def get_balances(connections: KeptConnections, requests: Requests) -> Rows:
    """Rows of balance: null where there is no such wallet."""
    return connections.fetch("select balance from wallet.get_balances($1)", *zip(*requests, strict=True))


def check_api_keys(connections: KeptConnections, requests: Requests) -> Rows:
    """Rows of id, name, scope and rate_limit: id is null where there is no such API key, or it was revoked."""
    return connections.fetch(
        "select id, name, scope, rate_limit from wallet.check_api_keys($1)", *zip(*requests, strict=True)
    )


async def create_wallet(database: Database, name: str | None, currency: str) -> Row:
    """The new wallet."""
    return await database.fetchrow("select * from wallet.create_wallet($1, $2)", name, currency)


async def get_wallet(database: Database, wallet_id: str) -> Row:
    """One wallet."""
    return await database.fetchrow("select * from wallet.get_wallet($1)", wallet_id)


async def list_wallets(  # noqa: PLR0913 -- those of the function
    database: Database,
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
    name_part: str | None,
    status: str | None,
    currency: str | None,
) -> list[Row]:
    """Wallets, newest first, created before a wallet with this created_at and id."""
    created_at, wallet_id = before or (None, None)
    rows: list[Row] = await database.fetch(
        "select * from wallet.list_wallets($1, $2, $3, $4, $5, $6)",
        *(limit, created_at, wallet_id, name_part, status, currency),
    )
    return rows


async def list_operations(database: Database, wallet_id: str, limit: int, before_seq: int | None) -> list[Row]:
    """A wallet's operations, newest first."""
    rows: list[Row] = await database.fetch(
        "select * from wallet.list_operations($1, $2, $3)", wallet_id, limit, before_seq
    )
    return rows


async def get_operation(database: Database, wallet_id: str, operation_id: str) -> Row:
    """One operation of a wallet."""
    return await database.fetchrow("select * from wallet.get_operation($1, $2)", wallet_id, operation_id)


async def create_api_key(database: Database, name: str, scope: str, key_hash: bytes, rate_limit: int | None) -> None:
    """Creates an API key."""
    await database.execute("select wallet.create_api_key($1, $2, $3, $4)", name, scope, key_hash, rate_limit)


async def revoke_api_key(database: Database, name: str) -> None:
    """Revokes an API key."""
    await database.execute("select wallet.revoke_api_key($1)", name)


async def begin_verification(database: Database, is_resumed: bool) -> Row:
    """The new run, or the last one that was not finished."""
    return await database.fetchrow("select * from wallet.begin_verification($1)", is_resumed)


async def verify_next(database: Database, run_id: int) -> list[Row]:
    """The next wallets of a run, and what is wrong with each; none when it is finished."""
    rows: list[Row] = await database.fetch("select * from wallet.verify_next($1)", run_id)
    return rows


async def ping(database: Database, seconds: float) -> None:
    """Raises unless the database responds in time."""
    await database.fetchval("select 1", timeout=seconds)
