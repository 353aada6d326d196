"""A stop of the service: no new request is accepted, and none in flight is lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from service.app import create_app
from service.database.connection import CONNECT_SECONDS
from service.database.pool import RESPONSE_SECONDS
from service.limits import Limits
from service.server import Runner

from . import Condition, Release, Wire, get, post, until


@pytest.fixture
async def runner(database_url: str) -> AsyncIterator[Runner]:
    """A second service on the same database, for the test to stop."""
    runner = Runner(create_app(database_url))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield runner
    if runner.server is not None:
        await runner.cleanup()


@pytest.fixture
async def wire(runner: Runner) -> AsyncIterator[Wire]:
    """A connection to it."""
    wire = await Wire.connect(*runner.addresses[0][:2])
    yield wire
    await wire.close()


async def test_a_request_in_flight_is_finished_and_no_other_accepted(
    runner: Runner, wire: Wire, wallet: str, release: Release, is_waiting: Condition
) -> None:
    host, port = runner.addresses[0][:2]

    async def is_closed() -> bool:
        try:
            await (await Wire.connect(host, port)).close()
        except ConnectionError:
            return True
        return False

    await wire.send(post(f"/api/wallets/{wallet}/operation", b'{"operation_type": "DEPOSIT", "amount": "7"}'))
    await until(is_waiting)
    stopping = asyncio.create_task(runner.cleanup())
    await until(is_closed)
    assert not stopping.done()
    await release()
    response = await wire.response()
    assert (response.status, response.json["new_balance"]) == (201, "7")
    assert await wire.end() == b""
    await stopping


def test_it_waits_longer_than_the_longest_request() -> None:
    longest = Limits().body_seconds + CONNECT_SECONDS + RESPONSE_SECONDS
    assert Runner(create_app("postgres://"))._shutdown_timeout > longest


async def test_an_idle_connection_does_not_delay_it(runner: Runner, wire: Wire) -> None:
    await wire.send(get("/health/live"))
    assert (await wire.response()).status == 200
    await runner.cleanup()
    assert await wire.end() == b""
