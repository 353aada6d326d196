"""wallet.get_wallet"""

from uuid import UUID, uuid4

import asyncpg

from . import Apply, ReadState, Refused


async def test_it_answers_the_whole_wallet(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, state: ReadState
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    operation = await apply(wallet_id, "WITHDRAW", 30)
    created_at = (await state()).wallets[0]["created_at"]
    assert dict(await app_connection.fetchrow("select * from wallet.get_wallet($1)", wallet_id)) == {
        "id": wallet_id,
        "name": None,
        "currency": "RUB",
        "status": "ACTIVE",
        "balance": 70,
        "last_seq": 2,
        "created_at": created_at,
        "updated_at": operation["created_at"],
    }


async def test_it_answers_the_wallet_asked_for(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    other = await app_connection.fetchrow("select * from wallet.create_wallet('Alice', 'EUR')")
    assert await app_connection.fetchrow("select * from wallet.get_wallet($1)", other["id"]) == other
    assert other["id"] != wallet_id


async def test_it_refuses_an_unknown_wallet(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.get_wallet($1)", uuid4())


async def test_it_refuses_null(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.get_wallet(null)")
