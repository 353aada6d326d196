"""Many at once: no money is lost, doubled or overdrawn, and who had to wait sees what it waited for.

Where two transactions meet, the first is held open until the second is seen waiting for a lock.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
import pytest
from conftest import connect_directly

N = 16
ONE_KEY = pytest.mark.parametrize("key", [None, "key"], ids=["keyless", "keyed"])
SNAPSHOTS = pytest.mark.parametrize("isolation", ["repeatable_read", "serializable"])

Waiting = Callable[[asyncpg.Connection, Awaitable[Any]], Awaitable["asyncio.Task[Any]"]]
ReadWallet = Callable[..., Awaitable["Wallet"]]


class Wallet(NamedTuple):
    """What matters of a wallet here; findings are what verify_wallet found wrong."""

    balance: int
    last_seq: int
    status: str = "ACTIVE"
    findings: int = 0


async def apply(
    connection: asyncpg.Connection, wallet_id: UUID, operation_type: str, amount: int, key: str | None = None
) -> asyncpg.Record:
    return await connection.fetchrow(
        "select * from wallet.apply_operation($1, $2, $3, $4)", wallet_id, operation_type, amount, key
    )


async def set_status(connection: asyncpg.Connection, wallet_id: UUID, status: str) -> None:
    await connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)


async def refusal_of(action: Awaitable[Any]) -> str | None:
    """The SQLSTATE that something is refused with, None when it is done."""
    try:
        await action
    except asyncpg.PostgresError as exc:
        return str(exc.sqlstate)
    return None


@pytest.fixture
async def callers(database_url: str) -> AsyncIterator[list[asyncpg.Connection]]:
    """Connections of many who call the functions."""
    connections = [await connect_directly(database_url) for _ in range(N)]
    yield connections
    for connection in connections:
        await connection.close()


@pytest.fixture
async def first(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The connection of who comes first."""
    connection = await connect_directly(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def second(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """The connection of who comes second."""
    connection = await connect_directly(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def wallet_id(app_connection: asyncpg.Connection) -> UUID:
    """A wallet with 100 in it."""
    wallet_id = UUID(str(await app_connection.fetchval("select id from wallet.create_wallet()")))
    await apply(app_connection, wallet_id, "DEPOSIT", 100)
    return wallet_id


@pytest.fixture
async def two_wallet_ids(app_connection: asyncpg.Connection, wallet_id: UUID) -> list[UUID]:
    """The wallet and another one, with 100 in each, in the order of their ids."""
    other = UUID(str(await app_connection.fetchval("select id from wallet.create_wallet()")))
    await apply(app_connection, other, "DEPOSIT", 100)
    return sorted([wallet_id, other])


@pytest.fixture
def read_wallet(app_connection: asyncpg.Connection) -> ReadWallet:
    """Reads and verifies a wallet: `await read_wallet(wallet_id)`."""

    async def read(wallet_id: UUID) -> Wallet:
        wallet = await app_connection.fetchrow("select * from wallet.get_wallet($1)", wallet_id)
        findings = await app_connection.fetch("select * from wallet.verify_wallet($1)", wallet_id)
        return Wallet(wallet["balance"], wallet["last_seq"], wallet["status"], len(findings))

    return read


@pytest.fixture
def waiting(maintenance: asyncpg.Connection) -> Waiting:
    """Starts an action on a connection, and returns its task once it is seen waiting for a lock."""

    async def start(connection: asyncpg.Connection, action: Awaitable[Any]) -> "asyncio.Task[Any]":
        task = asyncio.ensure_future(action)
        async with asyncio.timeout(8):
            while not await maintenance.fetchval(
                "select exists (select from pg_stat_activity where pid = $1 and wait_event_type = 'Lock')",
                connection.get_server_pid(),
            ):
                assert not task.done(), f"it did not wait: {task}"
                await asyncio.sleep(0.002)
        return task

    return start


# Many on one wallet


async def test_of_many_withdrawals_at_once_as_many_succeed_as_there_is_money_for(
    callers: list[asyncpg.Connection], wallet_id: UUID, read_wallet: ReadWallet
) -> None:
    outcomes = await asyncio.gather(*(refusal_of(apply(caller, wallet_id, "WITHDRAW", 30)) for caller in callers))
    assert sorted(outcomes, key=str) == [None] * 3 + ["WA002"] * (N - 3)
    assert await read_wallet(wallet_id) == Wallet(balance=10, last_seq=4)


async def test_withdrawals_of_all_sizes_at_once_never_overdraw_and_end_exact(
    callers: list[asyncpg.Connection], wallet_id: UUID, read_wallet: ReadWallet
) -> None:
    await apply(callers[0], wallet_id, "DEPOSIT", 9_900)

    async def withdraw_until_refused(caller: asyncpg.Connection, seed: int) -> list[int]:
        amounts = random.Random(seed)
        taken: list[int] = []
        while True:
            amount = amounts.randint(1, 200)
            if sqlstate := await refusal_of(apply(caller, wallet_id, "WITHDRAW", amount)):
                assert sqlstate == "WA002"
                return taken
            taken.append(amount)

    taken = await asyncio.gather(*(withdraw_until_refused(caller, seed) for seed, caller in enumerate(callers)))
    everything = [amount for amounts in taken for amount in amounts]
    assert await read_wallet(wallet_id) == Wallet(balance=10_000 - sum(everything), last_seq=2 + len(everything))


async def test_many_deposits_at_once_are_all_kept(
    callers: list[asyncpg.Connection], wallet_id: UUID, read_wallet: ReadWallet
) -> None:
    async def deposit(caller: asyncpg.Connection) -> None:
        for _ in range(10):
            await apply(caller, wallet_id, "DEPOSIT", 1)

    await asyncio.gather(*map(deposit, callers))
    assert await read_wallet(wallet_id) == Wallet(balance=100 + 10 * N, last_seq=1 + 10 * N)


async def test_deposits_and_withdrawals_over_several_wallets_end_exact_and_verify_clean_all_along(
    callers: list[asyncpg.Connection], app_connection: asyncpg.Connection, read_wallet: ReadWallet
) -> None:
    wallet_ids = [await app_connection.fetchval("select id from wallet.create_wallet()") for _ in range(4)]
    balances, counts = dict.fromkeys(wallet_ids, 0), dict.fromkeys(wallet_ids, 0)

    async def move(caller: asyncpg.Connection, seed: int) -> None:
        choice = random.Random(seed)
        for turn in range(30):
            wallet_id, amount = choice.choice(wallet_ids), choice.randint(1, 100)
            operation_type = choice.choice(["DEPOSIT", "WITHDRAW"])
            key = f"{seed}-{turn}" if choice.random() < 0.5 else None
            sqlstate = await refusal_of(apply(caller, wallet_id, operation_type, amount, key))
            assert sqlstate is None or (sqlstate, operation_type) == ("WA002", "WITHDRAW")
            if sqlstate is None:
                balances[wallet_id] += amount if operation_type == "DEPOSIT" else -amount
                counts[wallet_id] += 1

    moves = asyncio.gather(*(move(caller, seed) for seed, caller in enumerate(callers)))
    while not moves.done():
        for wallet_id in wallet_ids:
            assert (await read_wallet(wallet_id)).findings == 0
    await moves
    assert {wallet_id: await read_wallet(wallet_id) for wallet_id in wallet_ids} == {
        wallet_id: Wallet(balances[wallet_id], counts[wallet_id]) for wallet_id in wallet_ids
    }


# Two on one wallet


async def test_a_withdrawal_that_waits_for_a_deposit_sees_it(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", 50)
        withdrawal = await waiting(second, apply(second, wallet_id, "WITHDRAW", 150))
    assert (await withdrawal)["new_balance"] == 0
    assert await read_wallet(wallet_id) == Wallet(balance=0, last_seq=3)


async def test_a_withdrawal_that_waits_for_a_withdrawal_is_refused_what_that_took(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    async with first.transaction():
        await apply(first, wallet_id, "WITHDRAW", 60)
        withdrawal = await waiting(second, apply(second, wallet_id, "WITHDRAW", 41))
    assert await refusal_of(withdrawal) == "WA002"
    assert await read_wallet(wallet_id) == Wallet(balance=40, last_seq=2)


async def test_a_deposit_that_waits_for_a_deposit_is_refused_where_the_sum_is_too_large(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    half = 2**62
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", half)
        deposit = await waiting(second, apply(second, wallet_id, "DEPOSIT", half))
    assert await refusal_of(deposit) == "WA005"
    assert await read_wallet(wallet_id) == Wallet(balance=100 + half, last_seq=2)


@ONE_KEY
async def test_an_operation_that_waits_for_one_that_is_undone_is_applied_in_its_place(
    first: asyncpg.Connection,
    second: asyncpg.Connection,
    wallet_id: UUID,
    waiting: Waiting,
    read_wallet: ReadWallet,
    key: str | None,
) -> None:
    undone = first.transaction()
    await undone.start()
    await apply(first, wallet_id, "WITHDRAW", 100, key)
    withdrawal = await waiting(second, apply(second, wallet_id, "WITHDRAW", 100, key))
    await undone.rollback()
    assert ((await withdrawal)["seq"], (await withdrawal)["replayed"]) == (2, False)
    assert await read_wallet(wallet_id) == Wallet(balance=0, last_seq=2)


async def test_an_operation_that_waits_for_one_whose_connection_is_killed_is_applied_in_its_place(
    first: asyncpg.Connection,
    second: asyncpg.Connection,
    maintenance: asyncpg.Connection,
    wallet_id: UUID,
    waiting: Waiting,
    read_wallet: ReadWallet,
) -> None:
    await first.execute("begin")
    await apply(first, wallet_id, "WITHDRAW", 100)
    withdrawal = await waiting(second, apply(second, wallet_id, "WITHDRAW", 100))
    await maintenance.execute("select pg_terminate_backend($1)", first.get_server_pid())
    assert (await withdrawal)["seq"] == 2
    assert await read_wallet(wallet_id) == Wallet(balance=0, last_seq=2)


@ONE_KEY
async def test_an_operation_is_dated_when_its_wait_is_over(
    first: asyncpg.Connection,
    second: asyncpg.Connection,
    app_connection: asyncpg.Connection,
    wallet_id: UUID,
    waiting: Waiting,
    key: str | None,
) -> None:
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", 1)
        deposit = await waiting(second, apply(second, wallet_id, "DEPOSIT", 1, key))
        still_waiting_at = await app_connection.fetchval("select clock_timestamp()")
    assert (await deposit)["created_at"] > still_waiting_at


async def test_an_operation_does_not_wait_for_one_on_another_wallet(
    first: asyncpg.Connection, second: asyncpg.Connection, two_wallet_ids: list[UUID]
) -> None:
    async with first.transaction():
        await apply(first, two_wallet_ids[0], "DEPOSIT", 1)
        assert (await apply(second, two_wallet_ids[1], "DEPOSIT", 1))["new_balance"] == 101


@pytest.mark.parametrize(
    "reading", ["get_balance($1)", "get_wallet($1)", "list_operations($1)", "verify_wallet($1)", "list_wallets()"]
)
async def test_a_reader_does_not_wait_and_sees_what_is_committed(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, reading: str
) -> None:
    query, arguments = f"select * from wallet.{reading}", [wallet_id] if "$1" in reading else []
    before = await second.fetch(query, *arguments)
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", 1)
        assert await second.fetch(query, *arguments) == before


# Two with one key


async def test_of_many_calls_with_one_key_one_is_applied_and_all_get_its_answer(
    callers: list[asyncpg.Connection], wallet_id: UUID, read_wallet: ReadWallet
) -> None:
    answers = await asyncio.gather(*(apply(caller, wallet_id, "WITHDRAW", 60, "key") for caller in callers))
    assert sorted(answer["replayed"] for answer in answers) == [False] + [True] * (N - 1)
    assert {(answer["operation_id"], answer["seq"], answer["new_balance"]) for answer in answers} == {
        (answers[0]["operation_id"], 2, 40)
    }
    assert await read_wallet(wallet_id) == Wallet(balance=40, last_seq=2)


async def test_a_call_with_the_key_of_one_under_way_waits_and_answers_the_same(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    async with first.transaction():
        answer = await apply(first, wallet_id, "DEPOSIT", 50, "key")
        repeated = await waiting(second, apply(second, wallet_id, "DEPOSIT", 50, "key"))
    assert dict(await repeated) == {**answer, "replayed": True}
    assert await read_wallet(wallet_id) == Wallet(balance=150, last_seq=2)


async def test_another_request_with_the_key_of_one_under_way_waits_and_is_refused(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", 50, "key")
        other = await waiting(second, apply(second, wallet_id, "DEPOSIT", 51, "key"))
    assert await refusal_of(other) == "WA007"
    assert await read_wallet(wallet_id) == Wallet(balance=150, last_seq=2)


# Freezing and closing


async def test_a_freeze_waits_for_the_operation_under_way_and_keeps_it(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", 50)
        freeze = await waiting(second, set_status(second, wallet_id, "FROZEN"))
    await freeze
    assert await refusal_of(apply(first, wallet_id, "DEPOSIT", 50)) == "WA006"
    assert await read_wallet(wallet_id) == Wallet(balance=150, last_seq=2, status="FROZEN")


@ONE_KEY
async def test_an_operation_that_waits_for_a_freeze_is_refused(
    first: asyncpg.Connection,
    second: asyncpg.Connection,
    wallet_id: UUID,
    waiting: Waiting,
    read_wallet: ReadWallet,
    key: str | None,
) -> None:
    async with first.transaction():
        await set_status(first, wallet_id, "FROZEN")
        deposit = await waiting(second, apply(second, wallet_id, "DEPOSIT", 50, key))
    assert await refusal_of(deposit) == "WA006"
    assert await read_wallet(wallet_id) == Wallet(balance=100, last_seq=1, status="FROZEN")


async def test_an_operation_that_waits_for_an_unfreeze_is_applied(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    await set_status(first, wallet_id, "FROZEN")
    async with first.transaction():
        await set_status(first, wallet_id, "ACTIVE")
        deposit = await waiting(second, apply(second, wallet_id, "DEPOSIT", 50))
    await deposit
    assert await read_wallet(wallet_id) == Wallet(balance=150, last_seq=2)


async def test_closing_waits_for_the_withdrawal_that_empties_the_wallet(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    async with first.transaction():
        await apply(first, wallet_id, "WITHDRAW", 100)
        closing = await waiting(second, set_status(second, wallet_id, "CLOSED"))
    await closing
    assert await read_wallet(wallet_id) == Wallet(balance=0, last_seq=2, status="CLOSED")


async def test_closing_an_empty_wallet_waits_for_a_deposit_and_is_refused(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    await apply(first, wallet_id, "WITHDRAW", 100)
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", 1)
        closing = await waiting(second, set_status(second, wallet_id, "CLOSED"))
    assert await refusal_of(closing) == "WA013"
    assert await read_wallet(wallet_id) == Wallet(balance=1, last_seq=3)


# Making wallets


async def test_of_two_wallets_with_one_id_the_later_waits_and_is_refused(
    first: asyncpg.Connection, second: asyncpg.Connection, waiting: Waiting, read_wallet: ReadWallet
) -> None:
    own = uuid4()
    async with first.transaction():
        await first.execute("select wallet.create_wallet('First', 'RUB', $1)", own)
        later = await waiting(second, second.execute("select wallet.create_wallet('Second', 'RUB', $1)", own))
    assert await refusal_of(later) == "WA009"
    assert await first.fetchval("select name from wallet.get_wallet($1)", own) == "First"


# Stricter isolation


@SNAPSHOTS
@ONE_KEY
async def test_under_a_snapshot_who_comes_too_late_is_told_to_try_again(
    first: asyncpg.Connection,
    second: asyncpg.Connection,
    wallet_id: UUID,
    read_wallet: ReadWallet,
    isolation: str,
    key: str | None,
) -> None:
    late = second.transaction(isolation=isolation)
    await late.start()
    assert await second.fetchval("select wallet.get_balance($1)", wallet_id) == 100
    await apply(first, wallet_id, "WITHDRAW", 60, key)
    assert await refusal_of(apply(second, wallet_id, "WITHDRAW", 60, key)) == "40001"
    await late.rollback()
    assert await read_wallet(wallet_id) == Wallet(balance=40, last_seq=2)


@SNAPSHOTS
@ONE_KEY
async def test_under_a_snapshot_who_has_waited_is_told_to_try_again(
    first: asyncpg.Connection,
    second: asyncpg.Connection,
    wallet_id: UUID,
    waiting: Waiting,
    read_wallet: ReadWallet,
    isolation: str,
    key: str | None,
) -> None:
    late = second.transaction(isolation=isolation)
    await late.start()
    async with first.transaction():
        await apply(first, wallet_id, "DEPOSIT", 50, key)
        deposit = await waiting(second, apply(second, wallet_id, "DEPOSIT", 50, key))
    assert await refusal_of(deposit) == "40001"
    await late.rollback()
    assert await read_wallet(wallet_id) == Wallet(balance=150, last_seq=2)


@SNAPSHOTS
async def test_under_a_snapshot_a_new_attempt_succeeds(
    first: asyncpg.Connection, second: asyncpg.Connection, wallet_id: UUID, read_wallet: ReadWallet, isolation: str
) -> None:
    for attempt, expected in enumerate(["40001", None]):
        transaction = second.transaction(isolation=isolation)
        await transaction.start()
        await second.fetchval("select wallet.get_balance($1)", wallet_id)
        if attempt == 0:
            await apply(first, wallet_id, "DEPOSIT", 50, "first")
        assert await refusal_of(apply(second, wallet_id, "DEPOSIT", 1, "second")) == expected
        await (transaction.rollback() if expected else transaction.commit())
    assert await read_wallet(wallet_id) == Wallet(balance=151, last_seq=3)


# Two wallets in one transaction


async def transfer(connection: asyncpg.Connection, source: UUID, target: UUID, between: Awaitable[Any]) -> None:
    """Moves 10 in one transaction, as a DBA would; between the two steps, something else is awaited."""
    async with connection.transaction():
        await apply(connection, source, "WITHDRAW", 10)
        await between
        await apply(connection, target, "DEPOSIT", 10)


async def test_two_transactions_in_the_order_of_ids_wait_for_each_other_and_both_succeed(
    first: asyncpg.Connection,
    second: asyncpg.Connection,
    two_wallet_ids: list[UUID],
    waiting: Waiting,
    read_wallet: ReadWallet,
) -> None:
    source, target = two_wallet_ids
    async with first.transaction():
        await apply(first, source, "WITHDRAW", 10)
        other = await waiting(second, transfer(second, source, target, asyncio.sleep(0)))
        await apply(first, target, "DEPOSIT", 10)
    await other
    assert await read_wallet(source) == Wallet(balance=80, last_seq=3)
    assert await read_wallet(target) == Wallet(balance=120, last_seq=3)


async def test_of_two_transactions_in_opposite_order_one_is_undone_whole(
    database_url: str,
    maintenance: asyncpg.Connection,
    two_wallet_ids: list[UUID],
    waiting: Waiting,
    read_wallet: ReadWallet,
) -> None:
    # Found within 20 ms instead of a second; only a superuser can say so.
    name = database_url.partition("?")[0].rpartition("/")[2]
    await maintenance.execute(f"alter database {name} set deadlock_timeout = '20ms'")
    first, second = [await connect_directly(database_url) for _ in range(2)]
    one, other = two_wallet_ids
    try:
        met = asyncio.Barrier(2)
        outcomes = await asyncio.gather(
            refusal_of(transfer(first, one, other, met.wait())),
            refusal_of(transfer(second, other, one, met.wait())),
        )
        assert sorted(outcomes, key=str) == ["40P01", None]
        moved = 10 if outcomes[0] is None else -10
        assert await read_wallet(one) == Wallet(balance=100 - moved, last_seq=2)
        assert await read_wallet(other) == Wallet(balance=100 + moved, last_seq=2)
    finally:
        await first.close()
        await second.close()
