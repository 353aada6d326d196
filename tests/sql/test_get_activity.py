"""wallet.get_activity"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from . import Apply, Refused


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


async def backfill(owner_connection: asyncpg.Connection, wallet_id: UUID, operations: int, per_hour: int) -> None:
    """Adds deposits and withdrawals by turns at an even pace, the last of them in the hour before this one."""
    await owner_connection.execute(
        """
        insert into wallet.operations
            (wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key)
        select
            $1, i, gen_random_uuid(), 1, i % 2,
            date_trunc('hour', now(), 'UTC') - ($2 - i + 1) * interval '1 hour' / $3,
            case i % 2 when 1 then 'DEPOSIT' else 'WITHDRAW' end, i::text
        from generate_series(1, $2::integer) as i
        """,
        *(wallet_id, operations, per_hour),
    )


async def test_every_hour_is_there_without_operations(app_connection: asyncpg.Connection) -> None:
    rows = await app_connection.fetch("select * from wallet.get_activity()")
    assert [row["hour"] for row in rows] == [this_hour() - timedelta(hours=back) for back in reversed(range(48))]
    assert {tuple(row)[1:] for row in rows} == {(0, 0, False)}


async def test_it_counts_deposits_and_withdrawals_of_this_hour(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    for kind in ("DEPOSIT", "DEPOSIT", "WITHDRAW"):
        await apply(wallet_id, kind, 1)
    rows = await app_connection.fetch("select * from wallet.get_activity(2)")
    assert sum(row["deposits"] for row in rows) == 2
    assert sum(row["withdrawals"] for row in rows) == 1


async def test_it_counts_each_hour_of_the_period_and_nothing_before(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet_id: UUID
) -> None:
    await backfill(owner_connection, wallet_id, operations=20_000, per_hour=200)
    rows = await app_connection.fetch("select * from wallet.get_activity(48)")
    assert [tuple(row)[1:] for row in rows] == [(100, 100, False)] * 47 + [(0, 0, False)]


async def test_it_reads_a_few_blocks_of_a_long_ledger(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet_id: UUID
) -> None:
    await backfill(owner_connection, wallet_id, operations=100_000, per_hour=100)
    rows_read = "select sum(seq_tup_read) from pg_stat_user_tables"
    await owner_connection.execute("select pg_stat_force_next_flush()")
    before = await owner_connection.fetchval(rows_read)
    await app_connection.execute("select wallet.get_activity(1)")
    # The one waits for the next statement's end to report what it read; the other sees what was reported.
    await app_connection.execute("select pg_stat_force_next_flush()")
    await app_connection.execute("select")
    assert 0 < await owner_connection.fetchval(rows_read) - before < 30_000


async def test_of_many_operations_it_answers_an_estimate(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet_id: UUID
) -> None:
    await backfill(owner_connection, wallet_id, operations=300_000, per_hour=30_000)
    rows = await app_connection.fetch("select * from wallet.get_activity(12)")
    assert all(row["is_estimate"] for row in rows)
    for row in rows[1:-1]:
        assert row["deposits"] == pytest.approx(15_000, rel=0.1)
        assert row["withdrawals"] == pytest.approx(15_000, rel=0.1)


@pytest.mark.parametrize("hours", [None, 0, 1002])
async def test_it_refuses_another_number_of_hours(
    app_connection: asyncpg.Connection, refused: Refused, hours: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute("select wallet.get_activity($1)", hours)
