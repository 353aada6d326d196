"""A wallet made over HTTP, calls of the API, and the proof that what was refused has changed nothing."""

import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from service import keys
from service.app import create_app
from service.log import JsonFormatter
from service.server import Runner

from . import (
    Answer,
    Call,
    Condition,
    Connect,
    Exchange,
    MakeKey,
    ReadLog,
    ReadState,
    Refused,
    Release,
    State,
    Wire,
    assert_problem,
)


@pytest.fixture
def call(client: aiohttp.ClientSession) -> Call:
    """A request and its whole response: `await call("POST", "/api/…", json={…})`."""

    async def request(method: str, path: str, **options: Any) -> Answer:
        async with client.request(method, path, **options) as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, headers, await response.read())

    return request


@pytest.fixture
async def wallet(call: Call) -> str:
    """The id of an empty wallet."""
    answer = await call("POST", "/api/wallets/", json={})
    return str(UUID(answer.json["id"]))


@pytest.fixture
def apply(call: Call, wallet: str) -> Call:
    """An operation on the wallet: `await apply("DEPOSIT", "100", "key")`."""

    async def post_operation(operation_type: object, amount: object, key: str | None = None) -> Answer:
        return await call(
            "POST",
            f"/api/wallets/{wallet}/operation",
            json={"operation_type": operation_type, "amount": amount},
            headers={} if key is None else {"Idempotency-Key": key},
        )

    return post_operation


@pytest.fixture
def state(owner_connection: asyncpg.Connection) -> ReadState:
    """Reads every wallet and every operation."""

    async def read() -> State:
        return State(
            await owner_connection.fetch("select * from wallet.wallets order by id"),
            await owner_connection.fetch("select * from wallet.operations order by wallet_id, seq"),
        )

    return read


@pytest.fixture
def refused(state: ReadState) -> Refused:
    """Expects a request to be answered with a problem and to change nothing: `await refused(call(…), 400, "…")`."""

    async def expect(request: Awaitable[Answer], status: int, code: str) -> Answer:
        before = await state()
        answer = await request
        assert_problem(answer, status, code)
        assert await state() == before
        return answer

    return expect


@pytest.fixture
async def connect(address: str) -> AsyncIterator[Connect]:
    """Opens TCP connections to the service."""
    opened: list[Wire] = []
    parts = urlsplit(address)

    async def open_connection() -> Wire:
        assert parts.hostname is not None
        assert parts.port is not None
        opened.append(await Wire.connect(parts.hostname, parts.port))
        return opened[-1]

    yield open_connection
    for wire in opened:
        await wire.close()


@pytest.fixture
def exchange(connect: Connect) -> Exchange:
    """Sends bytes on a connection of their own; gives the answer."""

    async def send(content: bytes) -> Answer:
        wire = await connect()
        await wire.send(content)
        return await wire.answer()

    return send


@pytest.fixture
def read_log() -> Iterator[ReadLog]:
    """Records all logs from info on, as the service writes them; reads the lines so far."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
async def release(wallet: str, database_url: str) -> AsyncIterator[Release]:
    """Holds the lock of the wallet's row; call it to let go."""
    connection = await asyncpg.connect(database_url)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("select from wallet.wallets where id = $1 for no key update", wallet)
    yield transaction.rollback
    await connection.close()


@pytest.fixture
def is_waiting(maintenance: asyncpg.Connection, database_url: str) -> Condition:
    """Whether a session of the service waits for a lock."""

    async def condition() -> bool:
        return bool(
            await maintenance.fetchval(
                "select exists (select from pg_stat_activity "
                "where datname = $1 and application_name = 'wallets' and wait_event_type = 'Lock')",
                urlsplit(database_url).path.strip("/"),
            )
        )

    return condition


@pytest.fixture
async def guarded_address(database_url: str) -> AsyncIterator[str]:
    """The service, for holders of keys alone."""
    runner = Runner(create_app(database_url, auth=True))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def make_key(app_connection: asyncpg.Connection) -> MakeKey:
    """Makes a key: `await make_key("operate")`."""

    async def make(scope: str, name: str = "shop", rate_limit: int | None = None) -> str:
        key = keys.draw()
        await app_connection.execute(
            "select wallet.create_api_key($1, $2, $3, $4)", name, scope, keys.digest(key), rate_limit
        )
        return key

    return make
