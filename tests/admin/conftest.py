"""An admin, and browsers on the admin page."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import aiohttp
import asyncpg
import pytest
from yarl import URL

from service.admin import passwords, session

from . import PASSWORD, USERNAME, Browser

Open = Callable[[], Browser]


@pytest.fixture(scope="session")
async def password_hash() -> str:
    """What is stored in place of PASSWORD."""
    return await passwords.digest(PASSWORD)


@pytest.fixture
async def admin(app_connection: asyncpg.Connection, password_hash: str) -> str:
    """The username of an admin, whose password is PASSWORD."""
    await app_connection.execute("select wallet.create_admin($1, $2)", USERNAME, password_hash)
    return USERNAME


@pytest.fixture
async def open_browser(address: str) -> AsyncIterator[Open]:
    """Opens browsers that know nothing of each other."""
    async with AsyncExitStack() as opened:

        def start() -> Browser:
            # unsafe: takes cookies from an IP address too.
            client = aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True))
            opened.push_async_callback(client.close)
            return Browser(client)

        yield start


@pytest.fixture
async def browser(open_browser: Open) -> Browser:
    """A browser with which nobody has signed in."""
    return open_browser()


@pytest.fixture
async def session_cookie(admin: str, app_connection: asyncpg.Connection) -> dict[str, str]:
    """What makes a browser that of an admin who has signed in, without the time that a password takes."""
    token = session.new_token()
    await app_connection.execute("select wallet.begin_session($1, $2, '127.0.0.1')", admin, token)
    return {"wallets_session": token}


@pytest.fixture
async def signed_in(browser: Browser, session_cookie: dict[str, str], address: str) -> Browser:
    """The browser of an admin who has signed in."""
    browser.client.cookie_jar.update_cookies(session_cookie, URL(address))
    assert await browser.is_signed_in()
    return browser
