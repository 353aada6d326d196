"""wallet.check_api_keys"""

from hashlib import sha256

import asyncpg

CHECK = "select name, scope, rate_limit from wallet.check_api_keys($1)"


def digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


async def make(connection: asyncpg.Connection, name: str, scope: str = "read", rate_limit: int | None = None) -> None:
    await connection.execute(
        "select wallet.create_api_key($1, $2, $3, $4)", name, scope, digest(f"key of {name}"), rate_limit
    )


async def test_it_answers_each_item_in_order(app_connection: asyncpg.Connection) -> None:
    await make(app_connection, "shop", "operate", 50)
    await make(app_connection, "report")
    presented = [digest(f"key of {name}") for name in ("report", "nobody", "shop", "report")]
    assert [tuple(row) for row in await app_connection.fetch(CHECK, presented)] == [
        ("report", "read", None),
        (None, None, None),
        ("shop", "operate", 50),
        ("report", "read", None),
    ]


async def test_a_revoked_key_is_none(app_connection: asyncpg.Connection) -> None:
    await make(app_connection, "shop")
    await app_connection.execute("select wallet.revoke_api_key('shop')")
    assert (await app_connection.fetchrow(CHECK, [digest("key of shop")]))["name"] is None


async def test_it_notes_the_use_once_a_minute(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    await make(app_connection, "shop")
    used = "select last_used_at from wallet.api_keys"

    await app_connection.fetch(CHECK, [digest("key of shop")])
    first = await owner_connection.fetchval(used)
    await app_connection.fetch(CHECK, [digest("key of shop")])
    assert first is not None
    assert await owner_connection.fetchval(used) == first

    await owner_connection.execute("update wallet.api_keys set last_used_at = last_used_at - interval '1 minute'")
    await app_connection.fetch(CHECK, [digest("key of shop")])
    assert await owner_connection.fetchval(used) > first


async def test_it_waits_for_nobody(app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection) -> None:
    await make(app_connection, "shop")
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.api_keys for update")
        # It would be refused after the session's statement_timeout.
        assert (await app_connection.fetchrow(CHECK, [digest("key of shop")]))["name"] == "shop"
