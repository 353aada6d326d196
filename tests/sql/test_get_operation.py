"""wallet.get_operation"""

from uuid import UUID, uuid4

import asyncpg

from . import Apply, Refused


async def test_it_answers_every_column_of_the_operation(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    applied = await apply(wallet_id, "WITHDRAW", 30, "order-17")
    await apply(wallet_id, "DEPOSIT", 5)
    found = await app_connection.fetchrow(
        "select * from wallet.get_operation($1, $2)", wallet_id, applied["operation_id"]
    )
    assert dict(found) == {
        "operation_id": applied["operation_id"],
        "wallet_id": wallet_id,
        "seq": 2,
        "operation_type": "WITHDRAW",
        "amount": 30,
        "balance_after": 70,
        "idempotency_key": "order-17",
        "created_at": applied["created_at"],
    }


async def test_it_refuses_an_unknown_operation(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    async with refused("WA010"):
        await app_connection.execute("select wallet.get_operation($1, $2)", wallet_id, uuid4())


async def test_it_refuses_the_operation_of_another_wallet(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused
) -> None:
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    operation = await apply(other, "DEPOSIT", 100)
    async with refused("WA010"):
        await app_connection.execute("select wallet.get_operation($1, $2)", wallet_id, operation["operation_id"])


async def test_it_refuses_null_for_the_operation(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused
) -> None:
    async with refused("WA010"):
        await app_connection.execute("select wallet.get_operation($1, null)", wallet_id)


async def test_it_refuses_an_unknown_wallet(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused
) -> None:
    operation = await apply(wallet_id, "DEPOSIT", 100)
    async with refused("WA001"):
        await app_connection.execute("select wallet.get_operation($1, $2)", uuid4(), operation["operation_id"])
