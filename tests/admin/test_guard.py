"""What every request below /admin/ goes through: sessions, forms, cookies, headers, and errors that are pages."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Iterator
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import asyncpg
import pytest
from conftest import serving
from yarl import URL

from service.admin import session
from service.app import create_app
from service.limits import Limits

from . import PASSWORD, Browser, Page
from .conftest import CreateApp, Open

pytestmark = pytest.mark.shared_database

UNKNOWN = "00000000-0000-4000-8000-000000000000"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def assert_guarded(page: Page) -> None:
    """A response has the headers that every one below /admin/ has."""
    assert page.headers["Content-Security-Policy"] == POLICY
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.headers["Cross-Origin-Opener-Policy"] == "same-origin"
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


# Headers


async def test_every_response_has_the_security_headers(open_browser: Open, admin: str) -> None:
    signed_in = open_browser()
    await signed_in.sign_in(admin)
    for browser in (open_browser(), signed_in):
        for path in ("", "login", "password", "nowhere", "static/none.css", "logout"):
            page = await browser.get(f"/admin/{path}")
            assert_guarded(page)
            assert page.headers["Cache-Control"] == "no-store"
            assert "Strict-Transport-Security" not in page.headers


async def test_a_streamed_download_has_them_too(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    wallet_id = await app_connection.fetchval("select id from wallet.create_wallet()")
    page = await signed_in.get(f"/admin/wallets/{wallet_id}/operations.csv?from=2026-01-01&until=2026-12-31")
    assert (page.status, page.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert_guarded(page)


async def test_static_files_are_public_and_cached_by_version(browser: Browser) -> None:
    [path] = re.findall(r'href="(/admin/static/admin.css[^"]*)"', (await browser.get("/admin/login")).text)
    versioned = await browser.get(path)
    assert (versioned.status, versioned.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert_guarded(versioned)
    assert (await browser.get("/admin/static/admin.css?v=old")).headers["Cache-Control"] == "no-cache"


async def test_nothing_but_static_files_is_served(browser: Browser, address: str) -> None:
    for path in ("../base.html", "%2e%2e/base.html", "..%2fbase.html", "..%2f..%2fpyproject.toml", "/etc/passwd", ""):
        # encoded: sent as it is written.
        page = await browser.request("GET", URL(f"{address}/admin/static/{path}", encoded=True))
        assert page.status in (303, 403, 404)


async def test_pages_have_nothing_that_their_policy_forbids(signed_in: Browser) -> None:
    for path in ("/admin/password", "/admin/nowhere"):
        page = await signed_in.get(path)
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|<script(?! src=\"/admin/static/)", page.text)


# Sessions


async def test_without_a_session_every_page_leads_to_sign_in(browser: Browser) -> None:
    for path in ("", "wallets/", f"wallets/{UNKNOWN}/", "audit/", "password", "nowhere"):
        page = await browser.get(f"/admin/{path}")
        assert (page.status, page.headers["Location"].partition("?")[0]) == (303, "/admin/login")


@pytest.mark.usefixtures("admin")
async def test_an_unknown_token_opens_nothing(browser: Browser) -> None:
    for token in ("", "x", "x" * 43, "x" * 5000, "\u00ff" * 43, "; drop table"):
        page = await browser.get("/admin/password", headers={"Cookie": f"wallets_session={token}"})
        assert page.status == 303


async def test_a_token_that_is_no_text_opens_nothing(address: str) -> None:
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    cookie = b"wallets_session=" + b"\xff" * 43
    writer.write(b"GET /admin/password HTTP/1.1\r\nHost: wallets\r\nCookie: %s\r\n\r\n" % cookie)
    assert (await reader.readline()).startswith(b"HTTP/1.1 303 ")
    writer.close()
    await writer.wait_closed()


async def test_the_database_does_not_hold_the_token(signed_in: Browser, owner_connection: asyncpg.Connection) -> None:
    token = signed_in.cookies["wallets_session"]
    rows = await owner_connection.fetch("select s::text as row from wallet.admin_sessions as s")
    assert [token in row["row"] or token.encode().hex() in row["row"] for row in rows] == [False]


async def test_the_path_without_its_slash_redirects(browser: Browser) -> None:
    page = await browser.get("/admin")
    assert (page.status, page.headers["Location"]) == (308, "/admin/")


async def test_signing_in_never_leads_to_another_site(open_browser: Open, admin: str) -> None:
    for target in (
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "/admin/../../evil",
        "/admin/%2e%2e/api/wallets/",
        "/admin/..%2f..%2fevil",
        "/admin/\\evil.example",
        "/admin/%5c%5cevil.example",
        "/admin/\tx",
        "/admin/\r\nSet-Cookie: a=b",
        "/adminevil",
        "javascript:alert(1)",
        "admin/",
        " /admin/",
        "/api/wallets/",
        "",
    ):
        path = f"/admin/login?next={quote(target, safe='')}"
        page = await open_browser().send("/admin/login", on=path, username=admin, password=PASSWORD)
        assert (page.status, page.headers["Location"]) == (303, "/admin/"), target


# Forms


async def test_a_form_of_another_site_is_rejected(signed_in: Browser) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ):
        assert_error(await signed_in.send("/admin/logout", on="/admin/password", headers=headers), 403)
        assert await signed_in.is_signed_in()


async def test_a_form_of_ours_is_accepted(signed_in: Browser, address: str) -> None:
    headers = {"Sec-Fetch-Site": "same-origin", "Origin": address}
    assert (await signed_in.send("/admin/logout", on="/admin/password", headers=headers)).status == 303
    assert not await signed_in.is_signed_in()


async def test_a_form_without_its_token_is_rejected(signed_in: Browser) -> None:
    for form in ({}, {"csrf": ""}, {"csrf": "x" * 64}, {"csrf": "я"}, {"csrf": "0" * 60_000}):
        assert_error(await signed_in.request("POST", "/admin/logout", data=form), 403)
        assert await signed_in.is_signed_in()


@pytest.mark.usefixtures("admin")
async def test_a_sign_in_form_without_its_token_is_rejected(browser: Browser) -> None:
    page = await browser.request("POST", "/admin/login", data={"username": "alice", "password": PASSWORD})
    assert_error(page, 403)
    assert not await browser.is_signed_in()


async def test_the_form_token_of_another_session_is_rejected(
    signed_in: Browser, open_browser: Open, admin: str
) -> None:
    other = open_browser()
    await other.sign_in(admin)
    form = (await other.get("/admin/password")).forms["/admin/logout"]
    assert_error(await signed_in.request("POST", "/admin/logout", data=form), 403)
    assert await signed_in.is_signed_in()


async def test_a_form_token_from_before_signing_in_is_rejected(browser: Browser, admin: str) -> None:
    form = (await browser.get("/admin/login")).forms["/admin/login"]
    await browser.sign_in(admin)
    assert_error(await browser.request("POST", "/admin/logout", data={"csrf": form["csrf"]}), 403)


async def test_a_body_that_no_form_sends_is_rejected(signed_in: Browser) -> None:
    token = (await signed_in.get("/admin/password")).forms["/admin/logout"]["csrf"]
    options: dict[str, Any]
    for options in (
        {"json": {"csrf": token}},
        {"data": f"csrf={token}".encode(), "headers": {"Content-Type": "text/plain"}},
        {"data": b""},
    ):
        assert_error(await signed_in.request("POST", "/admin/logout", **options), 403)


async def test_each_form_of_a_page_carries_the_token(signed_in: Browser) -> None:
    forms = (await signed_in.get("/admin/password")).forms
    assert len(forms) == 3
    assert all(fields["csrf"] for fields in forms.values())


async def test_a_form_that_is_no_text_is_rejected(browser: Browser) -> None:
    token = (await browser.get("/admin/login")).forms["/admin/login"]["csrf"]
    for content, charset in (
        (b"username=a%00b", ""),
        (b"username=+2AA-", "; charset=utf-7"),
        (b"csrf=+2AA-", "; charset=utf-7"),
        (b"username=\xff\xfe", ""),
        (b"username=a", "; charset=none"),
        (b"username=a", "; charset=rot13"),
    ):
        body = content if content.startswith(b"csrf=") else b"csrf=%s&password=x&%s" % (token.encode(), content)
        headers = {"Content-Type": f"application/x-www-form-urlencoded{charset}"}
        assert_error(await browser.request("POST", "/admin/login", data=body, headers=headers), 400)


async def test_bytes_that_are_no_utf8_are_replaced(browser: Browser) -> None:
    token = (await browser.get("/admin/login")).forms["/admin/login"]["csrf"]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = b"csrf=%s&password=x&username=%%ff%%fe" % token.encode()
    page = await browser.request("POST", "/admin/login", data=body, headers=headers)
    assert page.forms["/admin/login"]["username"] == "\ufffd\ufffd"


async def test_an_address_with_nul_is_rejected(browser: Browser) -> None:
    assert_error(await browser.get("/admin/login?next=%00"), 400)


async def test_a_form_that_is_too_large_is_rejected(browser: Browser) -> None:
    assert_error(await browser.request("POST", "/admin/login", data={"password": "x" * 70_000}), 413)


@pytest.mark.parametrize("limits", [Limits(body_seconds=0.1)])
async def test_a_form_that_never_arrives_times_out(browser: Browser) -> None:
    is_done = asyncio.Event()

    async def content() -> AsyncIterator[bytes]:
        yield b"username=al"
        await is_done.wait()

    headers = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "1000"}
    page = await browser.request("POST", "/admin/login", data=content(), headers=headers)
    is_done.set()
    assert_error(page, 408)
    assert page.headers["Connection"] == "close"


# Cookies and client addresses


@pytest.fixture
async def proxied(database_url: str, create_admin_app: CreateApp) -> AsyncIterator[Browser]:
    """A browser on a service behind a proxy that ends TLS; like the proxy, it speaks HTTP."""
    async with (
        serving(create_admin_app(database_url, tls_proxy=True)) as base,
        aiohttp.ClientSession(base, cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        yield Browser(client)


def cookies(page: Page) -> dict[str, tuple[object, ...]]:
    """The cookies that a response sets: HttpOnly, SameSite, Path, Secure, and what would make them last."""
    found: SimpleCookie = SimpleCookie()
    for header in page.headers.getall("Set-Cookie", ()):
        found.load(header)
    attributes = ("httponly", "samesite", "path", "secure", "domain", "max-age", "expires")
    return {name: tuple(cookie[attribute] for attribute in attributes) for name, cookie in found.items()}


async def sign_in(browser: Browser, username: str, **headers: str) -> Page:
    """Signs in with a browser that keeps no cookies."""
    shown = await browser.get("/admin/login")
    [kept] = shown.headers.getall("Set-Cookie")
    form = shown.forms["/admin/login"] | {"username": username, "password": PASSWORD}
    return await browser.request(
        "POST", "/admin/login", data=form, headers={"Cookie": kept.partition(";")[0], **headers}
    )


async def test_cookies_are_hidden_from_scripts_and_other_sites(browser: Browser, admin: str) -> None:
    plain = (True, "Lax", "/", "", "", "", "")
    assert cookies(await browser.get("/admin/login")) == {"wallets_form": plain}
    assert cookies(await browser.sign_in(admin)) == {"wallets_session": plain}


async def test_over_tls_cookies_are_for_this_host_and_tls_only(proxied: Browser, admin: str) -> None:
    secure = (True, "Lax", "/", True, "", "", "")
    shown = await proxied.get("/admin/login")
    assert cookies(shown) == {"__Host-wallets_form": secure}
    assert shown.headers["Strict-Transport-Security"] == "max-age=31536000"
    assert cookies(await sign_in(proxied, admin)) == {"__Host-wallets_session": secure}


async def test_over_tls_a_cookie_of_another_subdomain_is_ignored(proxied: Browser, admin: str) -> None:
    [kept] = (await sign_in(proxied, admin)).headers.getall("Set-Cookie")
    name, _, token = kept.partition(";")[0].partition("=")
    assert (await proxied.get("/admin/password", headers={"Cookie": f"{name}={token}"})).status == 200
    assert (await proxied.get("/admin/password", headers={"Cookie": f"wallets_session={token}"})).status == 303


async def test_signing_out_deletes_the_cookie(signed_in: Browser) -> None:
    page = await signed_in.send("/admin/logout", on="/admin/password")
    assert cookies(page)["wallets_session"][:5] == (True, "Lax", "/", "", "")
    assert cookies(page)["wallets_session"][5] == "0"


async def test_each_sign_in_has_a_new_token(browser: Browser, admin: str) -> None:
    await browser.sign_in(admin)
    first = browser.cookies["wallets_session"]
    await browser.send("/admin/logout", on="/admin/password")
    await browser.sign_in(admin)
    assert browser.cookies["wallets_session"] != first


async def test_behind_a_proxy_the_address_is_the_forwarded_one(
    proxied: Browser, admin: str, owner_connection: asyncpg.Connection
) -> None:
    for forwarded, address in (
        ("203.0.113.9", "203.0.113.9"),
        ("192.0.2.66, 203.0.113.9", "203.0.113.9"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, nonsense", "127.0.0.1"),
        ("", "127.0.0.1"),
    ):
        await sign_in(proxied, admin, **{"X-Forwarded-For": forwarded})
        newest = "select host(address) from wallet.admin_sessions order by created_at desc limit 1"
        assert await owner_connection.fetchval(newest) == address, forwarded


async def test_without_a_proxy_no_client_chooses_an_address(
    browser: Browser, admin: str, owner_connection: asyncpg.Connection
) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9"}
    await browser.send("/admin/login", on="/admin/login", headers=headers, username=admin, password=PASSWORD)
    assert await owner_connection.fetchval("select host(address) from wallet.admin_sessions") == "127.0.0.1"


# Errors


async def test_an_unknown_path_is_a_page(signed_in: Browser) -> None:
    for path in ("nowhere", f"wallets/{UNKNOWN}/", "wallets/none/"):
        assert_error(await signed_in.get(f"/admin/{path}"), 404)


async def test_a_method_that_is_not_allowed_is_a_page(signed_in: Browser) -> None:
    page = await signed_in.get("/admin/logout")
    assert_error(page, 405)
    assert page.headers["Allow"] == "POST"


async def test_an_error_page_shows_the_id_of_the_request(signed_in: Browser) -> None:
    page = await signed_in.get("/admin/nowhere", headers={"X-Request-ID": "<b>17"})
    assert page.headers["X-Request-ID"] == "<b>17"
    assert "&lt;b&gt;17" in page.text
    assert "<b>17" not in page.text


async def test_the_language_switch_of_an_error_page_leads_to_a_page(signed_in: Browser) -> None:
    rejected = await signed_in.request("POST", "/admin/logout")
    form = rejected.forms["/admin/language"]
    page = await signed_in.request("POST", "/admin/language", data=form | {"language": "ru"})
    assert (page.status, page.headers["Location"]) == (303, "/admin/")


async def test_a_defect_is_a_page_that_reveals_nothing(
    create_admin_app: CreateApp, own_database_url: str, own_owner_connection: asyncpg.Connection
) -> None:
    await own_owner_connection.execute("drop function wallet.begin_login")
    async with (
        serving(create_admin_app(own_database_url)) as base,
        aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client,
    ):
        page = await Browser(client).sign_in()
    assert_error(page, 500)
    assert "begin_login" not in page.text


async def test_a_defect_before_the_handler_is_a_page_too(signed_in: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(session, "find")
    assert_error(await signed_in.get("/admin/password"), 500)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nothing listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
async def without_database(closed_port: int) -> AsyncIterator[Browser]:
    """A browser on a service whose database is unreachable."""
    async with (
        serving(create_app(f"postgres://wallets:hunter2@127.0.0.1:{closed_port}/wallets")) as base,
        aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as client,
    ):
        yield Browser(client)


async def test_without_a_database_a_page_says_to_retry(without_database: Browser) -> None:
    page = await without_database.sign_in()
    assert_error(page, 503)
    assert page.headers["Retry-After"] == "1"
    assert "hunter2" not in page.text


async def test_without_a_database_a_session_is_a_503_page(without_database: Browser) -> None:
    page = await without_database.get("/admin/password", headers={"Cookie": f"wallets_session={session.new_token()}"})
    assert_error(page, 503)


async def test_without_a_database_the_sign_in_page_is_shown(without_database: Browser) -> None:
    assert (await without_database.get("/admin/login")).status == 200
