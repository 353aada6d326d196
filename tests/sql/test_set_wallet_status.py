"""wallet.set_wallet_status"""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Apply, ReadState, Refused

STATUSES = ("ACTIVE", "FROZEN", "CLOSED")


@pytest.mark.parametrize(
    "path", [("FROZEN",), ("FROZEN", "ACTIVE"), ("CLOSED",), ("FROZEN", "CLOSED")], ids=" then ".join
)
async def test_it_answers_the_wallet_with_the_status_asked_for(
    app_connection: asyncpg.Connection, wallet_id: UUID, path: tuple[str, ...]
) -> None:
    for status in path:
        wallet = await app_connection.fetchrow("select * from wallet.set_wallet_status($1, $2)", wallet_id, status)
        assert wallet["status"] == status
        assert await app_connection.fetchrow("select * from wallet.get_wallet($1)", wallet_id) == wallet


async def test_it_changes_nothing_of_a_wallet_but_status_and_time(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, state: ReadState
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    before = await state()
    wallet = await app_connection.fetchrow("select * from wallet.set_wallet_status($1, 'FROZEN')", wallet_id)
    after = await state()
    assert wallet["updated_at"] > before.wallets[0]["updated_at"]
    assert dict(after.wallets[0]) == {**before.wallets[0], "status": "FROZEN", "updated_at": wallet["updated_at"]}
    assert after.operations == before.operations


async def test_it_leaves_other_wallets_alone(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    other = await app_connection.fetchrow("select * from wallet.create_wallet()")
    await app_connection.execute("select wallet.set_wallet_status($1, 'FROZEN')", wallet_id)
    assert await app_connection.fetchrow("select * from wallet.get_wallet($1)", other["id"]) == other


@pytest.mark.parametrize("status", STATUSES)
async def test_asking_for_the_status_that_it_has_changes_nothing(
    app_connection: asyncpg.Connection, wallet_id: UUID, state: ReadState, status: str
) -> None:
    await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)
    before = await state()
    await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)
    assert await state() == before


async def test_its_clock_never_runs_backwards_within_a_wallet(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet_id: UUID
) -> None:
    ahead = await owner_connection.fetchval(
        "update wallet.wallets set updated_at = updated_at + $1 returning updated_at", timedelta(hours=1)
    )
    wallet = await app_connection.fetchrow("select * from wallet.set_wallet_status($1, 'FROZEN')", wallet_id)
    assert wallet["updated_at"] == ahead


@pytest.mark.parametrize("status", ["ACTIVE", "FROZEN"])
async def test_it_refuses_to_reopen_a_closed_wallet(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, status: str
) -> None:
    await app_connection.execute("select wallet.set_wallet_status($1, 'CLOSED')", wallet_id)
    async with refused("WA006"):
        await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)


@pytest.mark.parametrize("status", ["ACTIVE", "FROZEN"])
async def test_it_refuses_to_close_a_wallet_that_holds_money(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused, status: str
) -> None:
    await apply(wallet_id, "DEPOSIT", 1)
    await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)
    async with refused("WA013"):
        await app_connection.execute("select wallet.set_wallet_status($1, 'CLOSED')", wallet_id)


async def test_it_closes_a_wallet_once_it_is_emptied(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    await apply(wallet_id, "WITHDRAW", 100)
    wallet = await app_connection.fetchrow("select * from wallet.set_wallet_status($1, 'CLOSED')", wallet_id)
    assert wallet["status"] == "CLOSED"


@pytest.mark.parametrize("status", [None, "", "active", "FROZEN ", "DELETED"])
async def test_it_refuses_an_unknown_status(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, status: str | None
) -> None:
    async with refused("WA012"):
        await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)


@pytest.mark.parametrize("unknown", [None, uuid4()], ids=["null", "unknown"])
async def test_it_refuses_a_wallet_that_there_is_not(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, unknown: UUID | None
) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.set_wallet_status($1, 'FROZEN')", unknown)
