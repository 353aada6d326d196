"""What every request below /admin/ goes through: sessions, forms, cookies, headers, and errors that are pages."""

import asyncio
import re
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
from ledger import Database
from yarl import URL

from service.admin import page as pages
from service.admin import session
from service.limits import Limits

from . import PASSWORD, UNKNOWN, Browser, Page, create_admin_app, visiting
from .conftest import Open

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def assert_guarded(page: Page) -> None:
    """A response has the headers that every one below /admin/ has."""
    assert {name: page.headers.get(name) for name in HEADERS} == HEADERS
    assert page.headers["Permissions-Policy"]
    assert page.headers["X-Request-ID"]


def assert_error(page: Page, status: int) -> None:
    """An error is a page of ours that shows the id of its request."""
    assert page.status == status, page
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Cache-Control"] == "no-store"
    assert "<h1>" in page.text
    assert page.headers["X-Request-ID"] in page.text
    assert_guarded(page)


async def test_every_response_has_security_headers(open_browser: Open, signed_in: Browser, database: Database) -> None:
    streamed = f"wallets/{await database.wallet()}/operations.csv?from=2026-01-01&until=2026-12-31"
    for browser in (open_browser(), signed_in):
        for path in ("", "login", "password", "nowhere", "static/none.css", "logout", streamed):
            page = await browser.get(f"/admin/{path}")
            assert_guarded(page)
            assert page.headers["Cache-Control"] == "no-store"
            assert "Strict-Transport-Security" not in page.headers
            # What the policy forbids.
            assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=\"/admin/static/)", page.text), path
    assert page.headers["Content-Type"] == "text/csv; charset=utf-8"


async def test_static_files_and_no_others_are_public(browser: Browser, address: str) -> None:
    [path] = re.findall(r'href="(/admin/static/admin.css[^"]*)"', (await browser.get("/admin/login")).text)
    versioned = await browser.get(path)
    assert (versioned.status, versioned.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert_guarded(versioned)
    assert (await browser.get("/admin/static/admin.css?v=old")).headers["Cache-Control"] == "no-cache"
    for path in ("../base.html", "%2e%2e/base.html", "..%2fbase.html", "..%2f..%2fpyproject.toml", "/etc/passwd", ""):
        # encoded: sent as it is written.
        page = await browser.request("GET", URL(f"{address}/admin/static/{path}", encoded=True))
        assert page.status in (303, 403, 404), path


async def test_without_a_session_every_page_leads_to_sign_in(browser: Browser) -> None:
    for path in ("", "wallets/", f"wallets/{UNKNOWN}/", "audit/", "password", "nowhere"):
        page = await browser.get(f"/admin/{path}")
        assert (page.status, page.location.partition("?")[0]) == (303, "/admin/login"), path
    page = await browser.get("/admin")
    assert (page.status, page.location) == (308, "/admin/")


async def test_an_unknown_token_opens_nothing(address: str) -> None:
    parts = urlsplit(address)
    for token in (b"", b"x", b"x" * 43, b"x" * 5000, "\u00ff".encode() * 43, b"\xff" * 43, b"; drop table"):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        writer.write(b"GET /admin/password HTTP/1.1\r\nHost: wallets\r\nCookie: wallets_session=%s\r\n\r\n" % token)
        assert (await reader.readline()).startswith(b"HTTP/1.1 303 "), token
        writer.close()
        await writer.wait_closed()


def test_no_page_leads_to_another_site() -> None:
    for target in (
        *("https://evil.example/", "//evil.example/", "/\\evil.example/", "/admin/\\evil.example"),
        *("/admin/../../evil", "/admin/%2e%2e/api/wallets/", "/admin/..%2f..%2fevil", "/admin/%5c%5cevil.example"),
        *("/admin/\tx", "/admin/\r\nSet-Cookie: a=b", "/adminevil", "javascript:alert(1)", "admin/", " /admin/"),
        *("/api/wallets/", ""),
    ):
        assert pages.local(target) == "/admin/", target


async def test_only_a_form_of_this_site_is_accepted(signed_in: Browser, address: str) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ):
        assert_error(await signed_in.send("/admin/logout", on="/admin/password", headers=headers), 403)
        assert await signed_in.is_signed_in(), headers
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": address}
    assert (await signed_in.send("/admin/logout", on="/admin/password", headers=headers)).status == 303
    assert not await signed_in.is_signed_in()


async def test_a_form_without_the_token_of_its_session_is_rejected(open_browser: Open, admin: str) -> None:
    signed_in, other = open_browser(), open_browser()
    before = (await signed_in.get("/admin/login")).forms["/admin/login"]["csrf"]
    for browser in (signed_in, other):
        await browser.sign_in(admin)
    token, of_other = [
        (await browser.get("/admin/password")).forms["/admin/logout"]["csrf"] for browser in (signed_in, other)
    ]
    bodies: list[dict[str, Any]] = [
        *({"data": {"csrf": wrong}} for wrong in ("", "x" * 64, "я", "0" * 60_000, before, of_other)),
        *({"data": {}}, {"data": b""}, {"json": {"csrf": token}}),
        {"data": f"csrf={token}".encode(), "headers": {"Content-Type": "text/plain"}},
    ]
    for body in bodies:
        assert_error(await signed_in.post("/admin/logout", **body), 403)
    assert await signed_in.is_signed_in()
    anonymous = open_browser()
    assert_error(await anonymous.post("/admin/login", {"username": admin, "password": PASSWORD}), 403)
    assert not await anonymous.is_signed_in()


async def test_a_form_that_cannot_be_read_is_rejected(browser: Browser) -> None:
    token = (await browser.get("/admin/login")).forms["/admin/login"]["csrf"].encode()
    form = b"csrf=%s&password=x&username=" % token
    for body, charset in (
        *((form + b"a%00b", ""), (form + b"\xff\xfe", ""), (b"csrf=+2AA-", "; charset=utf-7")),
        *((form + b"+2AA-", "; charset=utf-7"), (form + b"a", "; charset=none"), (form + b"a", "; charset=rot13")),
    ):
        headers = {"Content-Type": f"{FORM['Content-Type']}{charset}"}
        assert_error(await browser.post("/admin/login", body, headers=headers), 400)
    assert_error(await browser.get("/admin/login?next=%00"), 400)
    assert_error(await browser.post("/admin/login", {"password": "x" * 70_000}), 413)
    replaced = await browser.post("/admin/login", form + b"%ff%fe", headers=FORM)
    assert replaced.forms["/admin/login"]["username"] == "\ufffd\ufffd"


async def test_a_form_that_never_arrives_times_out(database: Database) -> None:
    is_done = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield b"username=al"
        await is_done.wait()

    app = create_admin_app(database.url, limits=Limits(body_seconds=0.1))
    async with asyncio.timeout(60), visiting(app) as browser:
        page = await browser.post("/admin/login", content(), headers=FORM | {"Content-Length": "1000"})
        is_done.set()
    assert_error(page, 408)
    assert page.headers["Connection"] == "close"


@pytest.fixture
async def proxied(database: Database) -> AsyncIterator[Browser]:
    """A browser on a service behind a proxy that ends TLS; like the proxy, it speaks HTTP and keeps no cookies."""
    async with visiting(create_admin_app(database.url, tls_proxy=True), keeps_cookies=False) as browser:
        yield browser


def cookies(page: Page) -> dict[str, tuple[object, ...]]:
    """The cookies that a response sets: HttpOnly, SameSite, Path, Secure, and what would make them last."""
    found: SimpleCookie = SimpleCookie()
    for header in page.headers.getall("Set-Cookie", ()):
        found.load(header)
    attributes = ("httponly", "samesite", "path", "secure", "domain", "expires", "max-age")
    return {name: tuple(cookie[attribute] for attribute in attributes) for name, cookie in found.items()}


async def sign_in(browser: Browser, username: str, **headers: str) -> Page:
    """Signs in with a browser that keeps no cookies."""
    shown = await browser.get("/admin/login")
    cookie = shown.headers["Set-Cookie"].partition(";")[0]
    form = shown.forms["/admin/login"] | {"username": username, "password": PASSWORD}
    return await browser.post("/admin/login", form, headers={"Cookie": cookie, **headers})


async def test_cookies_are_hidden_from_scripts_and_other_sites(browser: Browser, admin: str) -> None:
    plain = (True, "Lax", "/", "", "", "", "")
    assert cookies(await browser.get("/admin/login")) == {"wallets_form": plain}
    tokens = []
    for _ in range(2):
        assert cookies(await browser.sign_in(admin)) == {"wallets_session": plain}
        tokens.append(browser.cookies["wallets_session"])
        deleted = cookies(await browser.send("/admin/logout", on="/admin/password"))["wallets_session"]
        assert (deleted[:5], deleted[-1]) == (plain[:5], "0")
    assert tokens[0] != tokens[1]


async def test_over_tls_cookies_are_for_this_host_and_tls_only(proxied: Browser, admin: str) -> None:
    secure = (True, "Lax", "/", True, "", "", "")
    shown, entered = await proxied.get("/admin/login"), await sign_in(proxied, admin)
    assert (cookies(shown), cookies(entered)) == ({"__Host-wallets_form": secure}, {"__Host-wallets_session": secure})
    assert shown.headers["Strict-Transport-Security"] == "max-age=31536000"
    token = entered.headers["Set-Cookie"].partition(";")[0].partition("=")[2]
    # Another subdomain can set a cookie without the prefix.
    for name, status in (("__Host-wallets_session", 200), ("wallets_session", 303)):
        assert (await proxied.get("/admin/password", headers={"Cookie": f"{name}={token}"})).status == status


async def test_only_a_proxy_chooses_the_address(
    proxied: Browser, browser: Browser, admin: str, database: Database
) -> None:
    newest = "select host(address) from wallet.admin_sessions order by created_at desc limit 1"
    for forwarded, address in (
        ("203.0.113.9", "203.0.113.9"),
        ("192.0.2.66, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ):
        await sign_in(proxied, admin, **{"X-Forwarded-For": forwarded})
        assert await database.owner.fetchval(newest) == address, forwarded
    await sign_in(proxied, admin, **{"X-Forwarded-For": "203.0.113.9"})
    headers = {"X-Forwarded-For": "203.0.113.9"}
    await browser.send("/admin/login", on="/admin/login", headers=headers, username=admin, password=PASSWORD)
    assert await database.owner.fetchval(newest) == "127.0.0.1"


async def test_an_error_is_a_page_with_the_id_of_its_request(signed_in: Browser) -> None:
    for path in ("nowhere", f"wallets/{UNKNOWN}/", "wallets/none/"):
        assert_error(await signed_in.get(f"/admin/{path}"), 404)
    not_allowed = await signed_in.get("/admin/logout")
    assert_error(not_allowed, 405)
    assert not_allowed.headers["Allow"] == "POST"
    page = await signed_in.get("/admin/nowhere", headers={"X-Request-ID": "<b>17"})
    assert page.headers["X-Request-ID"] == "<b>17"
    assert "&lt;b&gt;17" in page.text
    assert "<b>17" not in page.text
    # An error of a URL without a page: its language switch leads to one that has.
    form = (await signed_in.post("/admin/logout")).forms["/admin/language"]
    assert (await signed_in.post("/admin/language", form | {"language": "ru"})).location == "/admin/"


async def test_a_defect_is_a_page_that_reveals_nothing(
    own_database_url: str, own_owner_connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await own_owner_connection.execute("drop function wallet.begin_login")
    async with visiting(create_admin_app(own_database_url)) as browser:
        page = await browser.sign_in()
        assert_error(page, 500)
        assert "begin_login" not in page.text
        monkeypatch.delattr(session, "find")
        assert_error(await browser.get("/admin/password"), 500)


async def test_without_a_database_a_page_says_to_retry() -> None:
    async with visiting(create_admin_app("postgres://wallets:hunter2@127.0.0.1:1/wallets")) as browser:
        assert (await browser.get("/admin/login")).status == 200
        page = await browser.sign_in()
        assert_error(page, 503)
        assert page.headers["Retry-After"] == "1"
        assert "hunter2" not in page.text
        cookie = {"Cookie": f"wallets_session={session.new_token()}"}
        assert_error(await browser.get("/admin/password", headers=cookie), 503)
