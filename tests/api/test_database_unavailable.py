"""What the service responds without its database, and what it does once the database is back."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from conftest import serving

from service.app import create_app
from service.limits import Limits

from . import UNKNOWN, Call, Condition, ExpectProblem, ReadState, Release, Response, assert_problem, until

Terminate = Callable[[], Awaitable[None]]


@pytest.fixture
async def without_database() -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a service whose database cannot be reached."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # taken, and nothing listens on it
        url = f"postgres://wallets:hunter2@127.0.0.1:{closed.getsockname()[1]}/wallets"
        async with (
            serving(create_app(url, limits=Limits(request_seconds=0.1))) as address,
            aiohttp.ClientSession(address) as session,
        ):
            yield session


@pytest.fixture
def terminate(maintenance: asyncpg.Connection, database_url: str) -> Terminate:
    """Ends all sessions of the service, as an operator's `pg_terminate_backend` or a restart does."""

    async def end() -> None:
        sessions = await maintenance.fetch(
            "select pid, pg_terminate_backend(pid) from pg_stat_activity "
            "where datname = $1 and application_name = 'wallets'",
            urlsplit(database_url).path.strip("/"),
        )
        assert sessions

        async def have_ended() -> bool:
            pids = [session["pid"] for session in sessions]
            left = await maintenance.fetchval("select count(*) from pg_stat_activity where pid = any($1)", pids)
            return bool(left == 0)

        await until(have_ended)

    return end


def assert_unavailable(response: Response) -> None:
    assert_problem(response, 503, "database_unavailable")
    assert response.headers["retry-after"] == "1"


async def test_every_route_responds_that_it_is_unavailable(without_database: aiohttp.ClientSession) -> None:
    for method, path in (
        ("GET", f"/api/wallets/{UNKNOWN}/"),
        ("POST", f"/api/wallets/{UNKNOWN}/operation"),
        ("POST", "/api/wallets/"),
        ("GET", "/api/wallets/"),
        ("GET", f"/api/wallets/{UNKNOWN}/details"),
        ("GET", f"/api/wallets/{UNKNOWN}/operations/"),
        ("GET", f"/api/wallets/{UNKNOWN}/operations/{UNKNOWN}"),
    ):
        body = {"operation_type": "DEPOSIT", "amount": "1"} if method == "POST" else None
        async with without_database.request(method, path, json=body) as got:
            response = await Response.read(got)
        assert_unavailable(response)
        assert b"hunter2" not in response.content


async def test_without_a_database_it_is_live_and_not_ready(without_database: aiohttp.ClientSession) -> None:
    for path, status, content in (
        ("/health/ready", 503, {"status": "database_unavailable", "detail": "the database does not respond"}),
        ("/health/live", 200, {"status": "live"}),
    ):
        async with without_database.get(path) as response:
            assert (response.status, await response.json()) == (status, content)
    async with without_database.get("/api/wallets/none/") as response:
        assert (response.status, (await response.json())["code"]) == (404, "wallet_not_found")


@pytest.mark.parametrize("limits", [Limits(max_queued=0)])
async def test_beyond_the_queue_a_request_is_overloaded(apply: Call, expect_problem: ExpectProblem) -> None:
    response = await expect_problem(apply("DEPOSIT", "1"), 503, "overloaded")
    assert response.headers["retry-after"] == "1"


async def test_it_recovers_when_its_sessions_were_terminated(
    call: Call, wallet: str, apply: Call, terminate: Terminate
) -> None:
    await asyncio.gather(*(apply("DEPOSIT", "1") for _ in range(20)))
    await terminate()
    responses = []

    async def is_back() -> bool:
        responses.append(await call("GET", f"/api/wallets/{wallet}/"))
        return responses[-1].status == 200

    await until(is_back)
    for response in responses[:-1]:
        assert_unavailable(response)
    assert responses[-1].content == b'{"balance":20}'


async def test_an_operation_in_a_terminated_session_is_applied_once(
    apply: Call, release: Release, is_waiting: Condition, terminate: Terminate, state: ReadState
) -> None:
    waiting = asyncio.create_task(apply("DEPOSIT", "1"))
    await until(is_waiting)
    await terminate()
    await release()
    response = await waiting
    assert (response.status, response.json["new_balance"]) == (201, "1")
    assert [row["balance"] for row in (await state()).wallets] == [1]
    assert len((await state()).operations) == 1


@pytest.mark.parametrize("limits", [Limits(request_seconds=0.3)])
async def test_an_expired_operation_is_applied_once_when_retried(
    apply: Call, release: Release, is_waiting: Condition, terminate: Terminate, state: ReadState
) -> None:
    waiting = asyncio.create_task(apply("DEPOSIT", "1", "key"))
    await until(is_waiting)
    await terminate()
    assert_unavailable(await waiting)
    await release()

    async def is_applied() -> bool:
        return (await apply("DEPOSIT", "1", "key")).status == 201

    await until(is_applied)
    assert [row["balance"] for row in (await state()).wallets] == [1]
    assert len((await state()).operations) == 1
