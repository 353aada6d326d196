"""Wallets: creating, reading and changing their status."""

from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

from ledger import MAX, Database

NAME = "name must be 1 to 200 characters, not only blanks, without control characters"


# create_wallet


async def test_a_new_wallet_is_empty_and_active(database: Database) -> None:
    before = await database.owner.fetchval("select clock_timestamp()")
    async with database.app.transaction():
        first, second = await database.row("create_wallet"), await database.row("create_wallet")
    after = await database.owner.fetchval("select clock_timestamp()")
    expected = {"name": None, "currency": "RUB", "status": "ACTIVE", "balance": 0, "last_seq": 0}
    assert dict(first) == {**first, **expected}
    assert first["id"] != second["id"]
    # Its clock is not that of the transaction.
    assert before < first["created_at"] == first["updated_at"] < second["created_at"] < after
    assert await database.row("get_wallet", first["id"]) == first


async def test_a_name_is_kept_to_the_letter(database: Database) -> None:
    for name in ("A", "н" * 200, "Алиса и Боб", "100 %_\\'\"", "  spaced  ", "👛", "a\u00a0b"):
        assert (await database.row("create_wallet", name))["name"] == name
    for name in ("", " ", " \u2003 ", "н" * 201, "a\nb", "a\tb", "\x01", "a\x1fb", "a\x7fb"):
        assert await database.raises("WA014", "create_wallet", name) == NAME, name


async def test_a_currency_must_be_known(database: Database) -> None:
    rows = await database.rows("list_currencies")
    decimals = {row["code"]: row["decimals"] for row in rows}
    assert list(decimals) == sorted(decimals)
    assert {"JPY": 0, "RUB": 2, "KWD": 3}.items() <= decimals.items()
    assert {"CHF", "CNY", "EUR", "GBP", "JPY", "KWD", "RUB", "USD"} <= set(decimals)
    for code in decimals:
        assert (await database.row("create_wallet", "A", code))["currency"] == code
    for wrong in (None, "", "rub", "RU", "RUBL", "XXX", "XAU", "РУБ"):
        message = await database.raises("WA011", "create_wallet", "A", wrong)
        assert (
            message == f"currency must be an ISO 4217 code such as RUB or EUR; got {'null' if wrong is None else wrong}"
        )


async def test_an_id_of_the_callers_own_counts_once(database: Database) -> None:
    own = uuid4()
    assert (await database.row("create_wallet", "First", "EUR", own))["id"] == own
    before = await database.state(own)
    assert await database.raises("WA009", "create_wallet", "Other", "RUB", own) == f"wallet already exists: {own}"
    assert await database.state(own) == before


# Reading


async def test_a_wallet_is_read_as_it_is(database: Database) -> None:
    wallet_id, other = await database.wallet(100, held=20, p_name="Alice", p_currency="EUR"), await database.wallet(7)
    await database.row("apply_operation", wallet_id, "WITHDRAW", 30)
    stored = await database.owner.fetchrow("select * from wallet.wallet_details where id = $1", wallet_id)
    (wallet,) = (await database.state(wallet_id)).wallets
    columns = ("id", "name", "currency", "status", "balance", "last_seq", "created_at", "updated_at")
    assert await database.row("get_wallet", wallet_id) == stored
    assert [stored[name] for name in columns] == [wallet[name] for name in columns]
    assert stored["available"] == 50
    assert (stored["balance"], await database.balance(wallet_id), await database.balance(other)) == (70, 70, 7)


async def test_balances_are_in_the_order_of_the_ids(database: Database) -> None:
    one, other, empty, unknown = await database.wallet(100), await database.wallet(7), await database.wallet(), uuid4()
    rows = await database.rows("get_balances", [other, unknown, one, None, empty, other])
    assert [tuple(row) for row in rows] == [
        (1, other, 7),
        (2, unknown, None),
        (3, one, 100),
        (4, None, None),
        (5, empty, 0),
        (6, other, 7),
    ]
    assert await database.rows("get_balances", []) == []


async def test_a_balance_is_what_is_committed_or_ones_own(database: Database) -> None:
    wallet_id = await database.wallet()
    async with database.app.transaction():
        await database.deposit(wallet_id, 100)
        assert await database.balance(wallet_id) == 100
        assert (await database.rows("get_balances", [wallet_id]))[0]["balance"] == 100
        assert await database.owner.fetchval("select wallet.get_balance($1)", wallet_id) == 0


async def test_whatever_is_about_one_wallet_must_find_it(database: Database) -> None:
    for function, *arguments in (
        ("get_wallet",),
        ("get_balance",),
        ("get_balance_history",),
        ("set_wallet_status", "FROZEN"),
        ("list_operations",),
        ("list_operations_between", None, None),
        ("list_rejections",),
        ("get_operation", uuid4()),
        ("verify_wallet",),
        ("record_verification",),
    ):
        unknown = uuid4()
        message = await database.raises("WA001", function, unknown, *arguments)
        assert message == f"wallet not found: {unknown}", function
        if function not in {"get_balance_history", "list_operations_between", "list_rejections", "record_verification"}:
            await database.raises("WA001", function, None, *arguments)


async def test_a_list_has_1_to_1001_rows(database: Database) -> None:
    wallet_id = await database.wallet(1)
    for function, *arguments in (
        ("list_wallets",),
        ("search_wallets",),
        ("list_operations", wallet_id),
        ("list_operations_between", wallet_id, None, None, None),
        ("list_rejections", wallet_id),
        ("get_balance_history", wallet_id),
        ("list_latest_operations",),
        ("list_latest_rejections",),
        ("list_broken_wallets",),
        ("get_activity",),
    ):
        for limit in (None, 0, -1, 1002):
            message = await database.raises("WA015", function, *arguments, limit)
            assert message == f"limit must be between 1 and 1001; got {'null' if limit is None else limit}", function
        for limit in (1, 1001):
            await database.rows(function, *arguments, limit)


async def test_a_history_is_whole_or_evenly_spaced(database: Database) -> None:
    for count, *points in ((0,), (1,), (2,), (3,), (100,), (100, 2), (100, 3), (100, 7), (100, 99), (3, 1), (1, 1)):
        wallet_id = await database.wallet()
        await database.app.execute(
            "select wallet.apply_operation($1, 'DEPOSIT', 10) from generate_series(1, $2)", wallet_id, count
        )
        rows = await database.rows("get_balance_history", wallet_id, *points)
        seqs = [row["seq"] for row in rows]
        assert [row["balance"] for row in rows] == [10 * seq for seq in seqs]
        assert [row["created_at"] for row in rows] == sorted(row["created_at"] for row in rows)
        # Of one point it makes two: the first and the last.
        expected = min(count, max(2, *points, 2) if points else 300)
        assert (len(seqs), seqs[:1], seqs[-1:]) == (expected, [1][:count], [count][:count]), (count, points)
        steps = {after - before for before, after in pairwise(seqs)} or {0}
        assert max(steps) - min(steps) <= 1


# set_wallet_status


async def test_a_status_is_changed_and_nothing_else(database: Database) -> None:
    for path, balance in ((("FROZEN", "ACTIVE", "CLOSED"), 0), (("FROZEN", "CLOSED"), 0), (("FROZEN", "ACTIVE"), 100)):
        wallet_id = await database.wallet(balance)
        for status in path:
            before = await database.state(wallet_id)
            wallet = await database.row("set_wallet_status", wallet_id, status)
            after = await database.state(wallet_id)
            changed = {"status": status, "updated_at": wallet["updated_at"]}
            assert wallet == await database.row("get_wallet", wallet_id)
            assert wallet["updated_at"] > before.wallets[0]["updated_at"]
            assert dict(after.wallets[0]) == {**before.wallets[0], **changed}
            assert after[1:] == before[1:]
            await database.row("set_wallet_status", wallet_id, status)
            assert await database.state(wallet_id) == after  # the status that it has changes nothing


async def test_a_change_of_status_may_be_rejected(database: Database) -> None:
    closed, full = await database.wallet(0, "CLOSED"), await database.wallet(5)
    for status in ("ACTIVE", "FROZEN"):
        message = await database.raises("WA006", "set_wallet_status", closed, status)
        assert message == "wallet not active: status is CLOSED"
        await database.row("set_wallet_status", full, status)
        message = await database.raises("WA013", "set_wallet_status", full, "CLOSED")
        assert message == "wallet not empty: balance is 5; only an empty wallet can be closed"
    for wrong in (None, "", "active", "FROZEN ", "DELETED"):
        message = await database.raises("WA012", "set_wallet_status", full, wrong)
        assert message == f"status must be ACTIVE, FROZEN or CLOSED; got {'null' if wrong is None else wrong}"
    await database.row("set_wallet_status", full, "ACTIVE")
    await database.row("apply_operation", full, "WITHDRAW", 5)
    assert (await database.row("set_wallet_status", full, "CLOSED"))["status"] == "CLOSED"


async def test_a_change_of_status_never_runs_time_backwards(database: Database) -> None:
    wallet_id = await database.wallet()
    ahead = await database.owner.fetchval(
        "update wallet.wallets set updated_at = updated_at + $2 where id = $1 returning updated_at",
        *(wallet_id, timedelta(hours=1)),
    )
    assert (await database.row("set_wallet_status", wallet_id, "FROZEN"))["updated_at"] == ahead


async def test_totals_add_up_each_currency(own: Database) -> None:
    assert await own.rows("get_totals") == []
    for currency, amount in (("RUB", MAX), ("RUB", MAX), ("KWD", 5), ("JPY", 7)):
        await own.wallet(amount, p_currency=currency)
    totals = [tuple(row) for row in await own.rows("get_totals")]
    assert totals == [("JPY", 0, 1, 7), ("KWD", 3, 1, 5), ("RUB", 2, 2, 2 * MAX)]
