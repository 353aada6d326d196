"""Reports over all wallets: the latest operations and rejections, and activity by hour."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from ledger import Database


async def test_the_latest_of_all_wallets_come_first(own: Database) -> None:
    lists = {"operations": (1, 2), "rejections": (10, 20)}
    for which in lists:
        assert await own.rows(f"list_latest_{which}", 10) == []
    currencies = (("A", "RUB"), (None, "JPY"), ("C", "KWD"))
    wallets = [await own.wallet(p_name=name, p_currency=currency) for name, currency in currencies]
    for word, amounts in (("DEPOSIT", (1, 2)), ("WITHDRAW", (10, 20))):
        for amount in amounts:
            for wallet_id in wallets:
                await own.rows("apply_operations", [wallet_id], [word], [amount], [f"key-{amount}"])
    for which, (small, large) in lists.items():
        rows = await own.rows(f"list_latest_{which}", 4)
        assert [(row["name"], row["currency"], row["decimals"], row["amount"]) for row in rows] == [
            ("C", "KWD", 3, large),
            (None, "JPY", 0, large),
            ("A", "RUB", 2, large),
            ("C", "KWD", 3, small),
        ]
        details = f"wallet.{which.removesuffix('s')}_details"
        stored = await own.owner.fetch(f"select * from {details} order by created_at desc")
        rows = await own.rows(f"list_latest_{which}", 1001)
        assert len(rows) == 6
        for row, one in zip(rows, stored, strict=True):
            assert dict(row).items() <= {**row, **one}.items()

    # However many blocks at the end of the table are empty.
    await insert(own, wallets[0], "generate_series(10, 20000)", "now()", "i")
    await own.tamperer.execute("delete from wallet.operations where seq between 10 and 19999")
    rows = await own.rows("list_latest_operations", 7)
    assert [row["seq"] for row in rows] == [20000, 2, 2, 2, 1, 1, 1]


async def insert(database: Database, wallet_id: UUID, series: str, created_at: str, balance: str) -> None:
    """Adds deposits, at odd numbers of a series, and withdrawals of 1, as fast as can be."""
    await database.tamperer.execute(
        f"""
        insert into wallet.operations
            (wallet_id, seq, id, amount, balance_after, created_at, operation_type, idempotency_key)
        select
            $1, i, gen_random_uuid(), 1, {balance}, {created_at},
            case i % 2 when 1 then 'DEPOSIT' else 'WITHDRAW' end, i::text
        from {series} as i
        """,
        wallet_id,
    )


async def backfill(database: Database, operations: int, per_hour: int) -> None:
    """Adds deposits and withdrawals by turns at an even pace, the last of them in the hour before this one."""
    since = f"date_trunc('hour', now(), 'UTC') - ({operations} - i + 1) * interval '1 hour' / {per_hour}"
    await insert(database, await database.wallet(), f"generate_series(1, {operations})", since, "i % 2")


async def test_activity_counts_every_hour(own: Database) -> None:
    rows = await own.rows("get_activity")
    this_hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    hours = [row["hour"] for row in rows]
    assert hours[-1] in {this_hour, this_hour - timedelta(hours=1)}  # the hour may have changed meanwhile
    assert hours == [hours[-1] - timedelta(hours=back) for back in reversed(range(48))]
    assert {tuple(row)[1:] for row in rows} == {(0, 0, False)}
    wallet_id = await own.wallet(1)
    await own.deposit(wallet_id, 1)
    await own.row("apply_operation", wallet_id, "WITHDRAW", 1)
    rows = await own.rows("get_activity", 2)
    assert (sum(row["deposits"] for row in rows), sum(row["withdrawals"] for row in rows)) == (2, 1)


async def test_activity_reads_few_blocks_of_a_long_ledger(own: Database) -> None:
    await backfill(own, operations=60_000, per_hour=200)
    rows_read = "select sum(seq_tup_read) from pg_stat_user_tables"
    await own.owner.execute("select pg_stat_force_next_flush()")
    before = await own.owner.fetchval(rows_read)
    await own.rows("get_activity", 1)
    # What was read is reported at the end of the next statement, and seen by another session.
    await own.app.execute("select pg_stat_force_next_flush()")
    await own.app.execute("select")
    assert 0 < await own.owner.fetchval(rows_read) - before < 30_000
    rows = await own.rows("get_activity", 48)
    assert [tuple(row)[1:] for row in rows] == [(100, 100, False)] * 47 + [(0, 0, False)]


async def test_activity_of_very_many_operations_is_estimated(own: Database) -> None:
    await backfill(own, operations=150_000, per_hour=15_000)
    rows = await own.rows("get_activity", 12)
    assert all(row["is_estimate"] for row in rows)
    for row in rows[2:-1]:
        assert row["deposits"] == pytest.approx(7_500, rel=0.1)
        assert row["withdrawals"] == pytest.approx(7_500, rel=0.1)
