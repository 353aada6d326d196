"""A wallet created over HTTP, calls of the API, and the proof that a rejected request changed nothing."""

import io
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from conftest import serving

from service import api_keys
from service.app import create_app
from service.limits import Limits
from service.log import JsonFormatter

from . import (
    Call,
    Condition,
    Connect,
    CreateKey,
    Exchange,
    ExpectProblem,
    ReadLog,
    ReadState,
    Release,
    Response,
    State,
    Wire,
    assert_problem,
)


@pytest.fixture
def call(client: aiohttp.ClientSession) -> Call:
    """A request and its whole response: `await call("POST", "/api/…", json={…})`."""

    async def request(method: str, path: str, **options: Any) -> Response:
        async with client.request(method, path, **options) as response:
            return await Response.read(response)

    return request


@pytest.fixture
async def wallet(call: Call) -> str:
    """The id of an empty wallet."""
    return str(UUID((await call("POST", "/api/wallets/", json={})).json["id"]))


@pytest.fixture
def apply(call: Call, wallet: str) -> Call:
    """An operation on the wallet: `await apply("DEPOSIT", "100", "key")`."""

    async def post_operation(operation_type: object, amount: object, key: str | None = None) -> Response:
        return await call(
            "POST",
            f"/api/wallets/{wallet}/operation",
            json={"operation_type": operation_type, "amount": amount},
            headers={} if key is None else {"Idempotency-Key": key},
        )

    return post_operation


@pytest.fixture
def state(owner_connection: asyncpg.Connection) -> ReadState:
    """Reads the wallets and their operations, or one wallet and its: `await state(wallet)`."""

    async def read(wallet_id: str | None = None) -> State:
        return State(
            await owner_connection.fetch(
                "select * from wallet.wallets where id = coalesce($1, id) order by id", wallet_id
            ),
            await owner_connection.fetch(
                "select * from wallet.operations where wallet_id = coalesce($1, wallet_id) order by wallet_id, seq",
                wallet_id,
            ),
        )

    return read


@pytest.fixture
def expect_problem(state: ReadState) -> ExpectProblem:
    """Expects a problem in response to each request, and that nothing changed; gives the last response.

    `await expect_problem(call(…), 400, "…")`, or a list of calls.
    """

    async def expect(requests: Awaitable[Response] | list[Awaitable[Response]], status: int, code: str) -> Response:
        before = await state()
        responses = [await request for request in (requests if isinstance(requests, list) else [requests])]
        found = [(response.status, response.json.get("code")) for response in responses]
        assert found == [(status, code)] * len(responses)
        for response in responses:
            assert_problem(response, status, code)
        assert await state() == before
        return responses[-1]

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
    """Sends bytes on a new connection; gives the response."""

    async def send(content: bytes) -> Response:
        wire = await connect()
        await wire.send(content)
        return await wire.response()

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
async def guarded_address(database_url: str, limits: Limits) -> AsyncIterator[str]:
    """The service, open only to requests with an API key."""
    async with serving(create_app(database_url, auth=True, limits=limits)) as address:
        yield address


@pytest.fixture
def create_key(app_connection: asyncpg.Connection) -> CreateKey:
    """Creates an API key: `await create_key("operate")`."""

    async def create(scope: str, name: str | None = None, rate_limit: int | None = None) -> str:
        key = api_keys.generate()
        await app_connection.execute(
            "select wallet.create_api_key($1, $2, $3, $4)", name or uuid4().hex, scope, api_keys.digest(key), rate_limit
        )
        return key

    return create
