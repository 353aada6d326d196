"""wallet.revoke_api_key"""

from hashlib import sha256

import asyncpg

from . import Audited, Refused


async def test_it_revokes_the_live_key_and_writes_it_down(app_connection: asyncpg.Connection, audited: Audited) -> None:
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", sha256(b"a key").digest())
    key = await app_connection.fetchrow("select * from wallet.revoke_api_key('shop')")
    assert key["revoked_at"] >= key["created_at"]
    assert [tuple(row) for row in await app_connection.fetch("select * from wallet.list_api_keys(10)")] == [tuple(key)]
    login = await app_connection.fetchval("select session_user")
    assert await audited("revoke_api_key") == [(login, None, None, "done", {"name": "shop", "scope": "read"})]


async def test_it_refuses_a_name_without_a_live_key(app_connection: asyncpg.Connection, refused: Refused) -> None:
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", sha256(b"a key").digest())
    await app_connection.execute("select wallet.revoke_api_key('shop')")
    for name in ("shop", "Shop", "nobody", None):
        async with refused("WA024"):
            await app_connection.execute("select wallet.revoke_api_key($1)", name)
