"""wallet.get_balance"""

from uuid import UUID, uuid4

import asyncpg

from . import Apply, Refused


async def test_it_is_zero_for_a_new_wallet(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 0


async def test_it_is_what_the_operations_left(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    await apply(wallet_id, "WITHDRAW", 30)
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 70


async def test_it_is_of_the_wallet_asked_for(app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply) -> None:
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    await apply(other, "DEPOSIT", 100)
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 0


async def test_it_sees_what_its_own_transaction_did(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    async with app_connection.transaction():
        await apply(wallet_id, "DEPOSIT", 100)
        assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 100


async def test_it_does_not_see_what_another_transaction_has_not_committed(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    async with app_connection.transaction():
        await apply(wallet_id, "DEPOSIT", 100)
        assert await owner_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 0


async def test_it_refuses_an_unknown_wallet(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.fetchval("select wallet.get_balance($1)", uuid4())


async def test_it_refuses_null(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.fetchval("select wallet.get_balance(null)")
