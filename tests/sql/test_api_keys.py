"""API keys."""

from hashlib import sha256
from uuid import uuid4

import asyncpg
import pytest
from ledger import Database

from . import Audited

ADDRESS = "192.0.2.1"
NAME = "name must be 1 to 100 characters, not only blanks, without control characters"


def digest(key: str) -> bytes:
    return sha256(key.encode()).digest()


async def create(database: Database, name: str, scope: str = "read", rate_limit: int | None = None) -> asyncpg.Record:
    return await database.row("create_api_key", name, scope, digest(f"key of {name}"), rate_limit)


async def test_a_key_is_created_and_recorded(database: Database, audited: Audited) -> None:
    key = await create(database, "shop", "operate", 50)
    assert (key["name"], key["scope"], key["rate_limit"]) == ("shop", "operate", 50)
    assert (key["last_used_at"], key["revoked_at"]) == (None, None)
    assert key == await database.owner.fetchrow("select * from wallet.api_key_details where name = 'shop'")
    assert digest("key of shop") not in key.values()
    login = await database.app.fetchval("select session_user")
    detail = {"name": "shop", "scope": "operate", "rate_limit": 50}
    assert await audited("create_api_key") == [(login, None, None, "done", detail)]


async def test_a_key_that_makes_no_sense_is_not_created(database: Database, audited: Audited) -> None:
    for code, message, name, scope, rate_limit in (
        *(("WA014", NAME, name, "read", None) for name in (None, "", " ", "a\nb", "a" * 101)),
        *(
            ("WA025", f"scope must be read, operate or manage; got {got}", "new", scope, None)
            for scope, got in ((None, "null"), ("READ", "READ"), ("all", "all"))
        ),
        *(
            ("WA026", f"rate limit must be at least 1 request per second; got {limit}", "new", "read", limit)
            for limit in (0, -1)
        ),
    ):
        assert await database.raises(code, "create_api_key", name, scope, digest("new"), rate_limit) == message
    with pytest.raises(asyncpg.CheckViolationError):
        await database.app.execute("select wallet.create_api_key('new', 'read', 'no hash')")
    assert await audited("create_api_key") == []


async def test_a_name_and_a_key_belong_to_one_live_key(database: Database) -> None:
    await create(database, "till")
    message = "API key already exists: {}"
    for name, key in (("till", "another"), ("another", "key of till")):
        assert await database.raises("WA023", "create_api_key", name, "read", digest(key)) == message.format(name)
    await database.row("revoke_api_key", "till")
    assert (await database.row("create_api_key", "till", "read", digest("another")))["revoked_at"] is None


async def test_a_key_is_revoked_once(database: Database, audited: Audited) -> None:
    created = await create(database, "kiosk")
    key = await database.row("revoke_api_key", "kiosk")
    assert key["revoked_at"] >= key["created_at"]
    assert dict(key) == {**created, "revoked_at": key["revoked_at"]}
    login = await database.app.fetchval("select session_user")
    assert await audited("revoke_api_key") == [(login, None, None, "done", {"name": "kiosk", "scope": "read"})]
    for name in ("kiosk", "Kiosk", "nobody"):
        assert await database.raises("WA024", "revoke_api_key", name) == f"API key not found: {name}"
    await database.raises("WA024", "revoke_api_key", None)


async def test_live_keys_are_listed_first(own: Database) -> None:
    for name in "abcd":
        await create(own, name)
    for name in "bd":
        await own.row("revoke_api_key", name)
    assert [key["name"] for key in await own.rows("list_api_keys", 3)] == ["c", "a", "d"]
    for limit in (None, 0, 1002):
        await own.raises("WA015", "list_api_keys", limit)


# check_api_keys


async def test_each_presented_key_is_checked_in_order(database: Database) -> None:
    await create(database, "web", "operate", 50)
    await create(database, "report")
    await create(database, "old")
    await database.row("revoke_api_key", "old")
    presented = [digest(f"key of {name}") for name in ("report", "nobody", "web", "report", "old")]
    assert [tuple(row)[1:] for row in await database.rows("check_api_keys", presented)] == [
        ("report", "read", None),
        (None, None, None),
        ("web", "operate", 50),
        ("report", "read", None),
        (None, None, None),
    ]


async def test_the_use_of_a_key_is_written_once_a_minute(database: Database) -> None:
    await create(database, "daily")
    used = "select last_used_at from wallet.api_keys where name = 'daily'"
    times = []
    for age in ("0 s", "0 s", "61 s"):
        await database.owner.execute(
            f"update wallet.api_keys set last_used_at = last_used_at - interval '{age}' where name = 'daily'"
        )
        await database.rows("check_api_keys", [digest("key of daily")])
        times.append(await database.owner.fetchval(used))
    assert times[0] == times[1] < times[2]


async def test_a_check_waits_for_nobody(database: Database) -> None:
    await create(database, "locked")
    async with database.owner.transaction():
        await database.owner.execute("select from wallet.api_keys where name = 'locked' for update")
        # It would fail by the session's statement_timeout.
        assert (await database.row("check_api_keys", [digest("key of locked")]))["name"] == "locked"


# By an admin


async def test_an_admin_creates_a_key_once(database: Database, session: str, audited: Audited) -> None:
    request = ("admin_create_api_key", session, ADDRESS, "admin's", "read", digest("secret"), 5)
    assert await database.row(*request) == await database.row(*request)
    for code, *arguments in (
        ("WA014", session, " ", "read", "new"),
        ("WA020", "of nobody", "new", "read", "new"),
        ("WA023", session, "admin's", "read", "new"),
        ("WA023", session, "another", "read", "secret"),
        ("WA023", session, "admin's", "manage", "secret"),
        ("WA025", session, "new", "all", "new"),
    ):
        token, name, scope, key = arguments
        await database.raises(code, "admin_create_api_key", token, ADDRESS, name, scope, digest(key), 5)
    detail = {"name": "admin's", "scope": "read", "rate_limit": 5}
    assert await audited("create_api_key") == [("ann", ADDRESS, None, "done", detail)]
    await database.row("revoke_api_key", "admin's")
    await database.raises("WA023", *request)


async def test_an_admin_revokes_a_key_once(database: Database, session: str, audited: Audited) -> None:
    key = await create(database, "mobile")
    await database.raises("WA020", "admin_revoke_api_key", "of nobody", ADDRESS, key["id"])
    await database.raises("WA024", "admin_revoke_api_key", session, ADDRESS, uuid4())
    live = "select revoked_at is null from wallet.api_keys where name = 'mobile'"
    assert await database.owner.fetchval(live)
    first = await database.row("admin_revoke_api_key", session, ADDRESS, key["id"])
    assert first["revoked_at"] is not None
    assert await database.row("admin_revoke_api_key", session, ADDRESS, key["id"]) == first
    detail = {"name": "mobile", "scope": "read"}
    assert await audited("revoke_api_key") == [("ann", ADDRESS, None, "done", detail)]
