"""A real PostgreSQL for the run, a migrated copy of a template for each test, and the service on it over real HTTP."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
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
_ROOM = 4 << 30


@pytest.fixture(scope="session")
async def server_url() -> AsyncIterator[str]:
    """A server whose databases are ours to make: TEST_DATABASE_URL, or an embedded one for this run alone."""
    if url := os.environ.get("TEST_DATABASE_URL"):
        yield url
        return
    # Open to other users: as root, the server runs as another one.
    directory = Path(tempfile.mkdtemp(prefix="wallets-test-", dir=_in_memory()))
    directory.chmod(0o755)  # noqa: ASYNC240 -- nothing else runs yet
    server = EmbeddedPostgres(
        directory, {"fsync": "off", "max_connections": "200", "shared_buffers": "128MB", "max_wal_size": "256MB"}
    )
    await server.start()
    try:
        yield server.url
    finally:
        await server.stop()
        shutil.rmtree(directory)


def _in_memory() -> Path | None:
    """Where there are files without a disk: to copy a database there takes a tenth of the time."""
    return _SHARED_MEMORY if _SHARED_MEMORY.is_dir() and shutil.disk_usage(_SHARED_MEMORY).free > _ROOM else None


def renamed(url: str, name: str) -> str:
    """The URL of another database on the same server."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@pytest.fixture(scope="session")
async def maintenance(server_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection from which databases are made and dropped."""
    connection = await asyncpg.connect(renamed(server_url, "postgres"))
    yield connection
    await connection.close()


@pytest.fixture(scope="session")
async def template(server_url: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    """The name of a migrated database that nobody connects to, made once per run."""
    name = f"wallets_template_{uuid4().hex}"
    await deploy.migrate(renamed(server_url, name))
    yield name
    await maintenance.execute(f"drop database {name} with (force)")


@pytest.fixture
async def database_url(server_url: str, maintenance: asyncpg.Connection, template: str) -> AsyncIterator[str]:
    """A migrated database of the test's own."""
    name = f"wallets_test_{uuid4().hex}"
    # To copy the files is quicker than to log every page, but for the checkpoints that it takes.
    strategy = "file_copy" if await maintenance.fetchval("show fsync") == "off" else "wal_log"
    await maintenance.execute(f"create database {name} template {template} strategy {strategy}")
    yield renamed(server_url, name)
    await maintenance.execute(f"drop database {name} with (force)")


async def connect_directly(url: str) -> asyncpg.Connection:
    """A connection with the rights of wallet_app which, unlike the service's own, waits for a lock until it gets it."""
    return await asyncpg.connect(url, server_settings=session_settings(url) | {"lock_timeout": "0"})


@pytest.fixture
async def app_connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the rights of wallet_app, for who calls the functions directly."""
    connection = await connect_directly(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def owner_connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the rights of wallet_owner, which owns all tables."""
    connection = await asyncpg.connect(database_url, server_settings={"role": "wallet_owner"})
    yield connection
    await connection.close()


@pytest.fixture
def limits() -> Limits:
    """The service's limits; a test sets its own by `@pytest.mark.parametrize("limits", [Limits(…)])`."""
    return DEFAULT


@pytest.fixture
async def address(database_url: str, limits: Limits) -> AsyncIterator[str]:
    """Where the service answers over HTTP, on a database of the test's own."""
    runner = Runner(create_app(database_url, limits=limits))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
async def client(address: str) -> AsyncIterator[aiohttp.ClientSession]:
    """An HTTP client of the service: `client.get("/api/…")`."""
    async with aiohttp.ClientSession(base_url=address) as session:
        yield session
