"""wallet.get_balance_history"""

from itertools import pairwise
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Apply, Refused


async def history(connection: asyncpg.Connection, wallet_id: UUID, *points: int) -> list[tuple[int, int]]:
    places = "".join(f", ${place}" for place, _ in enumerate(points, 2))
    rows = await connection.fetch(f"select * from wallet.get_balance_history($1{places})", wallet_id, *points)
    assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
    return [(row["seq"], row["balance"]) for row in rows]


@pytest.mark.parametrize("operations", [0, 1, 2, 3, 10])
@pytest.mark.parametrize("points", [(), (10,), (300,)])
async def test_a_short_history_is_answered_whole(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, operations: int, points: tuple[int, ...]
) -> None:
    for _ in range(operations):
        await apply(wallet_id, "DEPOSIT", 10)
    assert await history(app_connection, wallet_id, *points) == [(seq, 10 * seq) for seq in range(1, operations + 1)]


@pytest.mark.parametrize("points", [2, 3, 7, 99])
async def test_a_long_history_is_answered_in_evenly_spaced_points(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, points: int
) -> None:
    for _ in range(100):
        await apply(wallet_id, "DEPOSIT", 10)
    found = await history(app_connection, wallet_id, points)
    seqs = [seq for seq, _ in found]
    assert found == [(seq, 10 * seq) for seq in seqs]
    assert (len(seqs), seqs[0], seqs[-1]) == (points, 1, 100)
    steps = {after - before for before, after in pairwise(seqs)}
    assert max(steps) - min(steps) <= 1


async def test_of_one_point_it_makes_two(app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply) -> None:
    for _ in range(3):
        await apply(wallet_id, "DEPOSIT", 10)
    assert await history(app_connection, wallet_id, 1) == [(1, 10), (3, 30)]


async def test_it_refuses_an_unknown_wallet(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.get_balance_history($1)", uuid4())


@pytest.mark.parametrize("points", [None, 0, 1002])
async def test_it_refuses_another_number_of_points(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, points: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute("select wallet.get_balance_history($1, $2)", wallet_id, points)
