"""Admins: accounts, sign-in, sessions and passwords."""

from datetime import timedelta
from hashlib import sha256

import asyncpg
import pytest
from conftest import connect_directly
from ledger import Database

from . import Audited


async def is_signed_in(database: Database, token: str | None) -> bool:
    return bool(await database.rows("get_session", token))


async def attempts(database: Database, username: str | None, count: int, address: str = "192.0.2.7") -> str | None:
    """The response to the last of some attempts to sign in."""
    hashed: str | None = None
    for _ in range(count):
        hashed = await database.value("begin_login", username, address)
    return hashed


async def test_create_admin_creates_an_account(database: Database, audited: Audited) -> None:
    for username in ("a", "a" * 150, "Алиса", "Eve@example.org", "a.b+c-d_e", "1"):
        admin = await database.row("create_admin", username, "hash")
        stored = await database.owner.fetchrow("select * from wallet.admin_details where username = $1", username)
        assert admin == stored
        assert "password_hash" not in dict(admin)
        message = await database.raises("WA016", "create_admin", username.upper(), "other")
        assert message == f"admin already exists: {username.upper()}"
    assert [row[0] for row in await audited("create_admin")] == [
        "a",
        "a" * 150,
        "Алиса",
        "Eve@example.org",
        "a.b+c-d_e",
        "1",
    ]
    for wrong in (None, "", " ", "a b", "a\n", "a/b", "<b>", "a" * 151):
        message = await database.raises("WA017", "create_admin", wrong, "hash")
        assert message == "username must be 1 to 150 letters, digits and @ . + - _"


# Sign-in


async def test_begin_login_returns_the_hash(database: Database) -> None:
    await database.row("create_admin", "Olga", "hash of Olga")
    for username, hashed in (("Olga", "hash of Olga"), ("OLGA", "hash of Olga"), ("x", None), ("", None), (None, None)):
        assert await attempts(database, username, 1) == hashed, username
    assert await attempts(database, "b" * 10_000, 1) is None


async def test_an_account_has_ten_attempts(database: Database) -> None:
    await database.row("create_admin", "peter", "hash")
    for username in ("peter", "nobody"):
        for index in range(10):
            await attempts(database, username, 1, f"198.51.100.{index}")
        message = await database.raises("WA019", "begin_login", username.upper(), "198.51.100.99")
        assert message == "too many failed sign-in attempts; retry in 15 minutes"
    await attempts(database, "carol", 1, "198.51.100.99")
    await database.owner.execute(
        "update wallet.login_attempts set attempted_at = now() - interval '15 minutes' where username = 'peter'"
    )
    assert await attempts(database, "peter", 1) == "hash"
    count = "select count(*) from wallet.login_attempts where username = 'peter'"
    assert await database.owner.fetchval(count) == 1  # older ones are removed


async def test_an_address_has_fifty_attempts(database: Database) -> None:
    for index in range(50):
        await attempts(database, f"nobody{index}", 1, "203.0.113.1")
    await database.raises("WA019", "begin_login", "anybody", "203.0.113.1")
    await attempts(database, "anybody", 1, "203.0.113.2")


async def test_attempts_at_once_see_each_other(database: Database) -> None:
    await attempts(database, "quinn", 9)
    other = await connect_directly(database.url)
    await other.execute("set lock_timeout = '100ms'")
    async with database.app.transaction():
        await attempts(database, "quinn", 1)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await other.execute("select wallet.begin_login('quinn', '192.0.2.8')")
    await other.close()


async def test_begin_session_signs_in(database: Database, audited: Audited) -> None:
    await database.row("create_admin", "Rita", "hash")
    await attempts(database, "rita", 2)
    await attempts(database, "sam", 1)
    for index in range(60):
        await attempts(database, "RITA", 1, "192.0.2.9")
        await database.rows("begin_session", "RITA", f"rita {index}", "2001:db8::1")
    left = await database.owner.fetch("select username from wallet.login_attempts where username in ('rita', 'sam')")
    assert left == [("sam",)]
    assert await database.value("get_session", "rita 59") == "Rita"
    assert (await audited("login"))[-1] == ("Rita", "2001:db8::1", None, "done", {})
    kept = "select count(*) from wallet.admin_sessions where token_hash = $1"
    assert await database.owner.fetchval(kept, sha256(b"rita 59").digest()) == 1
    plain = "select count(*) from wallet.admin_sessions as s where s::text like '%rita 59%' or token_hash = 'rita 59'"
    assert await database.owner.fetchval(plain) == 0
    assert await database.raises("WA018", "begin_session", "nobody", "token", None) == "admin not found: nobody"


async def test_refuse_login_records_what_was_typed(database: Database, audited: Audited) -> None:
    for typed in ("ann", None, "b" * 10_000):
        await database.rows("refuse_login", typed, "192.0.2.1")
    assert await audited("login") == [(kept, "192.0.2.1", None, "refused", {}) for kept in ("ann", "", "b" * 150)]


# Sessions


async def test_get_session_tells_who_is_signed_in(database: Database, session: str) -> None:
    found = await database.row("get_session", session)
    assert found["username"] == "ann"
    assert timedelta(minutes=29) < found["expires_at"] - found["signed_in_at"] <= timedelta(minutes=31)
    for token in ("of nobody", "", None):
        assert not await is_signed_in(database, token)


async def test_a_session_expires(own: Database) -> None:
    for username, column, age, is_alive in (
        ("a", "last_seen_at", "30 minutes", False),
        ("b", "created_at", "12 hours", False),
        ("c", "last_seen_at", "29 minutes", True),
        ("d", "created_at", "11 hours 59 minutes", True),
    ):
        token = await own.sign_in(username)
        await own.owner.execute(
            f"update wallet.admin_sessions set {column} = now() - interval '{age}' where token_hash = $1",
            sha256(token.encode()).digest(),
        )
        assert await is_signed_in(own, token) == is_alive, (column, age)
        if not is_alive:
            message = await own.raises("WA020", "admin_create_wallet", token, None, None, "A", "RUB")
            assert message == "not signed in: session not found or expired"
    await own.sign_in("e")  # which removes the expired ones, and no others
    assert await own.owner.fetchval("select count(*) from wallet.admin_sessions") == 3


async def test_a_session_is_written_once_a_minute(database: Database) -> None:
    token = await database.sign_in("tom")
    seen = "select last_seen_at from wallet.admin_sessions where token_hash = sha256($1)"
    for age, is_written in (("61 seconds", True), ("50 seconds", False)):
        await database.owner.execute(f"update wallet.admin_sessions set last_seen_at = now() - interval '{age}'")
        before = await database.owner.fetchval(seen, token.encode())
        await database.rows("get_session", token)
        assert (await database.owner.fetchval(seen, token.encode()) > before) == is_written


async def test_end_session_signs_out(database: Database, audited: Audited) -> None:
    token = await database.sign_in("uma")
    await database.rows("begin_session", "uma", "second", None)
    await database.rows("end_session", "of nobody", "192.0.2.1")
    assert (await is_signed_in(database, token), await audited("logout")) == (True, [])
    await database.rows("end_session", token, "192.0.2.1")
    assert (await is_signed_in(database, token), await is_signed_in(database, "second")) == (False, True)
    assert await audited("logout") == [("uma", "192.0.2.1", None, "done", {})]


# Passwords


async def test_set_admin_password_ends_all_sessions(database: Database, audited: Audited) -> None:
    other = await database.sign_in("viktor")
    for username, given in (("wanda", "wanda"), ("xenia", "XENIA")):
        token = await database.sign_in(username)
        await database.rows("begin_session", username, f"second of {username}", None)
        await database.rows("set_admin_password", given, "new", token, "192.0.2.1")
        assert await attempts(database, username, 1) == "new"
        assert not await is_signed_in(database, token)
        assert not await is_signed_in(database, f"second of {username}")
    await database.rows("set_admin_password", "wanda", "newer")  # an operator needs no session
    assert await attempts(database, "wanda", 1) == "newer"
    assert (await attempts(database, "viktor", 1), await is_signed_in(database, other)) == ("hash of viktor", True)
    assert await audited("set_password") == [
        ("wanda", "192.0.2.1", None, "done", {}),
        ("xenia", "192.0.2.1", None, "done", {}),
        ("wanda", None, None, "done", {}),
    ]


async def test_nobody_changes_the_password_of_another(database: Database, session: str, audited: Audited) -> None:
    other = await database.sign_in("yuri")
    for token in (other, "of nobody", ""):
        await database.raises("WA020", "set_admin_password", "ann", "new", token)
    for username in ("nobody", "", None):
        await database.raises("WA018", "set_admin_password", username, "new")
    assert await attempts(database, "ann", 1) == "hash of ann"
    assert (await is_signed_in(database, session), await audited("set_password")) == (True, [])


async def test_renew_password_hash_changes_no_password(database: Database, audited: Audited) -> None:
    token = await database.sign_in("zoe")
    stored = "select password_hash, password_changed_at from wallet.admins where username = 'zoe'"
    before = await database.owner.fetchrow(stored)
    await database.rows("renew_password_hash", "ZOE", "hash of zoe", "better hash")
    assert tuple(await database.owner.fetchrow(stored)) == ("better hash", before["password_changed_at"])
    assert (await is_signed_in(database, token), await audited("set_password")) == (True, [])
    await database.rows("set_admin_password", "zoe", "another")
    await database.rows("renew_password_hash", "zoe", "better hash", "best hash")
    assert await database.owner.fetchval(stored) == "another"
