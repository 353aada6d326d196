"""Signing in and out, and changing one's password."""

from typing import Any

import pytest
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from ledger import Database

from . import CHEAP, PASSWORD, PASSWORD_HASH, USERNAME, Browser
from .conftest import Open

LOGIN, CHANGE = "/admin/login", "/admin/password"
NEW = "another horse in the meadow"
CHANGED: dict[str, Any] = {"current": PASSWORD, "new": NEW, "again": NEW}


async def audited(database: Database, action: str) -> list[tuple[str, str, str]]:
    """Who did it, where, and with what outcome, oldest first."""
    rows = await database.owner.fetch(
        "select admin, host(address), outcome from wallet.audit where action = $1 order by id", action
    )
    return [tuple(row) for row in rows]


async def test_an_admin_signs_in(open_browser: Open, admin: str, database: Database) -> None:
    for typed in ("alice", "ALICE"):
        browser = open_browser()
        assert (await browser.sign_in(typed)).location == "/admin/"
        assert await browser.is_signed_in()
    assert await audited(database, "login") == [(admin, "127.0.0.1", "done")] * 2


async def test_signing_in_leads_to_the_requested_page(browser: Browser, admin: str) -> None:
    path = f"{CHANGE}?a=1&b=%D1%8F"
    login = (await browser.get(path)).location
    failed = await browser.send(LOGIN, on=login, username=admin, password="wrong")
    assert failed.forms[LOGIN]["next"] == path
    # The second time as in another tab: the browser is signed in by then.
    for target, location in (("https://evil.example/", "/admin/"), (path, path)):
        form = failed.forms[LOGIN] | {"next": target, "username": admin, "password": PASSWORD}
        assert (await browser.post(LOGIN, form)).location == location
    for target, location in (("https://evil.example/", "/admin/"), (CHANGE, CHANGE)):
        assert (await browser.get(f"{LOGIN}?next={target}")).location == location


async def test_a_wrong_name_and_a_wrong_password_look_the_same(
    browser: Browser, admin: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = [
        *((admin, "wrong"), (admin, ""), (admin, "x" * 50_000), ("bob", PASSWORD), ("", ""), ("b" * 10_000, "x")),
        ('"><script>alert(1)</script>', "wrong"),
    ]
    verified: list[str] = []

    def verify(hasher: PasswordHasher, stored: str, password: str) -> bool:
        verified.append(password)
        raise VerifyMismatchError

    monkeypatch.setattr(PasswordHasher, "verify", verify)
    for username, password in attempts:
        page = await browser.sign_in(username, password)
        assert page.status == 403
        assert "The username or the password is wrong." in page.text
        assert "<script>alert" not in page.text
        assert (page.forms[LOGIN]["username"], page.forms[LOGIN]["password"]) == (username, "")
        assert not await browser.is_signed_in()
    # An unknown username takes as long as a known one.
    assert verified == [password for _, password in attempts]
    assert await audited(database, "login") == [(username[:150], "127.0.0.1", "refused") for username, _ in attempts]


async def test_an_outdated_hash_is_renewed(open_browser: Open, signed_in: Browser, database: Database) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await database.owner.execute("update wallet.admins set password_hash = $1", old)
    assert (await open_browser().sign_in()).status == 303
    stored = await database.owner.fetchval("select password_hash from wallet.admins")
    assert not CHEAP.check_needs_rehash(stored)
    assert CHEAP.verify(stored, PASSWORD)
    assert await signed_in.is_signed_in()


async def test_too_many_attempts_lock_an_account_or_an_address(
    browser: Browser, open_browser: Open, admin: str, database: Database
) -> None:
    for number in range(9):
        await database.value("begin_login", admin, f"192.0.2.{number}")
    assert (await browser.sign_in(admin, "wrong")).status == 403
    page = await browser.sign_in(admin)
    assert (page.status, page.headers["Retry-After"]) == (429, "900")
    assert "Too many failed sign-in attempts. Try again in 15 minutes." in page.text
    assert page.forms[LOGIN]["username"] == admin
    await database.owner.execute("update wallet.login_attempts set attempted_at = now() - interval '15 minutes'")
    assert (await browser.sign_in(admin)).status == 303
    for number in range(50):
        await database.value("begin_login", f"nobody{number}", "127.0.0.1")
    assert (await open_browser().sign_in(admin)).status == 429


async def test_signing_out_ends_the_session(signed_in: Browser, open_browser: Open, database: Database) -> None:
    token = signed_in.cookies["wallets_session"]
    page = await signed_in.send("/admin/logout", on=CHANGE)
    assert "You have signed out." in (await signed_in.get(page.location)).text
    assert "wallets_session" not in signed_in.cookies
    thief = open_browser()
    thief.client.cookie_jar.update_cookies({"wallets_session": token})
    assert not await thief.is_signed_in()
    assert await audited(database, "logout") == [(USERNAME, "127.0.0.1", "done")]


async def test_a_form_of_an_expired_session_is_not_lost_silently(signed_in: Browser, database: Database) -> None:
    form = (await signed_in.get(CHANGE)).forms[CHANGE]
    await database.owner.execute("delete from wallet.admin_sessions")
    page = await signed_in.get((await signed_in.post(CHANGE, form)).location)
    assert "nothing was changed" in page.text
    assert page.forms[LOGIN]["next"] == CHANGE


async def test_a_new_password_ends_every_session(signed_in: Browser, open_browser: Open, database: Database) -> None:
    elsewhere = open_browser()
    await elsewhere.sign_in()
    page = await signed_in.send(CHANGE, on=CHANGE, **CHANGED)
    assert "Your password was changed." in (await signed_in.get(page.location)).text
    for browser in (signed_in, elsewhere):
        assert not await browser.is_signed_in()
    assert (await signed_in.sign_in()).status == 403
    assert (await signed_in.sign_in(password=NEW)).status == 303
    assert await audited(database, "set_password") == [(USERNAME, "127.0.0.1", "done")]


async def test_a_weak_password_or_a_stranger_changes_nothing(signed_in: Browser, database: Database) -> None:
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        (CHANGED | {"current": "wrong"}, 403, "current", "This is not your password."),
        (CHANGED | {"again": "else"}, 400, "again", "The two passwords are not the same."),
        ({"current": PASSWORD, "new": "password", "again": "password"}, 400, "new", "too short"),
        ({"current": PASSWORD, "new": "password123", "again": "password123"}, 400, "new", "too easy to guess"),
        ({}, 400, "new", "too short"),
    ]
    for typed, status, field, text in cases:
        page = await signed_in.send(CHANGE, on=CHANGE, **typed)
        assert page.status == status
        assert text in page.text.partition(f'id="{field}-error"')[2].partition("</p>")[0], typed
    for _ in range(9):
        await database.value("begin_login", USERNAME, "127.0.0.1")
    page = await signed_in.send(CHANGE, on=CHANGE, **CHANGED)
    assert (page.status, page.headers["Retry-After"]) == (429, "900")
    assert await database.owner.fetchval("select password_hash from wallet.admins") == PASSWORD_HASH
    assert await signed_in.is_signed_in()
