"""Many at once: no money is lost, doubled or overdrawn, and a call that waited sees what it waited for.

Where two transactions meet, the first is kept open until the second is seen waiting for it.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack
from itertools import product
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import connect_directly
from ledger import MAX, Database

N = 16
Connections = list[asyncpg.Connection]
WAYS = ("without a key", "with a key", "in a batch")


class Act(NamedTuple):
    """Something done to a wallet: an operation, or a change of status."""

    word: str
    amount: int | None = None
    key: str | None = None


class Result(NamedTuple):
    """What came of it; code is the SQLSTATE of a rejection."""

    code: str | None
    row: dict[str, Any]


async def act(connection: asyncpg.Connection, wallet_id: UUID, what: Act, way: str = WAYS[0]) -> Result:
    """Does it in one of the ways to apply an operation."""
    key = what.key or (None if way == WAYS[0] else str(uuid4()))
    try:
        if what.amount is None:
            row = await connection.fetchrow("select * from wallet.set_wallet_status($1, $2)", wallet_id, what.word)
        elif way != WAYS[2]:
            row = await connection.fetchrow(
                "select * from wallet.apply_operation($1, $2, $3, $4)", wallet_id, *what[:2], key
            )
        else:
            # Twice, because a single item goes another way.
            arrays = [[argument] * 2 for argument in (wallet_id, *what[:2], key)]
            row, again = await connection.fetch("select * from wallet.apply_operations($1, $2, $3, $4)", *arrays)
            assert dict(again) == {**row, "position": 2, "replayed": row["error_code"] != "WA007"}
    except asyncpg.PostgresError as exc:
        return Result(exc.sqlstate, {})
    return Result(row.get("error_code"), dict(row))


@pytest.fixture(scope="module")
async def callers(database: Database) -> AsyncIterator[Connections]:
    """Connections of many callers."""
    async with AsyncExitStack() as opened:
        connections = [await connect_directly(database.url) for _ in range(N)]
        for connection in connections:
            opened.push_async_callback(connection.close)
        yield connections


@pytest.fixture(scope="module")
def two(callers: Connections) -> Connections:
    """The connections of two callers, the first and the second."""
    return callers[:2]


async def batch(connection: asyncpg.Connection, key: str, *wallet_ids: UUID) -> list[str | None]:
    """Applies deposits of 1; returns their error codes."""
    count = len(wallet_ids)
    arrays = [wallet_ids, ["DEPOSIT"] * count, [1] * count, [key] * count]
    rows = await connection.fetch("select * from wallet.apply_operations($1, $2, $3, $4)", *arrays)
    return [row["error_code"] for row in rows]


async def waiting(database: Database, connection: asyncpg.Connection, call: Awaitable[Any]) -> "asyncio.Task[Any]":
    """Starts a call on a connection; returns its task when another transaction is seen to block it."""
    task = asyncio.ensure_future(call)
    async with asyncio.timeout(30):
        while not await database.owner.fetchval("select pg_blocking_pids($1) <> '{}'", connection.get_server_pid()):
            assert not task.done(), f"it did not wait: {task}"
            await asyncio.sleep(0.001)
    return task


async def summary(database: Database, wallet_id: UUID) -> tuple[int, int, str]:
    row = await database.row("get_wallet", wallet_id)
    return row["balance"], row["last_seq"], row["status"]


# Many on one wallet


async def test_no_more_is_withdrawn_at_once_than_there_is(database: Database, callers: Connections) -> None:
    wallet_id = await database.wallet(100)
    calls = (act(caller, wallet_id, Act("WITHDRAW", 30), WAYS[index % 3]) for index, caller in enumerate(callers))
    codes = [result.code for result in await asyncio.gather(*calls)]
    assert (codes.count(None), codes.count("WA002")) == (3, N - 3)
    assert await summary(database, wallet_id) == (10, 4, "ACTIVE")


async def test_many_at_once_end_exact_and_are_sound_all_along(database: Database, callers: Connections) -> None:
    wallet_ids = [await database.wallet() for _ in range(4)]
    balances, counts = dict.fromkeys(wallet_ids, 0), dict.fromkeys(wallet_ids, 0)

    async def move(caller: asyncpg.Connection, seed: int) -> None:
        choice = random.Random(seed)
        for _ in range(30):
            wallet_id, amount = choice.choice(wallet_ids), choice.randint(1, 100)
            word = choice.choice(["DEPOSIT", "WITHDRAW"])
            result = await act(caller, wallet_id, Act(word, amount), choice.choice(WAYS))
            assert result.code is None or (result.code, word) == ("WA002", "WITHDRAW")
            if result.code is None:
                balances[wallet_id] += amount if word == "DEPOSIT" else -amount
                counts[wallet_id] += 1

    moves = asyncio.gather(*(move(caller, seed) for seed, caller in enumerate(callers)))
    while not moves.done():
        for wallet_id in wallet_ids:
            assert await database.rows("verify_wallet", wallet_id) == []
    await moves
    for wallet_id in wallet_ids:
        assert await summary(database, wallet_id) == (balances[wallet_id], counts[wallet_id], "ACTIVE")


async def test_many_with_one_key_are_applied_once(database: Database, callers: Connections) -> None:
    wallet_id = await database.wallet(100)
    what = Act("WITHDRAW", 60, "key")
    calls = (act(caller, wallet_id, what, WAYS[1 + index % 2]) for index, caller in enumerate(callers))
    rows = [result.row for result in await asyncio.gather(*calls)]
    assert sorted(row["replayed"] for row in rows) == [False] + [True] * (N - 1)
    assert {(row["operation_id"], row["seq"], row["new_balance"]) for row in rows} == {(rows[0]["operation_id"], 2, 40)}
    assert await summary(database, wallet_id) == (40, 2, "ACTIVE")


# Two on one wallet

MEETINGS = [
    # balance and status before, what the first does and how it ends, what the second does, and what comes of it
    (100, "ACTIVE", Act("DEPOSIT", 50), "commit", Act("WITHDRAW", 150), None, (0, 3, "ACTIVE")),
    (100, "ACTIVE", Act("WITHDRAW", 60), "commit", Act("WITHDRAW", 41), "WA002", (40, 2, "ACTIVE")),
    (1, "ACTIVE", Act("DEPOSIT", MAX - 2), "commit", Act("DEPOSIT", 2), "WA005", (MAX - 1, 2, "ACTIVE")),
    (100, "ACTIVE", Act("WITHDRAW", 100), "rollback", Act("WITHDRAW", 100), None, (0, 2, "ACTIVE")),
    (100, "ACTIVE", Act("WITHDRAW", 100, "key"), "rollback", Act("WITHDRAW", 100, "key"), None, (0, 2, "ACTIVE")),
    (100, "ACTIVE", Act("WITHDRAW", 100), "kill", Act("WITHDRAW", 100), None, (0, 2, "ACTIVE")),
    (100, "ACTIVE", Act("FROZEN"), "commit", Act("DEPOSIT", 50), "WA006", (100, 1, "FROZEN")),
    (100, "FROZEN", Act("ACTIVE"), "commit", Act("DEPOSIT", 50), None, (150, 2, "ACTIVE")),
    (100, "ACTIVE", Act("DEPOSIT", 50), "commit", Act("FROZEN"), None, (150, 2, "FROZEN")),
    (100, "ACTIVE", Act("WITHDRAW", 100), "commit", Act("CLOSED"), None, (0, 2, "CLOSED")),
    (0, "ACTIVE", Act("DEPOSIT", 1), "commit", Act("CLOSED"), "WA013", (1, 1, "ACTIVE")),
]


@pytest.mark.parametrize("way", WAYS)
async def test_a_call_sees_what_it_waited_for(database: Database, two: Connections, way: str) -> None:
    for case in MEETINGS:
        balance, status, done, end, what, code, expected = case
        wallet_id = await database.wallet(balance, status)
        first, second = await connect_directly(database.url) if end == "kill" else two[0], two[1]
        await first.execute("begin")
        await act(first, wallet_id, done, way)
        task = await waiting(database, second, act(second, wallet_id, what, way))
        seen_at = await database.owner.fetchval("select clock_timestamp()")
        if end == "kill":
            await database.tamperer.execute("select pg_terminate_backend($1)", first.get_server_pid())
            first.terminate()
        else:
            await first.execute(end)
        result = await task
        assert (result.code, await summary(database, wallet_id)) == (code, expected), case
        if code is None and what.amount is not None:
            assert (result.row["replayed"], result.row["seq"]) == (False, expected[1]), case
            # Dated when the wait was over, unless what it waited for left the row as it was.
            assert result.row["created_at"] > seen_at or end != "commit", case


@pytest.mark.parametrize("way", WAYS[1:])
async def test_a_call_with_a_key_under_way_replays_it(database: Database, two: Connections, way: str) -> None:
    first, second = two
    for word, code in (("DEPOSIT", None), *([("WITHDRAW", "WA002")] if way == WAYS[2] else [])):
        for amount in (50, 51):
            wallet_id = await database.wallet(5)
            async with first.transaction():
                done = await act(first, wallet_id, Act(word, 50, "key"), way)
                task = await waiting(database, second, act(second, wallet_id, Act(word, amount, "key"), way))
            again = await task
            assert done.code == code
            if amount == 50:
                assert again == Result(code, {**done.row, "replayed": True}), (word, amount)
            else:
                assert again.code == "WA007", (word, amount)
            state = await database.state(wallet_id)
            assert len(state.operations) + len(state.rejections) == 2


async def test_only_the_same_wallet_is_waited_for(database: Database, two: Connections) -> None:
    first, second = two
    wallet_id, other = await database.wallet(100), await database.wallet(100)
    readings = [
        ("get_balance", 1),
        ("get_wallet", 1),
        ("list_operations", 1),
        ("verify_wallet", 1),
        ("list_wallets", 0),
    ]
    queries = [f"select * from wallet.{name}({'$1' * count})" for name, count in readings]
    arguments = [[wallet_id] * count for _, count in readings]
    before = [await second.fetch(query, *given) for query, given in zip(queries, arguments, strict=True)]
    async with first.transaction():
        await act(first, wallet_id, Act("DEPOSIT", 1))
        after = [await second.fetch(query, *given) for query, given in zip(queries, arguments, strict=True)]
        results = [await act(second, other, Act("DEPOSIT", 1), way) for way in WAYS]
    assert after == before  # a reader does not wait either, and sees what is committed
    assert [result.row["new_balance"] for result in results] == [101, 102, 103]


# Creating wallets


async def test_of_two_wallets_with_one_id_one_is_created(database: Database, two: Connections) -> None:
    first, second = two
    own = uuid4()
    call = "select wallet.create_wallet($1, 'RUB', $2)"
    async with first.transaction():
        await first.execute(call, "First", own)
        later = await waiting(database, second, second.execute(call, "Second", own))
    with pytest.raises(asyncpg.PostgresError) as error:
        await later
    assert error.value.sqlstate == "WA009"
    assert (await database.row("get_wallet", own))["name"] == "First"


async def test_a_wallet_created_during_the_wait_is_not_found(database: Database, two: Connections) -> None:
    held, late = sorted([uuid4(), uuid4()])
    await database.wallet(wallet_id=held)
    async with two[0].transaction():
        await act(two[0], held, Act("DEPOSIT", 1))
        task = await waiting(database, two[1], batch(two[1], "a", held, late))
        await database.wallet(5, wallet_id=late)
    assert await task == [None, "WA001"]
    assert [(row["balance"], row["last_seq"]) for row in (await database.state(held, late)).wallets] == [(2, 2), (5, 1)]


# Stricter isolation


@pytest.mark.parametrize("way", WAYS)
async def test_a_snapshot_that_is_too_old_must_retry(database: Database, two: Connections, way: str) -> None:
    first, second = two
    for isolation, must_wait in product(("repeatable_read", "serializable"), (True, False)):
        wallet_id = await database.wallet(100)
        late = second.transaction(isolation=isolation)
        await late.start()
        assert await second.fetchval("select wallet.get_balance($1)", wallet_id) == 100
        async with first.transaction():
            await act(first, wallet_id, Act("WITHDRAW", 60, "key"), way)
            call: Awaitable[Result] = act(second, wallet_id, Act("WITHDRAW", 60, "key"), way)
            if must_wait:
                call = await waiting(database, second, call)
        assert (await call).code == "40001", (isolation, must_wait)
        await late.rollback()
        assert await summary(database, wallet_id) == (40, 2, "ACTIVE")
        async with second.transaction(isolation=isolation):
            again = await act(second, wallet_id, Act("WITHDRAW", 40), way)
        assert (again.code, again.row["new_balance"]) == (None, 0)


# Several wallets in one transaction


async def test_batches_lock_wallets_in_the_order_of_ids(database: Database, two: Connections) -> None:
    first, second, third = sorted(uuid4() for _ in range(3))
    for wallet_id in (third, first, second):
        await database.wallet(wallet_id=wallet_id)
    async with two[0].transaction():
        await act(two[0], second, Act("DEPOSIT", 1))
        task = await waiting(database, two[1], batch(two[1], "key", third, second, first))
        free = "select id from wallet.wallets where id = any($1) for no key update skip locked"
        assert await database.owner.fetch(free, [first, second, third]) == [(third,)]
    assert await task == [None] * 3


async def test_batches_in_opposite_orders_do_not_deadlock(database: Database, callers: Connections) -> None:
    wallets = sorted([await database.wallet() for _ in range(3)])
    tasks = []
    # The first batch is next in line for the first wallet. If the second one locked the wallets in its own order, it
    # would hold the others by then.
    async with callers[0].transaction():
        await act(callers[0], wallets[0], Act("DEPOSIT", 1))
        for caller, key, order in ((callers[1], "a", wallets), (callers[2], "b", wallets[::-1])):
            tasks.append(await waiting(database, caller, batch(caller, key, *order)))
    assert [await task for task in tasks] == [[None] * 3] * 2


async def test_transactions_in_opposite_orders_lose_nothing(database: Database, two: Connections) -> None:
    one, other = sorted([await database.wallet(100), await database.wallet(100)])

    async def transfer(connection: asyncpg.Connection, source: UUID, target: UUID) -> str | None:
        async with connection.transaction():
            withdrawal = await act(connection, source, Act("WITHDRAW", 10))
            await met.wait()
            deposit = await act(connection, target, Act("DEPOSIT", 10))
            assert withdrawal.code is None
            if deposit.code is not None:
                raise asyncpg.DeadlockDetectedError
        return None

    met = asyncio.Barrier(2)
    # Only a superuser may set it: the deadlock is found within 20 ms instead of a second.
    for connection in two:
        await connection.execute("set role none; set deadlock_timeout = '20ms'; set role wallet_app")
    calls = (transfer(two[0], one, other), transfer(two[1], other, one))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["DeadlockDetectedError", "NoneType"]
    moved = 10 if outcomes[0] is None else -10
    assert await summary(database, one) == (100 - moved, 2, "ACTIVE")
    assert await summary(database, other) == (100 + moved, 2, "ACTIVE")
