"""wallet.get_balance"""

from uuid import uuid4

import asyncpg
import pytest


async def test_it_is_zero_for_a_new_wallet(app_connection: asyncpg.Connection) -> None:
    wallet = await app_connection.fetchrow("select * from wallet.create_wallet('Alice')")
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet["id"]) == 0


async def test_it_refuses_an_unknown_wallet(app_connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await app_connection.fetchval("select wallet.get_balance($1)", uuid4())
    assert refusal.value.sqlstate == "WA001"
