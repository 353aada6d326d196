"""wallet.preview_operation: what applying an operation would lead to."""

from itertools import product
from uuid import uuid4

from ledger import MAX, Database

AMOUNTS = (None, -1, 0, 1, 1000, 1001, MAX - 1001, MAX - 1000, MAX)


async def test_it_says_what_applying_the_operation_leads_to(database: Database) -> None:
    for status, held in product(("ACTIVE", "FROZEN"), (0, 400)):
        wallet_id = await database.wallet(1000, status, held=held)
        before = await database.state(wallet_id)
        for operation_type, amount in product(("DEPOSIT", "WITHDRAW", "TRANSFER", None), AMOUNTS):
            preview = await database.row("preview_operation", wallet_id, operation_type, amount)
            await database.app.execute("begin")
            applied = await database.row("apply_operations", [wallet_id], [operation_type], [amount], ["key"])
            await database.app.execute("rollback")
            balance = applied["new_balance"] if applied["error_code"] is None else None
            assert tuple(preview) == (applied["error_code"], balance), (status, operation_type, amount)
        assert await database.state(wallet_id) == before
    await database.raises("WA001", "preview_operation", uuid4(), "DEPOSIT", 1)
