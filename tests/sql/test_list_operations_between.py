"""wallet.list_operations_between"""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Apply, Refused

START = datetime(2026, 5, 1, tzinfo=UTC)


def day(number: int) -> datetime:
    return START + timedelta(days=number)


@pytest.fixture
async def wallet_id(superuser_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply) -> UUID:
    """A wallet with operations on days 1, 2, 2, 2, 3, 5, 5, 8 of a month; another has them on all."""
    other = await superuser_connection.fetchval("select id from wallet.create_wallet()")
    for source, days in ((other, range(10)), (wallet_id, [1, 2, 2, 2, 3, 5, 5, 8])):
        for seq, number in enumerate(days, 1):
            await apply(source, "DEPOSIT", 1)
            await superuser_connection.execute(
                "update wallet.operations set created_at = $3 where wallet_id = $1 and seq = $2",
                *(source, seq, day(number)),
            )
    return wallet_id


async def seqs(connection: asyncpg.Connection, wallet_id: UUID, *arguments: object) -> list[int]:
    places = ", ".join(f"${place}" for place, _ in enumerate(arguments, 2))
    rows = await connection.fetch(f"select * from wallet.list_operations_between($1, {places})", wallet_id, *arguments)
    assert {row["wallet_id"] for row in rows} <= {wallet_id}
    return [row["seq"] for row in rows]


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 10, [1, 2, 3, 4, 5, 6, 7, 8]),
        (1, 2, [1]),
        (2, 3, [2, 3, 4]),
        (2, 5, [2, 3, 4, 5]),
        (4, 5, []),
        (5, 9, [6, 7, 8]),
        (9, 20, []),
        (-5, 1, []),
        (5, 2, []),
        (None, 2, [1]),
        (5, None, [6, 7, 8]),
        (None, None, [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
)
async def test_it_answers_the_operations_from_one_time_until_before_another_oldest_first(
    app_connection: asyncpg.Connection, wallet_id: UUID, start: int | None, end: int | None, expected: list[int]
) -> None:
    times = [None if number is None else day(number) for number in (start, end)]
    assert await seqs(app_connection, wallet_id, *times) == expected


@pytest.mark.parametrize("limit", [1, 2, 3, 4])
async def test_its_pages_cover_the_period_once(app_connection: asyncpg.Connection, wallet_id: UUID, limit: int) -> None:
    seen: list[int] = []
    while page := await seqs(app_connection, wallet_id, day(2), day(8), seen[-1] if seen else None, limit):
        assert len(page) <= limit
        seen += page
    assert seen == [2, 3, 4, 5, 6, 7]


async def test_it_answers_a_thousand_unless_told_otherwise(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    long = await app_connection.fetchval("select id from wallet.create_wallet()")
    await owner_connection.execute("update wallet.wallets set last_seq = 1100 where id = $1", long)
    await owner_connection.execute(
        "insert into wallet.operations select $1, i, gen_random_uuid(), 1, i, now(), 'DEPOSIT', i::text"
        " from generate_series(1, 1100) as i",
        long,
    )
    assert await seqs(app_connection, long, None, None) == list(range(1, 1001))


async def test_a_wallet_without_operations_has_none(app_connection: asyncpg.Connection) -> None:
    new = await app_connection.fetchval("select id from wallet.create_wallet()")
    assert await seqs(app_connection, new, None, None) == []


async def test_it_refuses_an_unknown_wallet(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.list_operations_between($1, null, null)", uuid4())


@pytest.mark.parametrize("limit", [None, 0, 1002])
async def test_it_refuses_a_page_of_another_length(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, limit: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute(
            "select wallet.list_operations_between($1, null, null, null, $2)", wallet_id, limit
        )
