"""A real PostgreSQL for the run, migrated databases on it, and the service over HTTP.

Each test has a database of its own, unless its file says `pytestmark = pytest.mark.shared_database`: then the tests of
the file share one, with the connections and the service on it, and each test works on wallets that it creates. There,
`own_database_url` and its like are for a test that changes more.
"""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from service import deploy
from service.app import create_app
from service.database.connection import session_settings
from service.embedded import EmbeddedPostgres
from service.limits import DEFAULT, Limits
from service.server import Runner

_SHARED_MEMORY = Path("/dev/shm")
_NEEDED = 4 << 30
_PREFIX = "wallets-test-server-"
# It reads until the run ends. A killed run's server stops by itself: it gets ten seconds.
_REMOVE = """
read -r _
for _ in $(seq 100); do test -e "$0/postgres/postmaster.pid" && sleep 0.1; done
until rm -rf "$0"; do sleep 0.1; done
"""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shared_database: the tests of the file share one database")


@pytest.fixture(scope="session")
async def server_url(server_directory: Path) -> AsyncIterator[str]:
    """A server on which the tests may create databases: TEST_DATABASE_URL, or an embedded one."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    settings = {"fsync": "off", "max_connections": "200", "shared_buffers": "128MB", "max_wal_size": "256MB"}
    # Its shared memory lies in the directory too, which is removed even after a kill.
    server = EmbeddedPostgres(server_directory, settings | {"dynamic_shared_memory_type": "mmap"})
    await server.start()
    yield server.url
    await server.stop()


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    """An empty directory, removed when the run ends, however it ends."""
    # In memory, a database is copied in a tenth of the time.
    has_memory = _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free > _NEEDED
    parent = _SHARED_MEMORY if has_memory else Path(tempfile.gettempdir())
    with _locked(parent):
        for leftover in parent.glob(f"{_PREFIX}*"):
            with contextlib.suppress(OSError), _locked(leftover, fcntl.LOCK_NB):
                shutil.rmtree(leftover)
        directory = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        alive = contextlib.ExitStack()
        alive.enter_context(_locked(directory))
    directory.chmod(0o755)  # root runs the server as another user
    remover = subprocess.Popen(
        ["sh", "-c", _REMOVE, directory],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    with remover, alive:
        yield directory


@contextlib.contextmanager
def _locked(directory: Path, flags: int = 0) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | flags)
        yield
    finally:
        os.close(descriptor)


def renamed(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
async def maintenance(server_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that creates and drops databases."""
    connection = await asyncpg.connect(renamed(server_url, "postgres"))
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def template(server_url: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    """The name of a migrated database without connections, created once per run."""
    name = f"wallets_template_{uuid4().hex}"
    await deploy.migrate(renamed(server_url, name))
    yield name
    await maintenance.execute(f"drop database {name} with (force)")


@contextlib.asynccontextmanager
async def _database(server_url: str, maintenance: asyncpg.Connection, template: str) -> AsyncIterator[str]:
    name = f"wallets_test_{uuid4().hex}"
    # Without fsync, copying the files is quicker than logging every page.
    strategy = "file_copy" if await maintenance.fetchval("show fsync") == "off" else "wal_log"
    await maintenance.execute(f"create database {name} template {template} strategy {strategy}")
    yield renamed(server_url, name)
    await maintenance.execute(f"drop database {name} with (force)")


@contextlib.asynccontextmanager
async def _closing(opening: Awaitable[asyncpg.Connection]) -> AsyncIterator[asyncpg.Connection]:
    connection = await opening
    yield connection
    await connection.close()


async def connect_directly(url: str) -> asyncpg.Connection:
    """A connection with the rights of wallet_app that, unlike the service's own, waits for locks without a limit."""
    return await asyncpg.connect(url, server_settings=session_settings(url) | {"lock_timeout": "0"})


async def connect_as_owner(url: str) -> asyncpg.Connection:
    """A connection with the rights of wallet_owner, which owns all tables."""
    return await asyncpg.connect(url, server_settings={"role": "wallet_owner"})


@contextlib.asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[str]:
    """The address of a service over HTTP."""
    runner = Runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture(scope="module")
async def module_database_url(server_url: str, maintenance: asyncpg.Connection, template: str) -> AsyncIterator[str]:
    async with _database(server_url, maintenance, template) as url:
        yield url


@pytest.fixture
async def own_database_url(server_url: str, maintenance: asyncpg.Connection, template: str) -> AsyncIterator[str]:
    async with _database(server_url, maintenance, template) as url:
        yield url


@pytest.fixture(scope="module")
async def module_app_connection(module_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with _closing(connect_directly(module_database_url)) as connection:
        yield connection


@pytest.fixture
async def own_app_connection(own_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with _closing(connect_directly(own_database_url)) as connection:
        yield connection


@pytest.fixture(scope="module")
async def module_owner_connection(module_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with _closing(connect_as_owner(module_database_url)) as connection:
        yield connection


@pytest.fixture
async def own_owner_connection(own_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    async with _closing(connect_as_owner(own_database_url)) as connection:
        yield connection


@pytest.fixture(scope="module")
async def module_address(module_database_url: str) -> AsyncIterator[str]:
    async with serving(create_app(module_database_url)) as address:
        yield address


@pytest.fixture
async def own_address(database_url: str, limits: Limits) -> AsyncIterator[str]:
    async with serving(create_app(database_url, limits=limits)) as address:
        yield address


@pytest.fixture
def limits() -> Limits:
    """The service's limits; a test sets its own by `@pytest.mark.parametrize("limits", [Limits(…)])`."""
    return DEFAULT


def _of_file_or_test(request: pytest.FixtureRequest, name: str, *, can_be_shared: bool = True) -> Any:
    is_shared = can_be_shared and request.node.get_closest_marker("shared_database")
    return request.getfixturevalue(f"{'module' if is_shared else 'own'}_{name}")


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> Any:
    """The URL of a migrated database."""
    return _of_file_or_test(request, "database_url")


@pytest.fixture
def app_connection(request: pytest.FixtureRequest) -> Any:
    """A connection with the rights of wallet_app."""
    return _of_file_or_test(request, "app_connection")


@pytest.fixture
def owner_connection(request: pytest.FixtureRequest) -> Any:
    """A connection with the rights of wallet_owner."""
    return _of_file_or_test(request, "owner_connection")


@pytest.fixture
def address(request: pytest.FixtureRequest, limits: Limits) -> Any:
    """The address of the service over HTTP."""
    return _of_file_or_test(request, "address", can_be_shared=limits is DEFAULT)


@pytest.fixture
async def client(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the service: `client.get("/api/…")`."""
    async with aiohttp.ClientSession(base_url=address) as session:
        yield session
