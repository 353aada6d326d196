"""wallet.begin_verification and wallet.verify_next"""

import json
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from . import Apply

# One for each invariant; %s is the wallet.
FORGERIES = {
    "seq_gapless": "update wallet.operations set seq = 9 where wallet_id = %s and seq = 3",
    "balance_after_exact": "update wallet.operations set balance_after = 7 where wallet_id = %s and seq = 2",
    "time_not_backwards": "update wallet.operations set created_at = '2000-01-01' where wallet_id = %s and seq = 2",
    "id_of_key": "update wallet.operations set id = gen_random_uuid() where wallet_id = %s and seq = 1",
    "balance_exact": "update wallet.wallets set balance = balance + 1 where id = %s",
    "last_seq_exact": "update wallet.wallets set last_seq = last_seq + 1 where id = %s",
}


async def make(connection: asyncpg.Connection, apply: Apply, operations: int) -> UUID:
    wallet_id: UUID = await connection.fetchval("select id from wallet.create_wallet()")
    for _ in range(operations):
        await apply(wallet_id, "DEPOSIT", 100)
    return wallet_id


async def begin(connection: asyncpg.Connection, *, is_resumed: bool = False) -> asyncpg.Record:
    return await connection.fetchrow("select * from wallet.begin_verification($1)", is_resumed)


async def verify(connection: asyncpg.Connection, run: int, *bounds: int) -> list[asyncpg.Record]:
    places = "".join(f", ${place}" for place, _ in enumerate(bounds, 2))
    rows: list[asyncpg.Record] = await connection.fetch(f"select * from wallet.verify_next($1{places})", run, *bounds)
    return rows


@pytest.mark.parametrize("invariant", FORGERIES)
async def test_it_finds_what_verify_wallet_finds(
    app_connection: asyncpg.Connection, superuser_connection: asyncpg.Connection, apply: Apply, invariant: str
) -> None:
    sound, broken = [await make(app_connection, apply, 3) for _ in range(2)]
    await superuser_connection.execute(FORGERIES[invariant] % f"'{broken}'")
    alone: list[dict[str, Any]] = [
        dict(finding) for finding in await app_connection.fetch("select * from wallet.verify_wallet($1)", broken)
    ]
    assert invariant in {finding["invariant"] for finding in alone}

    rows = await verify(app_connection, (await begin(app_connection))["run_id"])
    found = {row["wallet_id"]: json.loads(row["findings"]) for row in rows}
    assert found == {sound: [], broken: alone}
    listed = await app_connection.fetch("select * from wallet.list_broken_wallets(10)")
    assert [(row["wallet_id"], json.loads(row["findings"])) for row in listed] == [(broken, alone)]


async def test_a_wallet_that_was_mended_is_listed_no_more(
    app_connection: asyncpg.Connection, superuser_connection: asyncpg.Connection, apply: Apply
) -> None:
    await make(app_connection, apply, 1)
    for balance, count in ((101, 1), (100, 0)):
        await superuser_connection.execute("update wallet.wallets set balance = $1", balance)
        await verify(app_connection, (await begin(app_connection))["run_id"])
        assert len(await app_connection.fetch("select * from wallet.list_broken_wallets(10)")) == count


async def test_it_takes_every_wallet_once_and_no_more_than_asked_for(
    app_connection: asyncpg.Connection, apply: Apply
) -> None:
    made = {await make(app_connection, apply, operations) for operations in (0, 1, 2, 3, 4, 0, 1)}
    run = (await begin(app_connection))["run_id"]
    seen: list[UUID] = []
    while rows := await verify(app_connection, run, 3, 4):
        assert len(rows) <= 3
        # The last of them may go beyond: one wallet is not divided.
        assert sum(row["operations"] for row in rows[:-1]) < 4
        seen += [row["wallet_id"] for row in rows]
    assert seen == sorted(made)
    assert await verify(app_connection, run) == []


async def test_a_run_is_taken_up_where_it_was_left(app_connection: asyncpg.Connection, apply: Apply) -> None:
    made = sorted([await make(app_connection, apply, 2) for _ in range(3)])
    first = await begin(app_connection)
    await verify(app_connection, first["run_id"], 2)

    resumed = await begin(app_connection, is_resumed=True)
    assert (resumed["run_id"], resumed["is_resumed"]) == (first["run_id"], True)
    assert (resumed["wallets"], resumed["operations"], resumed["broken"]) == (2, 4, 0)
    assert [row["wallet_id"] for row in await verify(app_connection, resumed["run_id"])] == made[2:]
    assert await verify(app_connection, resumed["run_id"]) == []

    another = await begin(app_connection, is_resumed=True)
    assert (another["run_id"] == first["run_id"], another["is_resumed"], another["wallets"]) == (False, False, 0)


async def test_a_run_that_nobody_began_has_nothing_to_do(app_connection: asyncpg.Connection, apply: Apply) -> None:
    await make(app_connection, apply, 1)
    assert await verify(app_connection, 7) == []
