"""wallet.get_balances"""

from uuid import UUID, uuid4

import asyncpg

from . import Apply


async def test_it_answers_a_row_per_item_in_their_order(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    await apply(wallet_id, "DEPOSIT", 100)
    await apply(other, "DEPOSIT", 7)
    rows = await app_connection.fetch("select * from wallet.get_balances($1)", [other, wallet_id, other])
    assert [tuple(row) for row in rows] == [(1, other, 7), (2, wallet_id, 100), (3, other, 7)]


async def test_it_is_null_where_there_is_no_such_wallet(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    unknown = uuid4()
    rows = await app_connection.fetch("select * from wallet.get_balances($1)", [unknown, wallet_id, None])
    assert [tuple(row) for row in rows] == [(1, unknown, None), (2, wallet_id, 0), (3, None, None)]


async def test_it_tells_an_empty_wallet_from_none(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    assert await app_connection.fetchval("select balance from wallet.get_balances($1)", [wallet_id]) == 0


async def test_it_is_empty_for_no_items(app_connection: asyncpg.Connection) -> None:
    assert await app_connection.fetch("select * from wallet.get_balances('{}')") == []


async def test_it_sees_what_its_own_transaction_did(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    async with app_connection.transaction():
        await apply(wallet_id, "DEPOSIT", 100)
        assert await app_connection.fetchval("select balance from wallet.get_balances($1)", [wallet_id]) == 100
