"""wallet.list_api_keys"""

from hashlib import sha256

import asyncpg

from . import Refused


async def test_live_keys_come_first_and_the_newest_of_each(app_connection: asyncpg.Connection) -> None:
    for name in ("a", "b", "c", "d"):
        await app_connection.execute(
            "select wallet.create_api_key($1, 'read', $2)", name, sha256(name.encode()).digest()
        )
    for name in ("b", "d"):
        await app_connection.execute("select wallet.revoke_api_key($1)", name)
    listed = await app_connection.fetch("select name from wallet.list_api_keys(3)")
    assert [key["name"] for key in listed] == ["c", "a", "d"]


async def test_it_refuses_a_limit_that_is_none(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA015"):
        await app_connection.execute("select wallet.list_api_keys(0)")
