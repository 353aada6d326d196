"""What the service says while the database is away, and what it does once it is back."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from service.app import create_app
from service.limits import Limits
from service.server import Runner

from . import UNKNOWN, Answer, Call, Condition, ReadState, Refused, Release, assert_problem, until

Terminate = Callable[[], Awaitable[None]]


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that is taken and on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
async def without_database(closed_port: int) -> AsyncIterator[aiohttp.ClientSession]:
    """A client of a service whose database is not there, and which does not try for long."""
    url = f"postgres://wallets:hunter2@127.0.0.1:{closed_port}/wallets"
    runner = Runner(create_app(url, limits=Limits(request_seconds=0.1)))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with aiohttp.ClientSession(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}") as session:
        yield session
    await runner.cleanup()


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


def assert_unavailable(answer: Answer) -> None:
    assert_problem(answer, 503, "database_unavailable")
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"/api/wallets/{UNKNOWN}/"),
        ("POST", f"/api/wallets/{UNKNOWN}/operation"),
        ("POST", "/api/wallets/"),
        ("GET", "/api/wallets/"),
        ("GET", f"/api/wallets/{UNKNOWN}/details"),
        ("GET", f"/api/wallets/{UNKNOWN}/operations/"),
        ("GET", f"/api/wallets/{UNKNOWN}/operations/{UNKNOWN}"),
    ],
)
async def test_every_call_is_told_to_come_again(
    without_database: aiohttp.ClientSession, method: str, path: str
) -> None:
    body = {"operation_type": "DEPOSIT", "amount": "1"} if method == "POST" else None
    async with without_database.request(method, path, json=body) as response:
        headers = {name.lower(): value for name, value in response.headers.items()}
        answer = Answer(response.status, headers, await response.read())
    assert_unavailable(answer)
    assert b"hunter2" not in answer.content


async def test_what_needs_no_database_is_answered_all_the_same(without_database: aiohttp.ClientSession) -> None:
    async with without_database.get("/api/wallets/none/") as response:
        assert (response.status, (await response.json())["code"]) == (404, "wallet_not_found")


async def test_it_is_not_ready_but_lives(without_database: aiohttp.ClientSession) -> None:
    async with without_database.get("/health/ready") as response:
        assert response.status == 503
        assert await response.json() == {"status": "database_unavailable", "detail": "the database does not answer"}
    async with without_database.get("/health/live") as response:
        assert (response.status, await response.json()) == (200, {"status": "live"})


@pytest.mark.parametrize("limits", [Limits(max_queued=0)])
async def test_more_requests_than_can_wait_are_told_to_come_again(apply: Call, refused: Refused) -> None:
    answer = await refused(apply("DEPOSIT", "1"), 503, "overloaded")
    assert answer.headers["retry-after"] == "1"


async def test_it_goes_on_after_all_its_sessions_were_ended(
    call: Call, wallet: str, apply: Call, terminate: Terminate
) -> None:
    await asyncio.gather(*(apply("DEPOSIT", "1") for _ in range(20)))
    await terminate()
    answers = []

    async def is_back() -> bool:
        answers.append(await call("GET", f"/api/wallets/{wallet}/"))
        return answers[-1].status == 200

    await until(is_back)
    for answer in answers[:-1]:
        assert_unavailable(answer)
    assert answers[-1].content == b'{"balance":20}'


async def test_an_operation_whose_session_is_ended_is_sent_again_and_applied_once(
    apply: Call, release: Release, is_waiting: Condition, terminate: Terminate, state: ReadState
) -> None:
    waiting = asyncio.create_task(apply("DEPOSIT", "1"))
    await until(is_waiting)
    await terminate()
    await release()
    answer = await waiting
    assert (answer.status, answer.json["new_balance"]) == (201, "1")
    assert [row["balance"] for row in (await state()).wallets] == [1]
    assert len((await state()).operations) == 1


@pytest.mark.parametrize("limits", [Limits(request_seconds=0.3)])
async def test_an_operation_that_was_given_up_is_applied_once_when_it_is_repeated(
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
