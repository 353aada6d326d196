"""Reading operations and rejections of a wallet."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from ledger import Database

START = datetime(2026, 5, 1, tzinfo=UTC)


def day(number: int | None) -> datetime | None:
    return None if number is None else START + timedelta(days=number)


async def test_an_operation_is_read_as_it_was_applied(database: Database) -> None:
    wallet_id, other = await database.wallet(100), await database.wallet(100)
    applied = await database.row("apply_operation", wallet_id, "WITHDRAW", 30, "order-17")
    found = await database.row("get_operation", wallet_id, applied["operation_id"])
    assert dict(found) == {
        **found,
        "operation_id": applied["operation_id"],
        "wallet_id": wallet_id,
        "seq": 2,
        "operation_type": "WITHDRAW",
        "amount": 30,
        "balance_after": 70,
        "idempotency_key": "order-17",
        "created_at": applied["created_at"],
        "balance_change": -30,
    }
    assert [row["balance_change"] for row in await database.rows("list_operations", wallet_id)] == [-30, 100]
    for owner, operation_id in ((wallet_id, uuid4()), (wallet_id, None), (other, applied["operation_id"])):
        message = await database.raises("WA010", "get_operation", owner, operation_id)
        assert message == f"operation not found: {operation_id or 'null'}"
    await database.raises("WA001", "get_operation", uuid4(), applied["operation_id"])


async def test_operations_are_paged_newest_first(database: Database) -> None:
    wallet_id, empty = await database.wallet(), await database.wallet()
    applied = await database.deposit(wallet_id, *range(1, 8))
    seven = [await database.row("get_operation", wallet_id, row["operation_id"]) for row in reversed(applied)]
    assert await database.rows("list_operations", wallet_id) == seven
    assert await database.rows("list_operations", empty) == []
    for limit in (1, 2, 3, 7, 1001):
        seen = []
        before = applied[-1]["seq"] + 1
        while page := await database.rows("list_operations", wallet_id, limit, before):
            assert len(page) <= limit
            seen += page
            assert len(seen) <= 7
            before = page[-1]["seq"]
            await database.deposit(wallet_id, 100)  # which does not move the pages
        assert seen == seven, limit
    await database.app.execute("select wallet.apply_operation($1, 'DEPOSIT', 1) from generate_series(1, 51)", empty)
    assert len(await database.rows("list_operations", empty)) == 50


async def test_operations_of_a_period_are_paged_oldest_first(database: Database) -> None:
    wallet_id, other = await database.wallet(), await database.wallet()
    for source, days in ((other, [*range(10)]), (wallet_id, [1, 2, 2, 2, 3, 5, 5, 8])):
        for row, number in zip(await database.deposit(source, *[1] * len(days)), days, strict=True):
            await database.tamperer.execute(
                "update wallet.operations set created_at = $3 where wallet_id = $1 and seq = $2",
                *(source, row["seq"], day(number)),
            )
    for start, end, expected in (
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
    ):
        assert await seqs(database, wallet_id, day(start), day(end)) == expected, (start, end)
    for limit in (1, 2, 3, 4):
        seen: list[int] = []
        while page := await seqs(database, wallet_id, day(2), day(8), seen[-1] if seen else None, limit):
            seen += page
            assert len(page) <= limit
            assert len(seen) <= 6
        assert seen == [2, 3, 4, 5, 6, 7]


async def test_a_page_of_a_period_has_1000_operations(database: Database) -> None:
    long, empty = await database.wallet(), await database.wallet()
    await database.app.execute("select wallet.apply_operation($1, 'DEPOSIT', 1) from generate_series(1, 1100)", long)
    assert await seqs(database, long, None, None) == list(range(1, 1001))
    assert await seqs(database, empty, None, None) == []


async def seqs(database: Database, wallet_id: UUID, *arguments: object) -> list[int]:
    rows = await database.rows("list_operations_between", wallet_id, *arguments)
    assert {row["wallet_id"] for row in rows} <= {wallet_id}
    return [row["seq"] for row in rows]


async def test_rejections_are_paged_both_ways(database: Database) -> None:
    wallet_id, other = await database.wallet(), await database.wallet()
    for source, amounts in ((wallet_id, range(1, 8)), (other, [1000])):
        for amount in amounts:
            await database.rows("apply_operations", [source], ["WITHDRAW"], [amount], [f"key-{amount}"])
    stored = "select * from wallet.rejection_details where wallet_id = $1 order by created_at desc, operation_id desc"
    for is_of_one_moment in (False, True):
        if is_of_one_moment:
            await database.tamperer.execute("update wallet.rejections set created_at = now()")
        seven = await database.owner.fetch(stored, wallet_id)
        assert len(seven) == 7
        for limit, is_backward in (
            (limit, is_backward) for limit in (1, 2, 3, 7, 1001) for is_backward in (False, True)
        ):
            found: list[object] = []
            position: tuple[object, object] = (None, None)
            while page := await database.rows("list_rejections", wallet_id, limit, *position, is_backward):
                found = page + found if is_backward else found + page
                assert len(found) <= 7
                end = page[0 if is_backward else -1]
                position = (end["created_at"], end["operation_id"])
            assert found == seven, (limit, is_backward)
    assert await database.rows("list_rejections", await database.wallet()) == []
