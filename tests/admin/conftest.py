"""An admin, and browsers on the admin page. The tests of a file share a database, which each finds empty."""

from collections.abc import AsyncIterator, Callable

import pytest
from conftest import serving
from ledger import Database
from yarl import URL

from service.admin import session

from . import PASSWORD_HASH, USERNAME, Browser, create_admin_app

Open = Callable[[], Browser]

_TABLES = (
    *("operations", "rejections", "verifications", "wallets", "audit"),
    *("login_attempts", "admin_sessions", "admins", "api_keys"),
)


@pytest.fixture(scope="module")
async def module_database(module_database_url: str) -> AsyncIterator[Database]:
    async with Database.connect(module_database_url) as database:
        yield database


@pytest.fixture
async def database(module_database: Database) -> Database:
    """The database of the file, emptied."""
    await module_database.tamperer.execute("".join(f"delete from wallet.{table};" for table in _TABLES))
    return module_database


@pytest.fixture(scope="module")
async def address(module_database_url: str) -> AsyncIterator[str]:
    """The address of the service, which has cheap hashes."""
    async with serving(create_admin_app(module_database_url)) as address:
        yield address


@pytest.fixture
async def admin(database: Database) -> str:
    """The username of an admin, whose password is PASSWORD."""
    await database.row("create_admin", USERNAME, PASSWORD_HASH)
    return USERNAME


@pytest.fixture
async def open_browser(address: str, database: Database) -> AsyncIterator[Open]:
    """Opens browsers that share no cookies."""
    opened: list[Browser] = []

    def start() -> Browser:
        opened.append(Browser(address))
        return opened[-1]

    yield start
    for browser in opened:
        await browser.client.close()


@pytest.fixture
async def browser(open_browser: Open) -> Browser:
    """A browser that is not signed in."""
    return open_browser()


@pytest.fixture
async def session_cookie(admin: str, database: Database) -> dict[str, str]:
    """The cookie of an admin who has signed in."""
    token = session.new_token()
    await database.rows("begin_session", admin, token, "127.0.0.1")
    return {"wallets_session": token}


@pytest.fixture
async def signed_in(browser: Browser, session_cookie: dict[str, str], address: str) -> Browser:
    """The browser of an admin who has signed in."""
    browser.client.cookie_jar.update_cookies(session_cookie, URL(address))
    return browser
