"""service.database.batcher: few calls for many requests, and a row or an error for each, whatever the database does."""

import asyncio
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
import asyncpg
import pytest
from conftest import serving
from ledger import Database

from service import errors
from service.app import create_app
from service.database import calls
from service.database.batcher import BalanceRequest, Batcher, Operation, Row
from service.database.pool import POOL, open_pool
from service.errors import Problem
from service.limits import Limits

Apply = Callable[[Sequence[Operation]], Awaitable[Sequence[Row]]]
Operations = Batcher[Operation]

LOST = ConnectionResetError("connection lost")
LOCK = "select from wallet.wallets where id = any($1) for no key update"


async def echo(operations: Sequence[Operation]) -> Sequence[Row]:
    """A database that returns each operation as its row."""
    return operations


async def poisoned(operations: Sequence[Operation]) -> Sequence[Row]:
    """A database that fails every call with an operation whose key begins with `poison`."""
    if any(operation.idempotency_key.startswith("poison") for operation in operations):
        raise asyncpg.DataError("unforeseen value")
    return operations


class Recorder:
    """Records the calls, and holds them until `go_on` is set. The first ones fail: before or after they are applied."""

    def __init__(self, apply: Apply = echo, before: Iterable[Exception] = (), after: Iterable[Exception] = ()) -> None:
        self.apply = apply
        self.calls: list[list[Operation]] = []
        self.failures: list[Exception] = []
        self.go_on = asyncio.Event()
        self.go_on.set()
        self._before, self._after = list(before), list(after)
        self._begun = asyncio.Condition()

    async def has_begun(self, count: int) -> None:
        async with asyncio.timeout(30), self._begun:
            await self._begun.wait_for(lambda: len(self.calls) >= count)

    async def __call__(self, operations: Sequence[Operation]) -> Sequence[Row]:
        self.calls.append(list(operations))
        async with self._begun:
            self._begun.notify_all()
        await self.go_on.wait()
        try:
            if self._before:
                raise self._before.pop()
            rows = await self.apply(operations)
            if self._after:
                raise self._after.pop()
        except Exception as exc:
            self.failures.append(exc)
            raise
        return rows


@pytest.fixture(scope="module")
async def database(module_database_url: str) -> AsyncIterator[Database]:
    """The file's database, in which every wallet must be sound in the end."""
    async with Database.connect(module_database_url) as database:
        yield database
        assert await database.broken_wallets() == []


@pytest.fixture(scope="module")
async def pool(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """The service's own pool, with its settings and time limits."""
    app = create_app(database.url)
    async with asynccontextmanager(open_pool)(app):
        yield app[POOL]


@pytest.fixture
def apply(pool: asyncpg.Pool) -> Apply:
    """Applies operations in the database."""
    return lambda operations: calls.apply_operations(pool, operations)


class Sessions:
    """The service's sessions, as the database sees them."""

    _FROM = "from pg_stat_activity where application_name = 'wallets' and datname = $1 and pid <> $2"

    def __init__(self, maintenance: asyncpg.Connection, database: Database) -> None:
        self._maintenance = maintenance
        self._whose = (urlsplit(database.url).path[1:], database.app.get_server_pid())

    async def until_one_waits(self) -> None:
        query = f"select exists (select {self._FROM} and pg_blocking_pids(pid) <> '{{}}')"
        async with asyncio.timeout(30):
            while not await self._maintenance.fetchval(query, *self._whose):
                pass

    async def kill(self) -> int:
        return len(await self._maintenance.fetch(f"select pg_terminate_backend(pid) {self._FROM}", *self._whose))


def deposits(count: int, name: str = "key", wallet_id: UUID = UUID(int=1)) -> list[Operation]:  # noqa: B008
    return [Operation(str(wallet_id), "DEPOSIT", 1, f"{name}-{index}") for index in range(count)]


async def rows(*results: Awaitable[Row]) -> list[Row]:
    return await asyncio.wait_for(asyncio.gather(*results), 30)


async def outcomes(*results: Awaitable[Row]) -> list[Any]:
    return await asyncio.wait_for(asyncio.gather(*results, return_exceptions=True), 30)


def balances(rows: Iterable[Row]) -> list[int]:
    return [row["new_balance"] for row in rows]


def held(**limits: Any) -> tuple[Recorder, Operations]:
    """A batcher whose calls wait for `go_on`."""
    recorder = Recorder()
    recorder.go_on.clear()
    return recorder, Batcher(recorder, Limits(**limits))


# Which requests share a call


async def test_requests_during_a_call_form_the_next_batch() -> None:
    recorder, batcher = held()
    first, *others = deposits(6)
    results = [batcher.apply(first)]
    await asyncio.sleep(0)  # runs what is ready, and no timer: a lone request is sent at once
    assert recorder.calls == [[first]]
    results += map(batcher.apply, others)
    await asyncio.sleep(0)
    assert batcher.queued == 5
    recorder.go_on.set()
    assert await rows(*results) == [first, *others]
    assert recorder.calls == [[first], others]


async def test_many_queued_requests_begin_a_second_call_not_a_third() -> None:
    recorder, batcher = held(second_call_at=3)
    operations = deposits(10)
    results = [batcher.apply(operations[0])]
    await recorder.has_begun(1)
    results += map(batcher.apply, operations[1:3])
    await asyncio.sleep(0)  # runs what is ready
    assert recorder.calls == [operations[:1]]
    results.append(batcher.apply(operations[3]))
    await recorder.has_begun(2)
    results += map(batcher.apply, operations[4:])
    await asyncio.sleep(0)  # runs what is ready
    assert recorder.calls == [operations[:1], operations[1:4]]
    recorder.go_on.set()
    await rows(*results)
    assert recorder.calls == [operations[:1], operations[1:4], operations[4:]]


async def test_a_batch_has_a_maximum_size() -> None:
    recorder = Recorder()
    batcher = Batcher[Operation](recorder, Limits(max_batch=3))
    operations = deposits(7)
    assert await rows(*map(batcher.apply, operations)) == operations
    assert recorder.calls == [operations[:3], operations[3:6], operations[6:]]


async def test_each_request_gets_its_own_row(database: Database, apply: Apply, pool: asyncpg.Pool) -> None:
    wallets = [await database.wallet(10 * number) for number in range(1, 6)]
    batcher = Batcher[Operation](apply, Limits())
    results = await rows(*(batcher.apply(Operation(str(wallet), "WITHDRAW", 20, "key")) for wallet in wallets[::-1]))
    assert balances(results) == [30, 20, 10, 0, 10]
    assert [row["error_code"] for row in results] == [None] * 4 + ["WA002"]

    reader = Batcher[BalanceRequest](lambda requests: calls.get_balances(pool, requests), Limits())
    read = await rows(*(reader.apply(BalanceRequest(str(wallet))) for wallet in (wallets[4], UUID(int=0), wallets[2])))
    assert [row["balance"] for row in read] == [30, None, 10]


async def test_a_request_made_on_the_last_result_is_sent_too() -> None:
    # The result wakes its caller before the event loop has ended the task of the call.
    batcher = Batcher[Operation](echo, Limits())
    for operation in deposits(3):
        assert await rows(batcher.apply(operation)) == [operation]


async def test_apply_all_does_not_delay_a_single_request() -> None:
    recorder, batcher = held()
    many, single = deposits(5), deposits(1, "single")
    bulk = asyncio.create_task(batcher.apply_all(many))
    await recorder.has_begun(1)
    result = batcher.apply(single[0])
    await recorder.has_begun(2)
    assert recorder.calls == [many, single]
    recorder.go_on.set()
    assert await rows(result, bulk) == [single[0], many]
    assert await batcher.apply_all([]) == []
    assert len(recorder.calls) == 2


# Too many requests


async def test_a_full_queue_rejects_until_it_was_sent() -> None:
    recorder, batcher = held(max_queued=3)
    *accepted, rejected = deposits(5)
    results = [batcher.apply(accepted[0])]
    await recorder.has_begun(1)
    results += map(batcher.apply, accepted[1:])
    with pytest.raises(Problem) as problem:
        batcher.apply(rejected)
    assert problem.value.kind is errors.OVERLOADED
    recorder.go_on.set()
    assert await rows(*results) == accepted
    assert await rows(batcher.apply(rejected)) == [rejected]
    assert recorder.calls == [accepted[:1], accepted[1:], [rejected]]


@pytest.mark.parametrize(("small_calls", "room"), [(0, 2), (1, 2), (60, 10)], ids=["none", "one", "many"])
async def test_a_slow_call_shortens_the_queue_for_a_while(small_calls: int, room: int) -> None:
    seconds = 0.2

    async def call(requests: Sequence[Operation]) -> Sequence[Row]:
        await asyncio.sleep(seconds)  # how long the database takes
        return requests

    batcher = Batcher[Operation](call, Limits(max_batch=2, max_queue_seconds=0.05, second_call_at=100))
    await rows(*map(batcher.apply, deposits(2)))  # a full batch
    seconds = 0
    for operation in deposits(small_calls):
        await rows(batcher.apply(operation))

    results = [batcher.apply(deposits(1)[0])]
    await asyncio.sleep(0)  # its call begins
    rejections = 0
    for operation in deposits(10):
        try:
            results.append(batcher.apply(operation))
        except Problem:
            rejections += 1
    assert (len(results) - 1, rejections) == (room, 10 - room)
    await rows(*results)


# Callers that give up


async def test_a_request_given_up_affects_no_other() -> None:
    recorder, batcher = held()
    operations = deposits(6)
    results = list(map(batcher.apply, operations[:3]))
    await recorder.has_begun(1)
    results += map(batcher.apply, operations[3:])
    for index in (1, 4):  # during its call, and in the queue
        results[index].cancel()
    recorder.go_on.set()
    assert await rows(*(results[index] for index in (0, 2, 3, 5))) == [operations[index] for index in (0, 2, 3, 5)]
    assert recorder.calls == [operations[:3], [operations[3], operations[5]]]


# The database goes away


@pytest.mark.parametrize("is_bulk", [False, True], ids=["apply", "apply_all"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_batch_lost_twice_is_applied_once(database: Database, apply: Apply, when: str, is_bulk: bool) -> None:
    wallet, poor = await database.wallet(), await database.wallet()
    recorder = Recorder(apply, **{when: [LOST, LOST]})
    batcher = Batcher[Operation](recorder, Limits())
    operations = [*deposits(3, wallet_id=wallet), Operation(str(poor), "WITHDRAW", 5, "rejected")]
    results: list[Any] = await (batcher.apply_all(operations) if is_bulk else rows(*map(batcher.apply, operations)))
    assert recorder.calls == [operations] * 3
    assert balances(results) == [1, 2, 3, 0]
    assert [row["error_code"] for row in results] == [None, None, None, "WA002"]
    after = await database.state(wallet, poor)
    assert ([row["balance_after"] for row in after.operations], len(after.rejections)) == ([1, 2, 3], 1)


async def test_a_killed_session_is_replaced(database: Database, apply: Apply, maintenance: asyncpg.Connection) -> None:
    wallet, sessions = await database.wallet(), Sessions(maintenance, database)
    recorder = Recorder(apply)
    batcher = Batcher[Operation](recorder, Limits())
    async with database.owner.transaction():
        await database.owner.execute(LOCK, [wallet])
        results = list(map(batcher.apply, deposits(3, wallet_id=wallet)))
        await sessions.until_one_waits()
        assert await sessions.kill() > 0
    assert balances(await rows(*results)) == [1, 2, 3]
    # Which of them is a matter of whether the server's last message arrives before the end of the connection.
    assert {getattr(failure, "sqlstate", None) for failure in recorder.failures} & {"57P01", "08003", "08006"}


@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
async def test_without_a_database_every_request_expires(hangs: bool) -> None:
    is_back = asyncio.Event()

    async def call(operations: Sequence[Operation]) -> Sequence[Row]:
        if hangs:
            await is_back.wait()
        if not is_back.is_set():
            raise LOST
        return operations

    batcher = Batcher[Operation](call, Limits(request_seconds=0.2, expiry_seconds=0.05))
    began_at = asyncio.get_running_loop().time()
    sent = batcher.apply(deposits(1, "sent")[0])
    await asyncio.sleep(0)  # its call begins
    problems = await outcomes(sent, *map(batcher.apply, deposits(3, "queued")))
    problems += await batcher.apply_all(deposits(2, "bulk"))
    assert asyncio.get_running_loop().time() - began_at >= 0.2
    assert [isinstance(problem, Problem) and problem.kind for problem in problems] == [errors.DATABASE_UNAVAILABLE] * 6
    assert [problem.headers for problem in problems if isinstance(problem, Problem)] == [{"Retry-After": "1"}] * 6

    is_back.set()
    async with asyncio.timeout(30):
        while isinstance((await outcomes(batcher.apply(deposits(1)[0])))[0], Problem):
            pass  # a busy machine may need longer than the limit
        await batcher.close()


async def test_finished_requests_are_forgotten_and_others_expire() -> None:
    recorder = Recorder()
    batcher = Batcher[Operation](recorder, Limits(request_seconds=30, expiry_seconds=0.01))
    result = batcher.apply(deposits(1)[0])
    await rows(result)
    forgotten = weakref.ref(result)
    del result
    async with asyncio.timeout(20):
        while forgotten() is not None:  # noqa: ASYNC110 -- nothing signals it
            await asyncio.sleep(0.01)

    recorder.go_on.clear()
    batcher = Batcher[Operation](recorder, Limits(request_seconds=0.1, expiry_seconds=0.15))
    given_up, late = map(batcher.apply, deposits(2))
    given_up.cancel()  # before the deadlines of both are looked at
    (problem,) = await outcomes(late)
    assert isinstance(problem, Problem)
    assert problem.kind is errors.DATABASE_UNAVAILABLE
    recorder.go_on.set()


@pytest.mark.parametrize("error", [asyncpg.DeadlockDetectedError, asyncpg.SerializationError])
async def test_conflicting_operations_are_retried(
    database: Database, apply: Apply, error: type[asyncpg.PostgresError]
) -> None:
    wallets = [await database.wallet() for _ in range(3)]
    recorder = Recorder(apply, after=[error("conflict") for _ in range(8)])
    batcher = Batcher[Operation](recorder, Limits(retry_seconds=0.001))
    results = [batcher.apply(operation) for wallet in wallets for operation in deposits(2, wallet_id=wallet)]
    assert balances(await rows(*results)) == [1, 2] * 3


# Requests at fault


@pytest.mark.parametrize("is_bulk", [False, True], ids=["apply", "apply_all"])
async def test_requests_at_fault_fail_alone_after_few_calls(is_bulk: bool) -> None:
    for count, at_fault in ((1, {0}), (2, {0}), (3, {1}), (100, {33}), (1000, {333}), (43, {20, 21, 22})):
        recorder = Recorder(poisoned)
        batcher = Batcher[Operation](recorder, Limits())
        operations = deposits(count)
        for index in at_fault:
            operations[index] = operations[index]._replace(idempotency_key=f"poison-{index}")
        results = await (batcher.apply_all(operations) if is_bulk else outcomes(*map(batcher.apply, operations)))
        assert {index for index, result in enumerate(results) if isinstance(result, asyncpg.DataError)} == at_fault
        assert all(result == operations[index] for index, result in enumerate(results) if index not in at_fault)
        assert len(recorder.calls) <= 1 + 2 * len(at_fault) * (count - 1).bit_length()


async def test_a_request_at_fault_given_up_blocks_no_other() -> None:
    recorder, batcher = held()
    recorder.apply = poisoned
    (at_fault,), (other,) = deposits(1, "poison"), deposits(1)
    given_up = batcher.apply(at_fault)
    await recorder.has_begun(1)
    result = batcher.apply(other)
    given_up.cancel()
    recorder.go_on.set()
    assert await rows(result) == [other]


# Locked wallets


async def test_a_locked_wallet_delays_its_own_operations_only(database: Database, apply: Apply) -> None:
    wallets = [await database.wallet() for _ in range(9)]
    locked, *others = wallets
    recorder = Recorder(apply)
    batcher = Batcher[Operation](recorder, Limits())
    async with database.owner.transaction():
        await database.owner.execute(LOCK, [locked])
        delayed = list(map(batcher.apply, deposits(3, wallet_id=locked)))
        results = [batcher.apply(operation) for wallet in others for operation in deposits(2, wallet_id=wallet)]
        assert balances(await rows(*results)) == [1, 2] * 8
        assert len(recorder.calls[0]) == 3 + 16
        assert isinstance(recorder.failures[0], asyncpg.LockNotAvailableError)
        # The locked wallet's operations stay together in one call, which no other request waits for.
        assert balances(await rows(batcher.apply(deposits(1, "late", others[0])[0]))) == [3]
        assert not any(result.done() for result in delayed)
        assert deposits(3, wallet_id=locked) in recorder.calls
    assert balances(await rows(*delayed)) == [1, 2, 3]


@pytest.mark.parametrize("locked", [UUID(int=0), UUID(int=2)], ids=["first", "last"])
async def test_the_operations_of_a_locked_wallet_may_be_most(locked: UUID) -> None:
    is_free = asyncio.Event()

    async def locking(operations: Sequence[Operation]) -> Sequence[Row]:
        if not is_free.is_set() and any(operation.wallet_id == str(locked) for operation in operations):
            raise asyncpg.LockNotAvailableError("locked")
        return operations

    recorder = Recorder(locking)
    batcher = Batcher[Operation](recorder, Limits())
    (first, *others), (other,) = deposits(5, wallet_id=locked), deposits(1)
    first_result, result, *results = map(batcher.apply, (first, other, *others))
    assert await rows(result) == [other]
    assert not any(delayed.done() for delayed in (first_result, *results))
    is_free.set()
    assert await rows(first_result, *results) == [first, *others]
    assert recorder.calls[-1] == [first, *others]


async def test_a_call_for_a_locked_wallet_does_not_delay_others(database: Database, apply: Apply) -> None:
    locked, other = await database.wallet(), await database.wallet()
    recorder = Recorder(apply)
    batcher = Batcher[Operation](recorder, Limits())
    async with database.owner.transaction():
        await database.owner.execute(LOCK, [locked])
        delayed = batcher.apply(deposits(1, wallet_id=locked)[0])
        await recorder.has_begun(1)
        assert balances(await rows(*map(batcher.apply, deposits(3, wallet_id=other)))) == [1, 2, 3]
        assert not delayed.done()
    assert balances(await rows(delayed)) == [1]


async def test_a_wallet_that_stays_locked_expires(database: Database, apply: Apply) -> None:
    wallet = await database.wallet()
    batcher = Batcher[Operation](apply, Limits(request_seconds=0.3, expiry_seconds=0.05))
    async with database.owner.transaction():
        await database.owner.execute(LOCK, [wallet])
        (problem,) = await outcomes(batcher.apply(deposits(1, wallet_id=wallet)[0]))
        await batcher.close()
    assert problem.kind is errors.DATABASE_UNAVAILABLE
    assert (await database.state(wallet)).operations == []


# The end


async def test_close_waits_for_everything_accepted() -> None:
    recorder = Recorder(poisoned, before=[LOST, LOST])
    recorder.go_on.clear()
    batcher = Batcher[Operation](recorder, Limits(max_batch=2))
    bulk = asyncio.create_task(batcher.apply_all([*deposits(3, "bulk"), *deposits(1, "poison")]))
    await recorder.has_begun(1)
    results = list(map(batcher.apply, deposits(5)))
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0)
    assert not closing.done()
    recorder.go_on.set()
    await asyncio.wait_for(closing, 30)
    assert [result.result() for result in results] == deposits(5)
    *applied, failed = await bulk
    assert (applied, type(failed)) == (deposits(3, "bulk"), asyncpg.DataError)
    await asyncio.wait_for(Batcher[Operation](echo, Limits()).close(), 30)


async def test_clients_do_not_notice_killed_sessions(own_database_url: str, maintenance: asyncpg.Connection) -> None:
    async with Database.connect(own_database_url) as database, serving(create_app(own_database_url)) as address:
        sessions = Sessions(maintenance, database)
        wallets = [await database.wallet() for _ in range(20)]

        async def deposit(client: aiohttp.ClientSession, number: int) -> tuple[int, str, int]:
            path = f"/api/wallets/{wallets[number % 20]}/operation"
            body = {"operation_type": "DEPOSIT", "amount": number + 1}
            async with client.post(path, json=body, headers={"Idempotency-Key": f"key-{number}"}) as response:
                return response.status, (await response.json()).get("operation_id"), number

        load: list[asyncio.Task[tuple[int, str, int]]] = []
        killed = 0
        async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as client:
            for wave in range(3):
                # With all wallets locked, calls run until their sessions are killed.
                async with database.owner.transaction():
                    await database.owner.execute(LOCK, wallets)
                    load += [asyncio.create_task(deposit(client, 200 * wave + number)) for number in range(200)]
                    await sessions.until_one_waits()
                    killed += await sessions.kill()
            responses = await asyncio.wait_for(asyncio.gather(*load), 60)
        assert killed >= 3
        assert {status for status, *_ in responses} == {201}
        ledger = {str(row["id"]): row["amount"] for row in (await database.state(*wallets)).operations}
        assert ledger == {operation_id: number + 1 for _, operation_id, number in responses}
        assert len(ledger) == 600
