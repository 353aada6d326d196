"""A wallet's operations as CSV: exactly those of the days requested, whatever a program does with them."""

import csv
from datetime import UTC, datetime
from uuid import UUID

import pytest
from ledger import Database

from . import Browser


@pytest.fixture
async def wallet(database: Database) -> UUID:
    """A wallet with an operation at the first and the last moment of two days, and one on either side."""
    wallet_id = await database.wallet(p_currency="KWD")
    for key, moment in (
        ("before", datetime(2026, 3, 1, 23, 59, 59, 999999, UTC)),
        ("=1+1", datetime(2026, 3, 2, tzinfo=UTC)),
        ("@last", datetime(2026, 3, 3, 23, 59, 59, 999999, UTC)),
        ("after", datetime(2026, 3, 4, tzinfo=UTC)),
    ):
        row = await database.row("apply_operation", wallet_id, "DEPOSIT", 1005, key)
        await database.tamperer.execute(
            "update wallet.operations set created_at = $2 where id = $1", row["operation_id"], moment
        )
    return wallet_id


async def test_it_has_the_operations_of_the_days_without_formulas(
    signed_in: Browser, database: Database, wallet: UUID
) -> None:
    response = await signed_in.get(f"/admin/wallets/{wallet}/operations.csv?from=2026-03-02&until=2026-03-03")
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f"wallet-{wallet}-2026-03-02-2026-03-03.csv" in response.headers["Content-Disposition"]
    header, *rows = csv.reader(response.text.splitlines())
    ids = [str(row["operation_id"]) for row in await database.rows("list_operations", wallet)]
    assert header[:5] == ["seq", "created_at", "operation_type", "amount", "balance_after"]
    assert header[5:] == ["currency", "idempotency_key", "operation_id"]
    assert rows == [
        ["2", "2026-03-02T00:00:00.000000+00:00", "DEPOSIT", "1.005", "2.010", "KWD", "'=1+1", ids[2]],
        ["3", "2026-03-03T23:59:59.999999+00:00", "DEPOSIT", "1.005", "3.015", "KWD", "'@last", ids[1]],
    ]
    empty = await signed_in.get(f"/admin/wallets/{wallet}/operations.csv?from=2026-03-05&until=2026-03-05")
    assert list(csv.reader(empty.text.splitlines())) == [header]
    audit = await database.row("list_audit", 1)
    assert (audit["action"], audit["wallet_id"]) == ("export", wallet)


async def test_wrong_days_are_explained(signed_in: Browser, database: Database, wallet: UUID) -> None:
    for first, last, field in (
        ("", "2026-01-01", "from"),
        ("x", "2026-01-01", "from"),
        ("2026-01-01", "2026-02-30", "until"),
        ("2026-01-02", "2026-01-01", "until"),
        ("2026-01-01", "9999-12-31", "until"),
    ):
        response = await signed_in.get(f"/admin/wallets/{wallet}/operations.csv?from={first}&until={last}")
        assert (response.status, response.explains(field)) == (400, True), (first, last)
        assert f'value="{first}"' in response.text
    assert "export" not in [row["action"] for row in await database.rows("list_audit", 9)]


async def test_it_holds_every_operation_of_several_reads(signed_in: Browser, database: Database) -> None:
    wallet_id, count = await database.wallet(), 2001
    keys = [str(n) for n in range(count)]
    await database.rows("apply_operations", [wallet_id] * count, ["DEPOSIT"] * count, [105] * count, keys)
    today = datetime.now(UTC).date()
    response = await signed_in.get(f"/admin/wallets/{wallet_id}/operations.csv?from={today}&until={today}")
    lines = [line.split(",") for line in response.text.splitlines()]
    assert [line[0] for line in lines] == ["seq", *map(str, range(1, count + 1))]
    assert lines[-1][2:6] == ["DEPOSIT", "1.05", "2101.05", "RUB"]
