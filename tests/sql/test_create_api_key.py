"""wallet.create_api_key"""

from hashlib import sha256

import asyncpg
import pytest

from . import Audited, Refused

HASH = sha256(b"a key").digest()


async def test_it_makes_a_key_and_writes_it_down(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, audited: Audited
) -> None:
    key = await app_connection.fetchrow("select * from wallet.create_api_key('shop', 'operate', $1, 50)", HASH)
    assert (key["name"], key["scope"], key["rate_limit"]) == ("shop", "operate", 50)
    assert (key["last_used_at"], key["revoked_at"]) == (None, None)
    assert dict(key) == dict(await owner_connection.fetchrow("select * from wallet.api_key_details"))
    login = await app_connection.fetchval("select session_user")
    detail = {"name": "shop", "scope": "operate", "rate_limit": 50}
    assert await audited("create_api_key") == [(login, None, None, "done", detail)]


async def test_nothing_that_can_be_read_tells_the_key_or_its_hash(app_connection: asyncpg.Connection) -> None:
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", HASH)
    (key,) = await app_connection.fetch("select * from wallet.list_api_keys(10)")
    assert HASH not in key.values()


@pytest.mark.parametrize(
    ("sqlstate", "name", "scope", "rate_limit"),
    [
        ("WA014", None, "read", None),
        ("WA014", "", "read", None),
        ("WA014", " ", "read", None),
        ("WA014", "a\nb", "read", None),
        ("WA014", "a" * 101, "read", None),
        ("WA025", "shop", None, None),
        ("WA025", "shop", "READ", None),
        ("WA025", "shop", "all", None),
        ("WA026", "shop", "read", 0),
        ("WA026", "shop", "read", -1),
    ],
)
async def test_it_refuses_what_makes_no_sense(
    app_connection: asyncpg.Connection,
    refused: Refused,
    sqlstate: str,
    name: str | None,
    scope: str | None,
    rate_limit: int | None,
) -> None:
    async with refused(sqlstate):
        await app_connection.execute("select wallet.create_api_key($1, $2, $3, $4)", name, scope, HASH, rate_limit)
    assert await app_connection.fetch("select * from wallet.list_api_keys(10)") == []


async def test_a_hash_that_is_none_is_refused(app_connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await app_connection.execute("select wallet.create_api_key('shop', 'read', 'a key')")


@pytest.mark.parametrize(("name", "key"), [("shop", b"another key"), ("another", b"a key")])
async def test_a_name_and_a_key_are_one_live_keys(
    app_connection: asyncpg.Connection, refused: Refused, name: str, key: bytes
) -> None:
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", HASH)
    async with refused("WA023"):
        await app_connection.execute("select wallet.create_api_key($1, 'read', $2)", name, sha256(key).digest())


async def test_a_name_is_free_again_once_its_key_is_revoked(app_connection: asyncpg.Connection) -> None:
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", HASH)
    await app_connection.execute("select wallet.revoke_api_key('shop')")
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", sha256(b"another key").digest())
    listed = await app_connection.fetch("select revoked_at is null as is_live from wallet.list_api_keys(10)")
    assert [key["is_live"] for key in listed] == [True, False]
