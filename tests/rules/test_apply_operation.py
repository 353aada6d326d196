"""wallet.apply_operation: what it returns, and what it is in a transaction of its caller."""

from ledger import Database, id_of


async def test_it_returns_every_column(database: Database) -> None:
    for operation_type, new_balance in (("DEPOSIT", 130), ("WITHDRAW", 70)):
        wallet_id = await database.wallet(100)
        returned = dict(await database.row("apply_operation", wallet_id, operation_type, 30, "order-17"))
        (_, operation) = (await database.state(wallet_id)).operations
        assert returned == {
            "operation_id": id_of(wallet_id, "order-17"),
            "status": "SUCCESS",
            "operation_type": operation_type,
            "amount": 30,
            "new_balance": new_balance,
            "seq": 2,
            "replayed": False,
            "created_at": operation["created_at"],
        }
        again = await database.row("apply_operation", wallet_id, operation_type, 30, "order-17")
        assert dict(again) == {**returned, "replayed": True}


async def test_a_transaction_sees_what_it_applied(database: Database) -> None:
    wallet_id = await database.wallet()
    async with database.app.transaction():
        began_at = await database.app.fetchval("select now()")
        first = await database.row("apply_operation", wallet_id, "DEPOSIT", 100, "key")
        again = await database.row("apply_operation", wallet_id, "DEPOSIT", 100, "key")
        second = await database.row("apply_operation", wallet_id, "WITHDRAW", 100)
    assert (dict(again), second["new_balance"]) == ({**first, "replayed": True}, 0)
    assert began_at < first["created_at"] < second["created_at"]  # its clock is not that of the transaction


async def test_a_rejection_undoes_the_transaction(database: Database) -> None:
    wallet_id = await database.wallet(5)
    before = await database.state(wallet_id)
    await database.app.execute("begin")
    await database.deposit(wallet_id, 100)
    await database.raises("WA002", "apply_operation", wallet_id, "WITHDRAW", 106)
    assert await database.app.execute("commit") == "ROLLBACK"
    assert await database.state(wallet_id) == before


async def test_a_rollback_leaves_no_gap_and_frees_the_key(database: Database) -> None:
    wallet_id = await database.wallet(5)
    request = (wallet_id, "DEPOSIT", 10, "key")
    await database.app.execute("begin")
    await database.row("apply_operation", *request)
    await database.app.execute("rollback")
    row = await database.row("apply_operation", *request)
    assert (row["seq"], row["new_balance"], row["replayed"]) == (2, 15, False)


async def test_what_is_neither_applied_nor_rejected_raises(own_database_url: str) -> None:
    async with Database.connect(own_database_url) as own:
        wallet_id = await own.wallet()
        await own.tamperer.execute(
            """
            create function skip() returns trigger language plpgsql as 'begin return null; end';
            create trigger skip before insert on wallet.operations for each row execute function skip();
            """
        )
        for key in (None, "key"):  # instead of trying for ever while it holds the wallet's lock
            await own.raises("P0004", "apply_operation", wallet_id, "DEPOSIT", 1, key)
        assert await own.balance(wallet_id) == 0


async def test_temporary_tables_of_the_caller_are_not_used(database: Database) -> None:
    async with Database.connect(database.url) as caller:
        for table in ("wallets", "operations", "rejections"):
            await caller.app.execute(f"create temporary table {table} (nothing integer)")
        await caller.app.execute("set search_path = pg_temp, wallet")
        wallet_id = await caller.wallet()
        await caller.deposit(wallet_id, 100)
        rows = await caller.rows("apply_operations", [wallet_id] * 2, ["DEPOSIT", "WITHDRAW"], [1, 1000], ["a", "b"])
        assert [row["new_balance"] for row in rows] == [101, 101]
        after = await caller.state(wallet_id)
        assert (len(after.operations), len(after.rejections)) == (2, 1)
