"""A stop of the service: nothing new is let in, nothing that is in flight is lost."""

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


async def is_refused(host: str, port: int) -> bool:
    try:
        wire = await Wire.connect(host, port)
        await wire.close()
    except ConnectionError:
        return True
    return False


async def test_a_request_in_flight_is_finished_and_no_other_is_let_in(
    runner: Runner, wire: Wire, wallet: str, release: Release, is_waiting: Condition
) -> None:
    host, port = runner.addresses[0][:2]
    body = b'{"operation_type": "DEPOSIT", "amount": "7"}'
    await wire.send(post(f"/api/wallets/{wallet}/operation", body))
    await until(is_waiting)
    stopping = asyncio.create_task(runner.cleanup())
    await until(lambda: is_refused(host, port))
    assert not stopping.done()
    await release()
    answer = await wire.answer()
    assert (answer.status, answer.json["new_balance"]) == (201, "7")
    assert await wire.end() == b""
    await stopping


def test_it_waits_longer_than_a_request_takes_at_most() -> None:
    longest = Limits().body_seconds + CONNECT_SECONDS + RESPONSE_SECONDS
    assert Runner(create_app("postgres://"))._shutdown_timeout > longest


async def test_a_connection_without_a_request_does_not_hold_it_up(runner: Runner, wire: Wire) -> None:
    await wire.send(get("/health/live"))
    assert (await wire.answer()).status == 200
    await runner.cleanup()
    assert await wire.end() == b""
