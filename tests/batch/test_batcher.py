"""service.database.batcher: many requests, few calls, an answer to each whatever the database does."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from service import errors
from service.app import create_app
from service.database.batcher import BalanceRequest, Batcher, Operation, Row
from service.database.pool import POOL, open_pool
from service.errors import Problem
from service.limits import Limits

from . import Backends, CreateWallet, ReadState

Operations = Batcher[Operation]

UNREACHABLE = ConnectionRefusedError("nobody listens")


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """The service's own pool, with its settings and time limits."""
    app: web.Application = create_app(database_url)
    async with asynccontextmanager(open_pool)(app):
        yield app[POOL]


class Recorder:
    """Calls the database; knows every call, and can be told to wait before the next one or to fail it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self.calls: list[list[Operation]] = []
        self.failures: list[BaseException] = []
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()
        self._begun = asyncio.Condition()

    async def has_begun(self, count: int) -> None:
        """Returns once a number of calls have begun."""
        async with asyncio.timeout(10), self._begun:
            await self._begun.wait_for(lambda: len(self.calls) >= count)

    async def __call__(self, operations: Sequence[Operation]) -> Sequence[Row]:
        self.calls.append(list(operations))
        async with self._begun:
            self._begun.notify_all()
        await self.may_go_on.wait()
        try:
            return await self.apply(operations)
        except Exception as exc:
            self.failures.append(exc)
            raise

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Row]:
        rows: list[asyncpg.Record] = await self._pool.fetch(
            "select * from wallet.apply_operations($1, $2, $3, $4)", *zip(*operations, strict=True)
        )
        return rows

    @property
    def sizes(self) -> list[int]:
        return [len(call) for call in self.calls]


@pytest.fixture
def recorder(pool: asyncpg.Pool) -> Recorder:
    """The call that a batcher makes."""
    return Recorder(pool)


@pytest.fixture
async def batcher(recorder: Recorder, limits: Limits) -> AsyncIterator[Operations]:
    """A batcher over the recorder."""
    created = Batcher[Operation](recorder, limits)
    yield created
    await asyncio.wait_for(created.close(), 20)


def deposits(wallet_id: UUID, count: int, name: str = "key") -> list[Operation]:
    return [Operation(str(wallet_id), "DEPOSIT", 1, f"{name}-{place}") for place in range(count)]


async def answered(*answers: Awaitable[Row]) -> list[Row]:
    """The rows, which have to come soon."""
    return await asyncio.wait_for(asyncio.gather(*answers), 10)


def balances(rows: Iterable[Row]) -> list[int]:
    """The balances after each operation."""
    return [row["new_balance"] for row in rows]


# Which requests share a call


async def test_a_lone_request_is_sent_at_once(batcher: Operations, recorder: Recorder, wallet_id: UUID) -> None:
    (operation,) = deposits(wallet_id, 1)
    answer = batcher.apply(operation)
    await asyncio.sleep(0)  # lets the event loop begin what is ready to run, and no timer go off
    assert recorder.calls == [[operation]]
    assert (await answer)["new_balance"] == 1


async def test_requests_that_arrive_during_a_call_form_the_next_one(
    batcher: Operations, recorder: Recorder, wallet_id: UUID
) -> None:
    first, *others = deposits(wallet_id, 6)
    recorder.may_go_on.clear()
    answers = [batcher.apply(first)]
    await recorder.has_begun(1)
    answers += map(batcher.apply, others)
    recorder.may_go_on.set()
    rows = await answered(*answers)
    assert recorder.calls == [[first], others]
    assert balances(rows) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("limits", [Limits(second_call_at=3)])
async def test_when_many_wait_a_second_call_begins_but_never_a_third(
    batcher: Operations, recorder: Recorder, wallet_id: UUID
) -> None:
    operations = deposits(wallet_id, 10)
    recorder.may_go_on.clear()
    answers = [batcher.apply(operations[0])]
    await recorder.has_begun(1)
    answers += map(batcher.apply, operations[1:4])
    await recorder.has_begun(2)
    answers += map(batcher.apply, operations[4:])
    await asyncio.sleep(0)  # lets the event loop begin what is ready to run
    assert recorder.calls == [operations[:1], operations[1:4]]
    recorder.may_go_on.set()
    await answered(*answers)
    assert recorder.calls == [operations[:1], operations[1:4], operations[4:]]


async def test_every_request_gets_its_own_row(
    batcher: Operations, recorder: Recorder, create_wallet: CreateWallet
) -> None:
    wallets = [await create_wallet(balance=10 * number) for number in range(1, 6)]
    operations = [Operation(str(wallet), "WITHDRAW", 20, "key") for wallet in reversed(wallets)]
    rows = await answered(*map(batcher.apply, operations))
    assert recorder.sizes == [5]
    assert balances(rows) == [30, 20, 10, 0, 10]
    assert [row["error_code"] for row in rows] == [None] * 4 + ["WA002"]


@pytest.mark.parametrize("limits", [Limits(max_batch=3)])
async def test_a_call_takes_only_so_many_requests(batcher: Operations, recorder: Recorder, wallet_id: UUID) -> None:
    operations = deposits(wallet_id, 7)
    rows = await answered(*map(batcher.apply, operations))
    assert recorder.calls == [operations[:3], operations[3:6], operations[6:]]
    assert balances(rows) == [1, 2, 3, 4, 5, 6, 7]


async def test_a_request_made_as_soon_as_the_last_one_is_answered_is_answered_too(
    batcher: Operations, wallet_id: UUID
) -> None:
    # The answer of the last call wakes its waiter before the event loop has put the task of that call away.
    async def one_after_the_other() -> list[int]:
        return [(await batcher.apply(operation))["new_balance"] for operation in deposits(wallet_id, 3)]

    assert await asyncio.wait_for(one_after_the_other(), 5) == [1, 2, 3]


async def test_many_in_a_call_of_their_own_do_not_keep_a_single_one_waiting(
    batcher: Operations, recorder: Recorder, create_wallet: CreateWallet
) -> None:
    many, single = deposits(await create_wallet(), 5), deposits(await create_wallet(), 1)[0]
    recorder.may_go_on.clear()
    bulk = asyncio.create_task(batcher.apply_all(many))
    await recorder.has_begun(1)
    answer = batcher.apply(single)
    await recorder.has_begun(2)
    assert recorder.calls == [many, [single]]
    recorder.may_go_on.set()
    (row,) = await answered(answer)
    assert row["new_balance"] == 1
    assert balances(await bulk) == [1, 2, 3, 4, 5]


async def test_no_requests_in_a_call_of_their_own_are_no_call(batcher: Operations, recorder: Recorder) -> None:
    assert await batcher.apply_all([]) == []
    assert recorder.calls == []


async def test_balances_are_read_in_one_call_too(pool: asyncpg.Pool, create_wallet: CreateWallet) -> None:
    calls = []

    async def read(requests: Sequence[BalanceRequest]) -> Sequence[Row]:
        calls.append(len(requests))
        rows: list[asyncpg.Record] = await pool.fetch(
            "select * from wallet.get_balances($1)", *zip(*requests, strict=True)
        )
        return rows

    reader = Batcher[BalanceRequest](read, Limits())
    known = [await create_wallet(balance=number) for number in (5, 7)]
    asked = [known[1], UUID(int=0), known[0], known[1]]
    rows = await answered(*(reader.apply(BalanceRequest(str(wallet))) for wallet in asked))
    assert [row["balance"] for row in rows] == [7, None, 5, 7]
    assert calls == [4]
    await reader.close()


# Too many


@pytest.mark.parametrize("limits", [Limits(max_queued=3)])
async def test_beyond_the_queues_length_a_request_is_refused_at_once(
    batcher: Operations, recorder: Recorder, wallet_id: UUID
) -> None:
    recorder.may_go_on.clear()
    *accepted, refused = deposits(wallet_id, 5)
    answers = [batcher.apply(accepted[0])]
    await recorder.has_begun(1)
    answers += map(batcher.apply, accepted[1:])
    with pytest.raises(Problem) as problem:
        batcher.apply(refused)
    assert problem.value.kind is errors.OVERLOADED
    recorder.may_go_on.set()
    assert balances(await answered(*answers)) == [1, 2, 3, 4]
    assert refused not in [operation for call in recorder.calls for operation in call]


@pytest.mark.parametrize("limits", [Limits(max_queued=2)])
async def test_there_is_room_again_once_the_queue_was_sent(batcher: Operations, wallet_id: UUID) -> None:
    first, second, third = deposits(wallet_id, 3)
    await answered(batcher.apply(first), batcher.apply(second))
    assert (await batcher.apply(third))["new_balance"] == 3


@pytest.mark.parametrize(("small_calls", "room"), [(0, 2), (1, 2), (60, 10)], ids=["none", "one", "many"])
async def test_of_a_slow_database_no_more_wait_than_its_next_call_takes_until_many_small_calls_were_quick(
    small_calls: int, room: int
) -> None:
    seconds = 0.2

    async def call(requests: Sequence[Operation]) -> Sequence[Operation]:
        await asyncio.sleep(seconds)
        return requests

    batcher: Batcher[Operation] = Batcher(call, Limits(max_batch=2, max_queue_seconds=0.05))

    def ask(count: int) -> list[asyncio.Future[Any]]:
        return [batcher.apply(operation) for operation in deposits(uuid4(), count)]

    await answered(*ask(2))  # a full call
    seconds = 0
    for _ in range(small_calls):
        await answered(*ask(1))

    waiting = ask(1)
    await asyncio.sleep(0)  # lets its call begin
    refusals = []
    for _ in range(10):
        try:
            waiting += ask(1)
        except Problem as problem:
            refusals.append(problem.kind)
    assert (len(waiting) - 1, refusals) == (room, [errors.OVERLOADED] * (10 - room))
    await answered(*waiting)
    await batcher.close()


@pytest.mark.parametrize("limits", [Limits(max_queued=0)])
async def test_an_overloaded_service_says_when_to_come_back(
    client: aiohttp.ClientSession, wallet_id: UUID, state: ReadState
) -> None:
    deposit = {"operation_type": "DEPOSIT", "amount": "1"}
    async with client.post(f"/api/wallets/{wallet_id}/operation", json=deposit) as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "1")
        assert (await response.json(content_type="application/problem+json"))["code"] == "overloaded"
    assert (await state()).operations == []


# Clients that go away


async def test_a_request_that_was_given_up_before_it_was_sent_is_not_sent(
    batcher: Operations, recorder: Recorder, wallet_id: UUID, state: ReadState
) -> None:
    recorder.may_go_on.clear()
    operations = deposits(wallet_id, 4)
    answers = [batcher.apply(operations[0])]
    await recorder.has_begun(1)
    answers += map(batcher.apply, operations[1:])
    answers.pop(2).cancel()
    recorder.may_go_on.set()
    assert balances(await answered(*answers)) == [1, 2, 3]
    assert [row["idempotency_key"] for row in (await state()).operations] == ["key-0", "key-1", "key-3"]


async def test_a_request_that_is_given_up_while_under_way_changes_nothing_for_its_neighbours(
    batcher: Operations, recorder: Recorder, wallet_id: UUID
) -> None:
    recorder.may_go_on.clear()
    answers = list(map(batcher.apply, deposits(wallet_id, 3)))
    await recorder.has_begun(1)
    answers.pop(1).cancel()
    recorder.may_go_on.set()
    assert balances(await answered(*answers)) == [1, 3]
    assert recorder.sizes == [3]


# The database goes away


class LosesConnections(Recorder):
    """Loses its connection in its first calls: before they reach the database, or before its answers reach us."""

    lost_before: int = 0
    lost_after: int = 0

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Row]:
        if len(self.calls) <= self.lost_before:
            raise ConnectionResetError("lost before it was committed")
        rows = await super().apply(operations)
        if len(self.calls) <= self.lost_after:
            raise ConnectionResetError("lost after it was committed")
        return rows


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
async def test_after_a_lost_connection_the_same_batch_is_sent_again_and_applied_once(
    pool: asyncpg.Pool, create_wallet: CreateWallet, state: ReadState, lost: str
) -> None:
    wallet_id, poor = await create_wallet(), await create_wallet()
    call = LosesConnections(pool)
    setattr(call, lost, 2)
    batcher = Batcher[Operation](call, Limits())
    operations = [*deposits(wallet_id, 3), Operation(str(poor), "WITHDRAW", 5, "refused")]
    rows = await answered(*map(batcher.apply, operations))
    assert call.calls == [operations] * 3
    assert balances(rows) == [1, 2, 3, 0]
    assert [row["error_code"] for row in rows] == [None, None, None, "WA002"]
    after = await state()
    assert [row["balance_after"] for row in after.operations] == [1, 2, 3]
    assert len(after.rejections) == 1


async def test_many_in_a_call_of_their_own_are_sent_again_too(
    pool: asyncpg.Pool, wallet_id: UUID, state: ReadState
) -> None:
    call = LosesConnections(pool)
    call.lost_after = 1
    rows = await Batcher[Operation](call, Limits()).apply_all(deposits(wallet_id, 3))
    assert balances(rows) == [1, 2, 3]
    assert len((await state()).operations) == 3


async def test_a_killed_backend_is_not_noticed_by_who_waits_for_its_answer(
    batcher: Operations,
    recorder: Recorder,
    owner_connection: asyncpg.Connection,
    wallet_id: UUID,
    backends: Backends,
) -> None:
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.wallets for no key update")
        answers = list(map(batcher.apply, deposits(wallet_id, 3)))
        await backends.until_one_waits()
        assert await backends.kill() > 0
    assert balances(await answered(*answers)) == [1, 2, 3]
    # What is seen of it depends on whether the server's last words arrive before the end of the connection.
    assert {getattr(failure, "sqlstate", None) for failure in recorder.failures} & {"57P01", "08003", "08006"}


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
async def test_while_there_is_no_database_requests_are_answered_within_their_limit(hangs: bool) -> None:
    back = asyncio.Event()

    async def call(_: Sequence[Operation]) -> Sequence[Row]:
        if hangs:
            await back.wait()
        raise UNREACHABLE

    loop = asyncio.get_running_loop()
    batcher = Batcher[Operation](call, Limits(request_seconds=0.4))
    began = loop.time()
    in_the_call = batcher.apply(deposits(UUID(int=1), 1)[0])
    await asyncio.sleep(0)
    waiting = list(map(batcher.apply, deposits(UUID(int=2), 3)))
    bulk = asyncio.create_task(batcher.apply_all(deposits(UUID(int=3), 2)))
    problems = await asyncio.wait_for(asyncio.gather(in_the_call, *waiting, return_exceptions=True), 5)
    problems += await asyncio.wait_for(bulk, 5)
    elapsed = loop.time() - began
    assert [isinstance(problem, Problem) and problem.kind for problem in problems] == [errors.DATABASE_UNAVAILABLE] * 6
    assert isinstance(problems[0], Problem)
    assert problems[0].headers == {"Retry-After": "1"}
    assert 0.4 <= elapsed < 0.4 + 1.0
    back.set()
    await asyncio.wait_for(batcher.close(), 5)


async def test_requests_are_answered_again_once_the_database_is_back(recorder: Recorder, wallet_id: UUID) -> None:
    is_back = False

    async def call(operations: Sequence[Operation]) -> Sequence[Row]:
        if not is_back:
            raise UNREACHABLE
        return await recorder(operations)

    batcher = Batcher[Operation](call, Limits(request_seconds=0.1))
    first, second = deposits(wallet_id, 2)
    with pytest.raises(Problem):
        await batcher.apply(first)
    is_back = True
    async with asyncio.timeout(10):
        while True:
            try:
                assert (await batcher.apply(second))["new_balance"] == 1
                break
            except Problem:  # a busy machine may need more than the limit
                pass


@pytest.mark.parametrize("error", [asyncpg.DeadlockDetectedError, asyncpg.SerializationError])
async def test_operations_that_were_in_the_way_of_others_are_tried_again(
    recorder: Recorder, create_wallet: CreateWallet, error: type[asyncpg.PostgresError]
) -> None:
    wallets = [await create_wallet() for _ in range(3)]

    async def call(operations: Sequence[Operation]) -> Sequence[Row]:
        rows = await recorder(operations)
        if len(recorder.calls) <= 8:
            raise error("in the way of others")
        return rows

    batcher = Batcher[Operation](call, Limits())
    rows = await answered(*(batcher.apply(operation) for wallet in wallets for operation in deposits(wallet, 2)))
    assert balances(rows) == [1, 2] * 3


# One bad request among good ones


class Poisoned(Recorder):
    """Cannot apply what has a certain key, nor anything that is in one call with it."""

    async def apply(self, operations: Sequence[Operation]) -> Sequence[Row]:
        if any(operation.idempotency_key.startswith("poison") for operation in operations):
            raise asyncpg.DataError("a value that nobody foresaw")
        return await super().apply(operations)


@pytest.mark.parametrize("count", [1, 2, 3, 100, 1000])
async def test_a_poisoned_request_fails_alone_after_few_calls(
    pool: asyncpg.Pool, create_wallet: CreateWallet, state: ReadState, count: int
) -> None:
    wallets = [await create_wallet() for _ in range(5)]
    call = Poisoned(pool)
    operations = [Operation(str(wallets[place % 5]), "DEPOSIT", 1, f"key-{place}") for place in range(count)]
    at = count // 3
    operations[at] = operations[at]._replace(idempotency_key="poison")
    batcher = Batcher[Operation](call, Limits())
    results = await asyncio.wait_for(asyncio.gather(*map(batcher.apply, operations), return_exceptions=True), 10)
    assert isinstance(results.pop(at), asyncpg.DataError)
    assert not [result for result in results if isinstance(result, BaseException)]
    assert len((await state()).operations) == count - 1
    assert len(call.calls) <= 1 + 2 * (count - 1).bit_length()


async def test_several_poisoned_requests_fail_without_their_neighbours(
    pool: asyncpg.Pool, wallet_id: UUID, state: ReadState
) -> None:
    batcher = Batcher[Operation](Poisoned(pool), Limits())
    operations = [*deposits(wallet_id, 20), *deposits(wallet_id, 3, "poison"), *deposits(wallet_id, 20, "more")]
    results = await asyncio.wait_for(batcher.apply_all(operations), 10)
    assert [place for place, result in enumerate(results) if isinstance(result, Exception)] == [20, 21, 22]
    assert len((await state()).operations) == 40


async def test_a_poisoned_request_is_an_internal_error_without_details(
    address: str, wallet_id: UUID, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute("alter table wallet.operations add constraint unforeseen check (amount <> 13)")
    async with aiohttp.ClientSession(address) as client:
        answers = await asyncio.gather(
            *(
                client.post(f"/api/wallets/{wallet_id}/operation", json={"operation_type": "DEPOSIT", "amount": amount})
                for amount in (11, 12, 13, 14)
            )
        )
        assert [answer.status for answer in answers] == [201, 201, 500, 201]
        assert "unforeseen" not in await answers[2].text()


# Wallets that others have locked


async def test_a_wallet_that_others_have_locked_delays_only_its_own_operations(
    batcher: Operations, recorder: Recorder, owner_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    wallets = [await create_wallet() for _ in range(9)]
    locked = wallets[4]
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.wallets where id = $1 for no key update", locked)
        delayed = list(map(batcher.apply, deposits(locked, 3)))
        others = [batcher.apply(operation) for w in wallets if w != locked for operation in deposits(w, 2)]
        rows = await answered(*others)
        assert recorder.sizes[0] == 3 + 16
        assert isinstance(recorder.failures[0], asyncpg.LockNotAvailableError)
        assert not any(answer.done() for answer in delayed)
        late = batcher.apply(deposits(wallets[0], 1, "late")[0])
        assert (await answered(late))[0]["new_balance"] == 3
    assert balances(rows) == [1, 2] * 8
    assert balances(await answered(*delayed)) == [1, 2, 3]


async def test_a_call_for_a_locked_wallet_alone_does_not_hold_up_the_next_ones(
    batcher: Operations, recorder: Recorder, owner_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    locked, other = await create_wallet(), await create_wallet()
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.wallets where id = $1 for no key update", locked)
        delayed = batcher.apply(deposits(locked, 1)[0])
        await recorder.has_begun(1)
        rows = await answered(*map(batcher.apply, deposits(other, 3)))
        assert balances(rows) == [1, 2, 3]
        assert not delayed.done()
    assert balances(await answered(delayed)) == [1]


@pytest.mark.parametrize("limits", [Limits(request_seconds=0.3)])
async def test_a_wallet_that_stays_locked_is_unavailable_after_the_limit(
    batcher: Operations,
    owner_connection: asyncpg.Connection,
    wallet_id: UUID,
    state: ReadState,
) -> None:
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.wallets for no key update")
        with pytest.raises(Problem) as problem:
            await asyncio.wait_for(batcher.apply(deposits(wallet_id, 1)[0]), 5)
        await batcher.close()
    assert problem.value.kind is errors.DATABASE_UNAVAILABLE
    assert (await state()).operations == []


# The end


async def test_close_answers_everything_that_was_accepted(recorder: Recorder, create_wallet: CreateWallet) -> None:
    single, bulk = await create_wallet(), await create_wallet()
    batcher = Batcher[Operation](recorder, Limits(max_batch=2))
    recorder.may_go_on.clear()
    many = asyncio.create_task(batcher.apply_all(deposits(bulk, 3)))
    await recorder.has_begun(1)
    answers = list(map(batcher.apply, deposits(single, 5)))
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0)
    assert not closing.done()
    recorder.may_go_on.set()
    await asyncio.wait_for(closing, 10)
    assert balances(answer.result() for answer in answers) == [1, 2, 3, 4, 5]
    assert balances(await many) == [1, 2, 3]


async def test_close_answers_what_has_to_be_sent_again(pool: asyncpg.Pool, wallet_id: UUID) -> None:
    call = LosesConnections(pool)
    call.lost_before = 2
    batcher = Batcher[Operation](call, Limits())
    answers = list(map(batcher.apply, deposits(wallet_id, 3)))
    await asyncio.wait_for(batcher.close(), 10)
    assert balances(answer.result() for answer in answers) == [1, 2, 3]


async def test_close_answers_what_has_to_be_sent_in_parts(pool: asyncpg.Pool, wallet_id: UUID) -> None:
    call = Poisoned(pool)
    call.may_go_on.clear()
    batcher = Batcher[Operation](call, Limits())
    answers = list(map(batcher.apply, [*deposits(wallet_id, 3), *deposits(wallet_id, 1, "poison")]))
    await call.has_begun(1)
    closing = asyncio.create_task(batcher.close())
    await asyncio.sleep(0)
    call.may_go_on.set()
    await asyncio.wait_for(closing, 10)
    assert isinstance(answers.pop().exception(), asyncpg.DataError)
    assert sorted(balances(answer.result() for answer in answers)) == [1, 2, 3]


async def test_close_returns_at_once_when_there_is_nothing_to_answer(batcher: Operations) -> None:
    await asyncio.wait_for(batcher.close(), 1)


# The whole service


async def test_killing_every_backend_under_load_is_not_noticed_by_clients(
    address: str,
    owner_connection: asyncpg.Connection,
    create_wallet: CreateWallet,
    state: ReadState,
    backends: Backends,
) -> None:
    wallets = [await create_wallet() for _ in range(20)]

    async def deposit(client: aiohttp.ClientSession, number: int) -> tuple[int, str, int]:
        path = f"/api/wallets/{wallets[number % 20]}/operation"
        body = {"operation_type": "DEPOSIT", "amount": str(number + 1)}
        async with client.post(path, json=body, headers={"Idempotency-Key": f"key-{number}"}) as response:
            return response.status, (await response.json()).get("operation_id"), number

    load: list[asyncio.Task[tuple[int, str, int]]] = []
    killed = 0
    async with aiohttp.ClientSession(address, connector=aiohttp.TCPConnector(limit=0)) as client:
        for wave in range(3):
            # While all wallets are locked, calls are under way for as long as it takes to kill them.
            async with owner_connection.transaction():
                await owner_connection.execute("select from wallet.wallets for no key update")
                load += [asyncio.create_task(deposit(client, 200 * wave + number)) for number in range(200)]
                await backends.until_one_waits()
                killed += await backends.kill()
        answers = await asyncio.wait_for(asyncio.gather(*load), 20)
    assert killed >= 3
    assert {status for status, *_ in answers} == {201}
    ledger = {str(row["id"]): row["amount"] for row in (await state()).operations}
    assert ledger == {operation_id: number + 1 for _, operation_id, number in answers}
    assert len(ledger) == 600
