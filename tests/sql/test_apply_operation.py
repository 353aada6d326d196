"""wallet.apply_operation"""

from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Apply, ReadState, Refused

MAX = 2**63 - 1
VALID_KEYS = ["k", "!", "~", "k" * 255, "a\\b\\", "'", '"', "%s$1{}", "');drop-table;--", "\\x00"]
INVALID_KEYS = ["", " ", "a b", " a", "a ", "a\tb", "a\n", "\x7f", "\x01", "ключ", "é", "🔑", "k" * 256, "é" * 128]
INVALID_TYPES = [None, "", "deposit", " DEPOSIT", "DEPOSIT ", "TRANSFER", "DEPOSIT\n"]


def id_of(wallet_id: UUID, key: str) -> UUID:
    """The id that design.md promises for a key: UUID version 8, made of sha256."""
    digits = list(sha256(wallet_id.bytes + key.encode()).hexdigest()[:32])
    digits[12] = digits[16] = "8"
    return UUID("".join(digits))


# What it answers, and what it writes


@pytest.mark.parametrize(
    ("operation_type", "new_balance"), [("DEPOSIT", 130), ("WITHDRAW", 70)], ids=["deposit", "withdrawal"]
)
async def test_it_answers_every_column(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, operation_type: str, new_balance: int
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    before = await app_connection.fetchval("select clock_timestamp()")
    answer = dict(await apply(wallet_id, operation_type, 30, "order-17"))
    after = await app_connection.fetchval("select clock_timestamp()")
    assert before <= answer.pop("created_at") <= after
    assert answer == {
        "operation_id": id_of(wallet_id, "order-17"),
        "status": "SUCCESS",
        "operation_type": operation_type,
        "amount": 30,
        "new_balance": new_balance,
        "seq": 2,
        "replayed": False,
    }


async def test_it_writes_to_the_ledger_what_it_answers(wallet_id: UUID, apply: Apply, state: ReadState) -> None:
    answer = await apply(wallet_id, "DEPOSIT", 100, "order-17")
    assert [dict(operation) for operation in (await state()).operations] == [
        {
            "wallet_id": wallet_id,
            "seq": answer["seq"],
            "id": answer["operation_id"],
            "amount": 100,
            "balance_after": answer["new_balance"],
            "created_at": answer["created_at"],
            "operation_type": "DEPOSIT",
            "idempotency_key": "order-17",
        }
    ]


async def test_it_changes_nothing_of_a_wallet_but_balance_seq_and_time(
    wallet_id: UUID, apply: Apply, state: ReadState
) -> None:
    before = (await state()).wallets[0]
    answer = await apply(wallet_id, "DEPOSIT", 100)
    assert dict((await state()).wallets[0]) == {
        **before,
        "balance": answer["new_balance"],
        "last_seq": answer["seq"],
        "updated_at": answer["created_at"],
    }


async def test_it_leaves_other_wallets_alone(app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply) -> None:
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    await apply(other, "DEPOSIT", 50)
    before = await app_connection.fetchrow("select * from wallet.get_wallet($1)", other)
    await apply(wallet_id, "DEPOSIT", 100)
    assert await app_connection.fetchrow("select * from wallet.get_wallet($1)", other) == before


async def test_it_numbers_operations_without_gaps_whatever_was_refused_between(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, state: ReadState
) -> None:
    for turn in range(5):
        await apply(wallet_id, "DEPOSIT", 10, f"key-{turn}")
        await apply(wallet_id, "DEPOSIT", 10, f"key-{turn}")
        with pytest.raises(asyncpg.PostgresError):
            await apply(wallet_id, "WITHDRAW", 1000)
        undone = app_connection.transaction()
        await undone.start()
        await apply(wallet_id, "DEPOSIT", 10)
        await undone.rollback()
    assert [operation["seq"] for operation in (await state()).operations] == [1, 2, 3, 4, 5]


async def test_it_sees_what_its_own_transaction_did(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    async with app_connection.transaction():
        await apply(wallet_id, "DEPOSIT", 100)
        assert (await apply(wallet_id, "WITHDRAW", 100))["new_balance"] == 0


async def test_a_refusal_undoes_the_transaction_that_it_is_part_of(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused
) -> None:
    async with refused("WA002"), app_connection.transaction():
        await apply(wallet_id, "DEPOSIT", 100)
        await apply(wallet_id, "WITHDRAW", 101)


async def test_temporary_tables_of_the_caller_do_not_stand_in_for_ours(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, state: ReadState
) -> None:
    for table in ("wallets", "operations"):
        await app_connection.execute(f"create temporary table {table} (nothing integer)")
    await app_connection.execute("set search_path = pg_temp, wallet")
    await apply(wallet_id, "DEPOSIT", 100)
    assert [operation["amount"] for operation in (await state()).operations] == [100]


# Money rules


@pytest.mark.parametrize("amount", [None, 0, -1, -MAX - 1])
@pytest.mark.parametrize("operation_type", ["DEPOSIT", "WITHDRAW"])
async def test_it_refuses_an_amount_that_is_not_positive(
    wallet_id: UUID, apply: Apply, refused: Refused, operation_type: str, amount: int | None
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    async with refused("WA003"):
        await apply(wallet_id, operation_type, amount)


@pytest.mark.parametrize("operation_type", INVALID_TYPES)
async def test_it_refuses_an_unknown_operation_type(
    wallet_id: UUID, apply: Apply, refused: Refused, operation_type: str | None
) -> None:
    async with refused("WA004"):
        await apply(wallet_id, operation_type, 1)


@pytest.mark.parametrize("amount", [101, MAX])
async def test_it_refuses_to_withdraw_more_than_there_is(
    wallet_id: UUID, apply: Apply, refused: Refused, amount: int
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    async with refused("WA002"):
        await apply(wallet_id, "WITHDRAW", amount)


async def test_it_refuses_to_withdraw_from_an_empty_wallet(wallet_id: UUID, apply: Apply, refused: Refused) -> None:
    async with refused("WA002"):
        await apply(wallet_id, "WITHDRAW", 1)


async def test_it_withdraws_to_the_last_unit(wallet_id: UUID, apply: Apply) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    assert (await apply(wallet_id, "WITHDRAW", 100))["new_balance"] == 0


async def test_it_refuses_to_withdraw_what_is_held(
    owner_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    await owner_connection.execute("update wallet.wallets set held = 60")
    async with refused("WA002"):
        await apply(wallet_id, "WITHDRAW", 41)


async def test_it_withdraws_all_that_is_not_held(
    owner_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    await owner_connection.execute("update wallet.wallets set held = 60")
    assert (await apply(wallet_id, "WITHDRAW", 40))["new_balance"] == 60


async def test_it_fills_a_wallet_to_the_largest_bigint(wallet_id: UUID, apply: Apply) -> None:
    await apply(wallet_id, "DEPOSIT", MAX - 1)
    assert (await apply(wallet_id, "DEPOSIT", 1))["new_balance"] == MAX


@pytest.mark.parametrize(("there", "more"), [(MAX, 1), (1, MAX), (MAX, MAX), (MAX - 1, 2)])
async def test_it_refuses_to_fill_a_wallet_beyond_the_largest_bigint(
    wallet_id: UUID, apply: Apply, refused: Refused, there: int, more: int
) -> None:
    await apply(wallet_id, "DEPOSIT", there)
    async with refused("WA005"):
        await apply(wallet_id, "DEPOSIT", more)


async def test_it_withdraws_the_largest_bigint(wallet_id: UUID, apply: Apply) -> None:
    await apply(wallet_id, "DEPOSIT", MAX)
    assert (await apply(wallet_id, "WITHDRAW", MAX))["new_balance"] == 0


@pytest.mark.parametrize("operation_type", ["DEPOSIT", "WITHDRAW"])
async def test_it_refuses_a_frozen_wallet(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused, operation_type: str
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    await app_connection.execute("select wallet.set_wallet_status($1, 'FROZEN')", wallet_id)
    async with refused("WA006"):
        await apply(wallet_id, operation_type, 100)


async def test_it_refuses_a_closed_wallet(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, refused: Refused
) -> None:
    await app_connection.execute("select wallet.set_wallet_status($1, 'CLOSED')", wallet_id)
    async with refused("WA006"):
        await apply(wallet_id, "DEPOSIT", 1)


async def test_it_goes_on_once_the_wallet_is_active_again(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    for status in ("FROZEN", "ACTIVE"):
        await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)
    assert (await apply(wallet_id, "DEPOSIT", 100))["new_balance"] == 100


@pytest.mark.parametrize("keys", [(), ("key",)], ids=["keyless", "keyed"])
@pytest.mark.parametrize("unknown", [None, uuid4()], ids=["null", "unknown"])
async def test_it_refuses_a_wallet_that_there_is_not(
    wallet_id: UUID, apply: Apply, refused: Refused, unknown: UUID | None, keys: tuple[str, ...]
) -> None:
    await apply(wallet_id, "DEPOSIT", 100, "key")
    async with refused("WA001"):
        await apply(unknown, "DEPOSIT", 100, *keys)


# Idempotency


@pytest.mark.parametrize("key", VALID_KEYS)
async def test_it_makes_the_id_of_wallet_and_key(wallet_id: UUID, apply: Apply, key: str) -> None:
    assert (await apply(wallet_id, "DEPOSIT", 1, key))["operation_id"] == id_of(wallet_id, key)


@pytest.mark.parametrize("key", VALID_KEYS)
async def test_it_keeps_a_key_to_the_letter(wallet_id: UUID, apply: Apply, state: ReadState, key: str) -> None:
    await apply(wallet_id, "DEPOSIT", 1, key)
    assert [operation["idempotency_key"] for operation in (await state()).operations] == [key]


@pytest.mark.parametrize("key", INVALID_KEYS)
async def test_it_refuses_a_key_that_is_not_visible_ascii(
    wallet_id: UUID, apply: Apply, refused: Refused, key: str
) -> None:
    async with refused("WA008"):
        await apply(wallet_id, "DEPOSIT", 1, key)


async def test_without_a_key_every_call_is_an_operation_of_its_own(
    wallet_id: UUID, apply: Apply, state: ReadState
) -> None:
    answers = [await apply(wallet_id, "DEPOSIT", 100) for _ in range(2)]
    operations = (await state()).operations
    assert [operation["balance_after"] for operation in operations] == [100, 200]
    assert [operation["id"] for operation in operations] == [answer["operation_id"] for answer in answers]


async def test_without_a_key_the_id_is_that_of_the_key_drawn(wallet_id: UUID, apply: Apply, state: ReadState) -> None:
    answer = await apply(wallet_id, "DEPOSIT", 100)
    drawn = (await state()).operations[0]["idempotency_key"]
    assert answer["operation_id"] == id_of(wallet_id, drawn)


@pytest.mark.parametrize("operation_type", ["DEPOSIT", "WITHDRAW"])
async def test_a_replay_answers_the_first_answer(wallet_id: UUID, apply: Apply, operation_type: str) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    first = await apply(wallet_id, operation_type, 30, "key")
    await apply(wallet_id, "DEPOSIT", 7)
    assert dict(await apply(wallet_id, operation_type, 30, "key")) == {**first, "replayed": True}


async def test_a_replay_moves_nothing(wallet_id: UUID, apply: Apply, state: ReadState) -> None:
    await apply(wallet_id, "DEPOSIT", 100, "key")
    before = await state()
    await apply(wallet_id, "DEPOSIT", 100, "key")
    assert await state() == before


@pytest.mark.parametrize("status", ["FROZEN", "CLOSED"])
async def test_a_replay_of_a_withdrawal_still_answers_when_nothing_could_be_withdrawn(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply, status: str
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    first = await apply(wallet_id, "WITHDRAW", 100, "key")
    await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)
    assert dict(await apply(wallet_id, "WITHDRAW", 100, "key")) == {**first, "replayed": True}


async def test_a_replay_of_a_deposit_still_answers_when_the_wallet_is_full(wallet_id: UUID, apply: Apply) -> None:
    first = await apply(wallet_id, "DEPOSIT", MAX, "key")
    assert dict(await apply(wallet_id, "DEPOSIT", MAX, "key")) == {**first, "replayed": True}


async def test_a_replay_answers_within_the_transaction_of_the_first(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    async with app_connection.transaction():
        first = await apply(wallet_id, "DEPOSIT", 100, "key")
        assert dict(await apply(wallet_id, "DEPOSIT", 100, "key")) == {**first, "replayed": True}


@pytest.mark.parametrize(("operation_type", "amount"), [("WITHDRAW", 50), ("DEPOSIT", 51), ("DEPOSIT", 49)])
async def test_it_refuses_a_key_that_was_used_for_something_else(
    wallet_id: UUID, apply: Apply, refused: Refused, operation_type: str, amount: int
) -> None:
    await apply(wallet_id, "DEPOSIT", 100)
    await apply(wallet_id, "DEPOSIT", 50, "key")
    async with refused("WA007"):
        await apply(wallet_id, operation_type, amount, "key")


async def test_a_key_drawn_for_one_operation_is_as_good_as_given(
    wallet_id: UUID, apply: Apply, state: ReadState
) -> None:
    first = await apply(wallet_id, "DEPOSIT", 100)
    drawn = (await state()).operations[0]["idempotency_key"]
    assert dict(await apply(wallet_id, "DEPOSIT", 100, drawn)) == {**first, "replayed": True}


async def test_keys_differ_by_case(wallet_id: UUID, apply: Apply) -> None:
    await apply(wallet_id, "DEPOSIT", 100, "key")
    assert not (await apply(wallet_id, "DEPOSIT", 100, "KEY"))["replayed"]


async def test_one_key_on_two_wallets_is_two_operations(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    first = await apply(wallet_id, "DEPOSIT", 100, "key")
    second = await apply(other, "DEPOSIT", 200, "key")
    assert (first["new_balance"], second["new_balance"], second["replayed"]) == (100, 200, False)
    assert first["operation_id"] != second["operation_id"]


async def test_a_key_is_free_again_after_a_rollback(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    undone = app_connection.transaction()
    await undone.start()
    await apply(wallet_id, "DEPOSIT", 100, "key")
    await undone.rollback()
    answer = await apply(wallet_id, "DEPOSIT", 50, "key")
    assert (answer["new_balance"], answer["replayed"]) == (50, False)


# Time


async def test_its_clock_is_that_of_the_call_not_of_the_transaction(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    async with app_connection.transaction():
        began = await app_connection.fetchval("select now()")
        first, second = [await apply(wallet_id, "DEPOSIT", 1) for _ in range(2)]
    assert began < first["created_at"] < second["created_at"]


async def test_its_clock_never_runs_backwards_within_a_wallet(
    owner_connection: asyncpg.Connection, wallet_id: UUID, apply: Apply
) -> None:
    ahead = await owner_connection.fetchval(
        "update wallet.wallets set updated_at = updated_at + $1 returning updated_at", timedelta(hours=1)
    )
    assert [(await apply(wallet_id, "DEPOSIT", 1))["created_at"] for _ in range(2)] == [ahead, ahead]
