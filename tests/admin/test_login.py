"""Signing in and out, and changing one's password."""

import asyncio
import time
import unicodedata
from http import HTTPStatus
from typing import Any

import aiohttp
import asyncpg
import pytest
from argon2 import PasswordHasher
from conftest import serving

from service.admin.passwords import PASSWORDS, Passwords

from . import PASSWORD, USERNAME, Browser
from .conftest import CreateApp, Open

pytestmark = pytest.mark.shared_database

NEW = "another horse in the meadow"


async def audited(connection: asyncpg.Connection, action: str) -> list[tuple[str, str, str]]:
    """Who did it, where, and with what outcome, oldest first."""
    rows = await connection.fetch(
        "select admin, host(address), outcome from wallet.audit where action = $1 order by id", action
    )
    return [tuple(row) for row in rows]


async def test_an_admin_signs_in(open_browser: Open, admin: str, owner_connection: asyncpg.Connection) -> None:
    for typed in ("alice", "ALICE"):
        browser = open_browser()
        page = await browser.sign_in(typed)
        assert (page.status, page.headers["Location"]) == (303, "/admin/")
        assert await browser.is_signed_in()
    assert await audited(owner_connection, "login") == [(admin, "127.0.0.1", "done")] * 2


async def test_signing_in_leads_to_the_requested_page(browser: Browser, admin: str) -> None:
    sent = await browser.get("/admin/password?a=1&b=%D1%8F")
    assert (sent.status, sent.headers["Location"].partition("?")[0]) == (303, "/admin/login")
    back = await browser.send("/admin/login", on=sent.headers["Location"], username=admin, password=PASSWORD)
    assert back.headers["Location"] == "/admin/password?a=1&b=%D1%8F"


async def test_a_signed_in_admin_is_led_past_the_form(signed_in: Browser) -> None:
    page = await signed_in.get("/admin/login?next=/admin/password")
    assert (page.status, page.headers["Location"]) == (303, "/admin/password")


async def test_a_sign_in_form_open_in_another_tab_still_works(browser: Browser, admin: str) -> None:
    form = (await browser.get("/admin/login")).forms["/admin/login"]
    await browser.sign_in()
    page = await browser.request("POST", "/admin/login", data=form | {"username": admin, "password": PASSWORD})
    assert (page.status, page.headers["Location"]) == (303, "/admin/")


@pytest.mark.usefixtures("admin")
async def test_a_wrong_name_and_a_wrong_password_look_the_same(
    browser: Browser, owner_connection: asyncpg.Connection
) -> None:
    attempts = [
        ("alice", "wrong"),
        ("alice", ""),
        ("alice", "x" * 50_000),
        ("bob", PASSWORD),
        ("", ""),
        ("b" * 10_000, "x"),
    ]
    for username, password in attempts:
        page = await browser.sign_in(username, password)
        assert page.status == HTTPStatus.FORBIDDEN
        assert "The username or the password is wrong." in page.text
        assert page.forms["/admin/login"]["username"] == username
        assert page.forms["/admin/login"]["password"] == ""
        assert not await browser.is_signed_in()
    expected = [(username[:150], "127.0.0.1", "refused") for username, _ in attempts]
    assert await audited(owner_connection, "login") == expected


@pytest.mark.usefixtures("admin")
async def test_after_a_failed_attempt_the_target_is_kept(browser: Browser) -> None:
    page = await browser.send("/admin/login", on="/admin/login?next=/admin/audit/", username="alice", password="wrong")
    assert page.forms["/admin/login"]["next"] == "/admin/audit/"


@pytest.mark.usefixtures("admin")
async def test_what_was_typed_is_shown_as_text(browser: Browser) -> None:
    page = await browser.sign_in('"><script>alert(1)</script>', "wrong")
    assert "<script>alert" not in page.text
    assert page.forms["/admin/login"]["username"] == '"><script>alert(1)</script>'


async def test_an_unknown_username_takes_as_long(
    create_admin_app: CreateApp, own_database_url: str, own_app_connection: asyncpg.Connection
) -> None:
    hasher = PasswordHasher(time_cost=4, memory_cost=16384, parallelism=1)
    app = create_admin_app(own_database_url)
    app[PASSWORDS] = Passwords(hasher)
    await own_app_connection.execute("select wallet.create_admin($1, $2)", USERNAME, hasher.hash(PASSWORD))
    async with (
        serving(app) as address,
        aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client,
    ):
        browser = Browser(client)
        form = (await browser.get("/admin/login")).forms["/admin/login"]

        async def seconds(username: str) -> float:
            begin = time.perf_counter()
            await browser.request("POST", "/admin/login", data=form | {"username": username, "password": "wrong"})
            return time.perf_counter() - begin

        unknown = [await seconds("nobody") for _ in range(4)]
        known = [await seconds(USERNAME) for _ in range(4)]
    # Without argon2 it would take a tenth, or less.
    assert min(unknown) > min(known) / 2


async def test_a_password_may_be_composed_by_any_keyboard(
    open_browser: Open, app_connection: asyncpg.Connection, passwords: Passwords
) -> None:
    password = "зелёный чайник"
    await app_connection.execute("select wallet.create_admin('alice', $1)", await passwords.digest(password))
    for composed in (unicodedata.normalize("NFC", password), unicodedata.normalize("NFD", password)):
        assert (await open_browser().sign_in("alice", composed)).status == 303


async def test_a_hash_with_other_parameters_is_renewed(
    open_browser: Open, signed_in: Browser, owner_connection: asyncpg.Connection, passwords: Passwords
) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    await owner_connection.execute("update wallet.admins set password_hash = $1", old)
    assert (await open_browser().sign_in()).status == 303
    stored = await owner_connection.fetchval("select password_hash from wallet.admins")
    assert not passwords.is_outdated(stored)
    assert await passwords.verify(stored, PASSWORD)
    assert await signed_in.is_signed_in()


async def test_ten_failed_attempts_lock_the_account_for_a_while(
    browser: Browser, admin: str, app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    for number in range(9):
        await app_connection.execute("select wallet.begin_login($1, $2)", admin, f"192.0.2.{number}")
    assert (await browser.sign_in(admin, "wrong")).status == HTTPStatus.FORBIDDEN
    page = await browser.sign_in(admin, PASSWORD)
    assert (page.status, page.headers["Retry-After"]) == (HTTPStatus.TOO_MANY_REQUESTS, "900")
    assert "Too many failed sign-in attempts. Try again in 15 minutes." in page.text
    assert page.forms["/admin/login"]["username"] == admin
    await owner_connection.execute("update wallet.login_attempts set attempted_at = now() - interval '15 minutes'")
    assert (await browser.sign_in(admin, PASSWORD)).status == 303


async def test_fifty_failed_attempts_lock_the_address(
    browser: Browser, admin: str, app_connection: asyncpg.Connection
) -> None:
    for number in range(50):
        await app_connection.execute("select wallet.begin_login($1, '127.0.0.1')", f"nobody{number}")
    assert (await browser.sign_in(admin)).status == HTTPStatus.TOO_MANY_REQUESTS


async def test_concurrent_attempts_are_all_counted(
    open_browser: Open, admin: str, owner_connection: asyncpg.Connection
) -> None:
    browser = open_browser()
    form = (await browser.get("/admin/login")).forms["/admin/login"] | {"username": admin, "password": "wrong"}
    pages = await asyncio.gather(*(browser.request("POST", "/admin/login", data=form) for _ in range(16)))
    statuses = [page.status for page in pages]
    assert statuses.count(HTTPStatus.FORBIDDEN) <= 10
    assert await owner_connection.fetchval("select count(*) from wallet.login_attempts") <= 10


async def test_signing_out_ends_the_session(
    signed_in: Browser, open_browser: Open, admin: str, owner_connection: asyncpg.Connection
) -> None:
    token = signed_in.cookies["wallets_session"]
    page = await signed_in.send("/admin/logout", on="/admin/password")
    assert page.status == 303
    assert "You have signed out." in (await signed_in.get(page.headers["Location"])).text
    assert "wallets_session" not in signed_in.cookies
    thief = open_browser()
    thief.client.cookie_jar.update_cookies({"wallets_session": token})
    assert not await thief.is_signed_in()
    assert await audited(owner_connection, "logout") == [(admin, "127.0.0.1", "done")]


async def test_a_session_expires(signed_in: Browser, owner_connection: asyncpg.Connection) -> None:
    for column, limit in (("last_seen_at", "30 minutes"), ("created_at", "12 hours")):
        assert await signed_in.is_signed_in()
        await owner_connection.execute(f"update wallet.admin_sessions set {column} = now() - interval '{limit}'")
        assert not await signed_in.is_signed_in()
        await owner_connection.execute(f"update wallet.admin_sessions set {column} = now()")


async def test_a_form_of_an_expired_session_is_not_lost_silently(
    signed_in: Browser, owner_connection: asyncpg.Connection
) -> None:
    form = (await signed_in.get("/admin/password")).forms["/admin/password"]
    await owner_connection.execute("delete from wallet.admin_sessions")
    page = await signed_in.request("POST", "/admin/password", data=form)
    assert page.status == 303
    page = await signed_in.get(page.headers["Location"])
    assert "nothing was changed" in page.text
    assert page.forms["/admin/login"]["next"] == "/admin/password"


async def test_a_new_password_ends_every_session_of_the_admin(
    signed_in: Browser, open_browser: Open, admin: str, owner_connection: asyncpg.Connection
) -> None:
    elsewhere = open_browser()
    await elsewhere.sign_in()
    page = await signed_in.send("/admin/password", on="/admin/password", current=PASSWORD, new=NEW, again=NEW)
    assert page.status == 303
    assert "Your password was changed." in (await signed_in.get(page.headers["Location"])).text
    assert not await signed_in.is_signed_in()
    assert not await elsewhere.is_signed_in()
    assert (await signed_in.sign_in(admin, PASSWORD)).status == HTTPStatus.FORBIDDEN
    assert (await signed_in.sign_in(admin, NEW)).status == 303
    assert await audited(owner_connection, "set_password") == [(admin, "127.0.0.1", "done")]


async def test_a_weak_password_or_a_stranger_changes_nothing(
    signed_in: Browser, password_hash: str, owner_connection: asyncpg.Connection
) -> None:
    cases: list[tuple[dict[str, Any], int, str, str]] = [
        ({"current": "wrong", "new": NEW, "again": NEW}, 403, "current", "This is not your password."),
        ({"current": PASSWORD, "new": NEW, "again": "else"}, 400, "again", "The two passwords are not the same."),
        ({"current": PASSWORD, "new": "password", "again": "password"}, 400, "new", "too short"),
        ({"current": PASSWORD, "new": "password123", "again": "password123"}, 400, "new", "too easy to guess"),
        ({}, 400, "new", "too short"),
    ]
    for typed, status, field, text in cases:
        page = await signed_in.send("/admin/password", on="/admin/password", **typed)
        assert page.status == status
        assert text in page.text.partition(f'id="{field}-error"')[2].partition("</p>")[0]
    assert await owner_connection.fetchval("select password_hash from wallet.admins") == password_hash
    assert await signed_in.is_signed_in()


async def test_attempts_at_the_current_password_are_limited(
    signed_in: Browser, admin: str, app_connection: asyncpg.Connection
) -> None:
    for _ in range(10):
        await app_connection.execute("select wallet.begin_login($1, '127.0.0.1')", admin)
    page = await signed_in.send("/admin/password", on="/admin/password", current=PASSWORD, new=NEW, again=NEW)
    assert (page.status, page.headers["Retry-After"]) == (HTTPStatus.TOO_MANY_REQUESTS, "900")
