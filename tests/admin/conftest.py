"""An admin, and browsers on the admin page of a service whose password hashes are cheap."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from argon2 import PasswordHasher
from conftest import serving
from yarl import URL

from service.admin import session
from service.admin.passwords import PASSWORDS, Passwords
from service.app import create_app
from service.limits import Limits

from . import PASSWORD, USERNAME, Browser

Open = Callable[[], Browser]
CreateApp = Callable[..., web.Application]
CreateWallet = Callable[..., Awaitable[UUID]]

_TABLES = (
    "operations",
    "rejections",
    "verifications",
    "wallets",
    "audit",
    "login_attempts",
    "admin_sessions",
    "admins",
    "api_keys",
)
_CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(scope="session")
def passwords() -> Passwords:
    """Hashes with parameters that take no time, unlike the service's own."""
    return Passwords(_CHEAP)


@pytest.fixture(scope="session")
def create_admin_app() -> CreateApp:
    """Creates the service's application, with cheap hashes."""

    def start(database_url: str, **options: Any) -> web.Application:
        app = create_app(database_url, **options)
        app[PASSWORDS] = Passwords(_CHEAP)
        return app

    return start


@pytest.fixture(scope="module")
async def module_address(module_database_url: str, create_admin_app: CreateApp) -> AsyncIterator[str]:
    async with serving(create_admin_app(module_database_url)) as address:
        yield address


@pytest.fixture
async def own_address(database_url: str, create_admin_app: CreateApp, limits: Limits) -> AsyncIterator[str]:
    async with serving(create_admin_app(database_url, limits=limits)) as address:
        yield address


@pytest.fixture(scope="session")
async def password_hash(passwords: Passwords) -> str:
    """The hash of PASSWORD."""
    return await passwords.digest(PASSWORD)


@pytest.fixture(autouse=True)
def emptied(request: pytest.FixtureRequest) -> None:
    """Gives each test of a file with a shared database an empty one."""
    if request.node.get_closest_marker("shared_database"):
        request.getfixturevalue("emptied_database")


@pytest.fixture(scope="module")
async def module_superuser(module_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(module_database_url)
    # Ignores the triggers that keep tables append-only.
    await connection.execute("set session_replication_role = replica")
    yield connection
    await connection.close()


@pytest.fixture
async def emptied_database(module_superuser: asyncpg.Connection) -> None:
    await module_superuser.execute("".join(f"delete from wallet.{table};" for table in _TABLES))


@pytest.fixture
async def admin(app_connection: asyncpg.Connection, password_hash: str) -> str:
    """The username of an admin, whose password is PASSWORD."""
    await app_connection.execute("select wallet.create_admin($1, $2)", USERNAME, password_hash)
    return USERNAME


@pytest.fixture
async def open_browser(address: str) -> AsyncIterator[Open]:
    """Opens browsers that share no cookies."""
    async with AsyncExitStack() as opened:

        def start() -> Browser:
            # unsafe: accepts cookies from an IP address too.
            client = aiohttp.ClientSession(address, cookie_jar=aiohttp.CookieJar(unsafe=True))
            opened.push_async_callback(client.close)
            return Browser(client)

        yield start


@pytest.fixture
async def browser(open_browser: Open) -> Browser:
    """A browser that is not signed in."""
    return open_browser()


@pytest.fixture
async def session_cookie(admin: str, app_connection: asyncpg.Connection) -> dict[str, str]:
    """The cookie of an admin who has signed in."""
    token = session.new_token()
    await app_connection.execute("select wallet.begin_session($1, $2, '127.0.0.1')", admin, token)
    return {"wallets_session": token}


@pytest.fixture
async def signed_in(browser: Browser, session_cookie: dict[str, str], address: str) -> Browser:
    """The browser of an admin who has signed in."""
    browser.client.cookie_jar.update_cookies(session_cookie, URL(address))
    assert await browser.is_signed_in()
    return browser


@pytest.fixture
def create_wallet(app_connection: asyncpg.Connection) -> CreateWallet:
    """Creates a wallet: `await create_wallet("Ann", currency="RUB", balance=100)`."""

    async def create(name: str | None = None, currency: str = "RUB", balance: int = 0) -> UUID:
        wallet_id: UUID = await app_connection.fetchval("select id from wallet.create_wallet($1, $2)", name, currency)
        if balance:
            await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', $2)", wallet_id, balance)
        return wallet_id

    return create
