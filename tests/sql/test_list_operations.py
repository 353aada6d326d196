"""wallet.list_operations"""

from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Apply, Refused


@pytest.fixture
async def seven(app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply) -> list[asyncpg.Record]:
    """Deposits to the wallet, newest first, as get_operation answers them; and one to another wallet."""
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    await apply(other, "DEPOSIT", 1000)
    applied = [await apply(wallet_id, "DEPOSIT", amount) for amount in range(1, 8)]
    return [
        await app_connection.fetchrow("select * from wallet.get_operation($1, $2)", wallet_id, one["operation_id"])
        for one in reversed(applied)
    ]


async def test_it_is_empty_for_a_new_wallet(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    assert await app_connection.fetch("select * from wallet.list_operations($1)", wallet_id) == []


async def test_it_answers_the_operations_of_the_wallet_newest_first(
    app_connection: asyncpg.Connection, wallet_id: UUID, seven: list[asyncpg.Record]
) -> None:
    assert await app_connection.fetch("select * from wallet.list_operations($1)", wallet_id) == seven


async def test_it_answers_no_more_than_asked_for(
    app_connection: asyncpg.Connection, wallet_id: UUID, seven: list[asyncpg.Record]
) -> None:
    assert await app_connection.fetch("select * from wallet.list_operations($1, 3)", wallet_id) == seven[:3]


async def test_it_answers_fifty_unless_told_otherwise(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    await app_connection.execute(
        "select wallet.apply_operation($1, 'DEPOSIT', 1) from generate_series(1, 51)", wallet_id
    )
    assert len(await app_connection.fetch("select * from wallet.list_operations($1)", wallet_id)) == 50


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1001])
async def test_its_pages_cover_every_operation_once_even_if_more_are_applied_meanwhile(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, seven: list[asyncpg.Record], limit: int
) -> None:
    seen: list[asyncpg.Record] = []
    before: int | None = None
    while page := await app_connection.fetch(
        "select * from wallet.list_operations($1, $2, $3)", wallet_id, limit, before
    ):
        seen += page
        assert len(seen) <= len(seven)
        before = page[-1]["seq"]
        await apply(wallet_id, "DEPOSIT", 100)
    assert seen == seven


@pytest.mark.parametrize("limit", [None, 0, -1, 1002])
async def test_it_refuses_a_page_of_another_length(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, limit: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute("select wallet.list_operations($1, $2)", wallet_id, limit)


@pytest.mark.parametrize("unknown", [None, uuid4()], ids=["null", "unknown"])
async def test_it_refuses_a_wallet_that_there_is_not(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, unknown: UUID | None
) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.list_operations($1)", unknown)
