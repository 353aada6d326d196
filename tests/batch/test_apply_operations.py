"""wallet.apply_operations"""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import (
    MAX,
    Apply,
    ApplyAll,
    CreateWallet,
    Item,
    ReadState,
    SetStatus,
    WaitingCall,
    call_apply_operations,
    id_of,
)

INVALID_AMOUNTS = [None, 0, -1, -MAX - 1]
INVALID_TYPES = [None, "", "deposit", " DEPOSIT", "DEPOSIT ", "TRANSFER", "DEPOSIT\n"]
INVALID_KEYS = [None, "", " ", "a b", "a\tb", "a\n", "\x7f", "ключ", "é", "🔑", "k" * 256, "é" * 128]


def deposits(wallet_id: UUID, *keys: str, amount: int = 1) -> list[Item]:
    return [Item(wallet_id, "DEPOSIT", amount, key) for key in keys]


def errors(answers: list[asyncpg.Record]) -> list[str | None]:
    return [answer["error_code"] for answer in answers]


def balances(answers: list[asyncpg.Record]) -> list[int | None]:
    return [answer["new_balance"] for answer in answers]


# What it answers, and what it writes


async def test_it_answers_every_column_of_a_success(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply_all: ApplyAll
) -> None:
    await apply_all(*deposits(wallet_id, "earlier", amount=100))
    before = await app_connection.fetchval("select clock_timestamp()")
    (row,) = await apply_all(Item(wallet_id, "WITHDRAW", 30, "order-17"))
    after = await app_connection.fetchval("select clock_timestamp()")
    answer = dict(row)
    assert before <= answer.pop("created_at") <= after
    assert answer == {
        "position": 1,
        "operation_id": id_of(wallet_id, "order-17"),
        "status": "SUCCESS",
        "operation_type": "WITHDRAW",
        "amount": 30,
        "new_balance": 70,
        "seq": 2,
        "replayed": False,
        "error_code": None,
        "detail": None,
    }


async def test_it_answers_every_column_of_a_refusal(create_wallet: CreateWallet, apply_all: ApplyAll) -> None:
    wallet_id = await create_wallet(balance=20)
    (answer,) = await apply_all(Item(wallet_id, "WITHDRAW", 30, "order-17"))
    assert dict(answer) == {
        "position": 1,
        "operation_id": None,
        "status": "REJECTED",
        "operation_type": "WITHDRAW",
        "amount": 30,
        "new_balance": 20,
        "seq": None,
        "replayed": False,
        "created_at": None,
        "error_code": "WA002",
        "detail": "insufficient funds: 20 available, 30 requested",
    }


async def test_it_writes_to_the_ledger_what_it_answers(
    create_wallet: CreateWallet, apply_all: ApplyAll, state: ReadState
) -> None:
    wallets = [await create_wallet() for _ in range(3)]
    items = [Item(wallet, "DEPOSIT", 10 + turn, f"key-{turn}") for turn in range(3) for wallet in wallets]
    answers = await apply_all(*items)
    written = {(operation["wallet_id"], operation["id"]): operation for operation in (await state()).operations}
    assert len(written) == len(items)
    assert [
        dict(written[item.wallet_id, answer["operation_id"]]) for item, answer in zip(items, answers, strict=True)
    ] == [
        {
            "wallet_id": item.wallet_id,
            "seq": answer["seq"],
            "id": answer["operation_id"],
            "amount": item.amount,
            "balance_after": answer["new_balance"],
            "created_at": answer["created_at"],
            "operation_type": item.operation_type,
            "idempotency_key": item.key,
        }
        for item, answer in zip(items, answers, strict=True)
    ]


async def test_it_changes_nothing_of_a_wallet_but_balance_seq_and_time(
    wallet_id: UUID, apply_all: ApplyAll, state: ReadState
) -> None:
    before = (await state()).wallets[0]
    last = (await apply_all(*deposits(wallet_id, "a", "b")))[-1]
    assert dict((await state()).wallets[0]) == {
        **before,
        "balance": last["new_balance"],
        "last_seq": last["seq"],
        "updated_at": last["created_at"],
    }


async def test_it_leaves_other_wallets_alone(
    create_wallet: CreateWallet, wallet_id: UUID, apply_all: ApplyAll, state: ReadState
) -> None:
    other = await create_wallet(balance=50)
    before = [wallet for wallet in (await state()).wallets if wallet["id"] == other]
    await apply_all(*deposits(wallet_id, "a", "b"))
    assert [wallet for wallet in (await state()).wallets if wallet["id"] == other] == before


async def test_it_answers_in_the_order_of_the_items_however_their_wallets_mix(
    create_wallet: CreateWallet, apply_all: ApplyAll
) -> None:
    first, second = [await create_wallet() for _ in range(2)]
    mixed = [second, first, first, second, first, second, second, first]
    answers = await apply_all(*(Item(wallet, "DEPOSIT", 1, f"{place}") for place, wallet in enumerate(mixed)))
    assert [answer["operation_id"] for answer in answers] == [
        id_of(wallet, f"{place}") for place, wallet in enumerate(mixed)
    ]
    assert balances(answers) == [1, 1, 2, 2, 3, 3, 4, 4]


async def test_positions_are_the_places_of_the_items_from_1(wallet_id: UUID, apply_all: ApplyAll) -> None:
    answers = await apply_all(*deposits(wallet_id, "a", "b", "a", "a b"))
    assert [answer["position"] for answer in answers] == [1, 2, 3, 4]


async def test_positions_are_the_callers_own_where_given(wallet_id: UUID, apply_all: ApplyAll) -> None:
    answers = await apply_all(*deposits(wallet_id, "a", "b", "a", "a b"), positions=[70, 7, None, 7])
    assert [answer["position"] for answer in answers] == [70, 7, 3, 7]
    assert [answer["operation_id"] for answer in answers[:2]] == [id_of(wallet_id, "a"), id_of(wallet_id, "b")]


async def test_it_numbers_operations_without_gaps_whatever_was_refused_between(
    wallet_id: UUID, apply_all: ApplyAll
) -> None:
    refused = Item(wallet_id, "WITHDRAW", 1000, "too-much")
    items = [item for key in "abc" for item in (*deposits(wallet_id, key, key), refused)]
    answers = await apply_all(*items)
    assert [answer["seq"] for answer in answers] == [1, 1, None, 2, 2, None, 3, 3, None]


async def test_no_items_are_no_rows_and_change_nothing(
    app_connection: asyncpg.Connection, create_wallet: CreateWallet, state: ReadState
) -> None:
    await create_wallet(balance=100)
    before = await state()
    assert await app_connection.fetch("select * from wallet.apply_operations('{}', '{}', '{}', '{}')") == []
    assert await app_connection.fetch("select * from wallet.apply_operations('{}', '{}', '{}', '{}', '{}')") == []
    assert await state() == before


@pytest.mark.parametrize("place", range(5), ids=["wallet_ids", "operation_types", "amounts", "keys", "positions"])
@pytest.mark.parametrize("length", [0, 1, 3])
async def test_arrays_of_different_lengths_are_refused_whole(
    app_connection: asyncpg.Connection, wallet_id: UUID, state: ReadState, place: int, length: int
) -> None:
    before = await state()
    arrays: list[list[object]] = [[wallet_id] * 2, ["DEPOSIT"] * 2, [1] * 2, ["a", "b"], [1, 2]]
    arrays[place] = (arrays[place] * 2)[:length]
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await app_connection.fetch("select * from wallet.apply_operations($1, $2, $3, $4, $5)", *arrays)
    assert refusal.value.sqlstate == "2202E"
    assert await state() == before


@pytest.mark.parametrize("place", range(4), ids=["wallet_ids", "operation_types", "amounts", "keys"])
async def test_a_null_array_is_refused(
    app_connection: asyncpg.Connection, wallet_id: UUID, state: ReadState, place: int
) -> None:
    before = await state()
    arrays: list[list[object] | None] = [[wallet_id], ["DEPOSIT"], [1], ["a"]]
    arrays[place] = None
    with pytest.raises(asyncpg.DataError):
        await app_connection.fetch("select * from wallet.apply_operations($1, $2, $3, $4)", *arrays)
    assert await state() == before


@pytest.mark.parametrize("place", range(5), ids=["wallet_ids", "operation_types", "amounts", "keys", "positions"])
@pytest.mark.parametrize("form", ["array[({}::text[])[1:2]]", "('[0:1]='||{}::text)"], ids=["nested", "from-0"])
async def test_an_array_that_is_no_plain_list_is_refused(
    app_connection: asyncpg.Connection, wallet_id: UUID, state: ReadState, place: int, form: str
) -> None:
    before = await state()
    arrays = [f"'{{{wallet_id},{wallet_id}}}'", "'{DEPOSIT,DEPOSIT}'", "'{5,6}'", "'{k,k}'", "'{1,2}'"]
    types = ["uuid[]", "text[]", "bigint[]", "text[]", "integer[]"]
    arrays[place] = form.format(arrays[place])
    arguments = ", ".join(f"({array})::text::{kind}" for array, kind in zip(arrays, types, strict=True))
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await app_connection.fetch(f"select * from wallet.apply_operations({arguments})")
    assert refusal.value.sqlstate == "2202E"
    assert await state() == before


async def test_temporary_tables_of_the_caller_do_not_stand_in_for_ours(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply_all: ApplyAll, state: ReadState
) -> None:
    for table in ("wallets", "operations", "rejections"):
        await app_connection.execute(f"create temporary table {table} (nothing integer)")
    await app_connection.execute("set search_path = pg_temp, wallet")
    await apply_all(*deposits(wallet_id, "a"), Item(wallet_id, "WITHDRAW", 100, "b"))
    after = await state()
    assert (len(after.operations), len(after.rejections)) == (1, 1)


# Money rules


async def test_a_refused_item_takes_nothing_and_the_next_is_judged_without_it(
    create_wallet: CreateWallet, apply_all: ApplyAll, state: ReadState
) -> None:
    wallet_id = await create_wallet(balance=10)
    answers = await apply_all(*(Item(wallet_id, "WITHDRAW", amount, f"{amount}") for amount in (7, 4, 3, 1)))
    assert errors(answers) == [None, "WA002", None, "WA002"]
    assert balances(answers) == [3, 3, 0, 0]
    assert [operation["balance_after"] for operation in (await state()).operations] == [10, 3, 0]


async def test_a_withdrawal_may_spend_what_the_batch_has_deposited_before_it(
    wallet_id: UUID, apply_all: ApplyAll
) -> None:
    answers = await apply_all(
        Item(wallet_id, "WITHDRAW", 5, "too-early"),
        Item(wallet_id, "DEPOSIT", 5, "deposit"),
        Item(wallet_id, "WITHDRAW", 5, "in-time"),
    )
    assert errors(answers) == ["WA002", None, None]


async def test_what_is_held_cannot_be_withdrawn(
    owner_connection: asyncpg.Connection, create_wallet: CreateWallet, apply_all: ApplyAll
) -> None:
    wallet_id = await create_wallet(balance=100)
    await owner_connection.execute("update wallet.wallets set held = 60")
    answers = await apply_all(Item(wallet_id, "WITHDRAW", 41, "a"), Item(wallet_id, "WITHDRAW", 40, "b"))
    assert (errors(answers), balances(answers)) == (["WA002", None], [100, 60])


async def test_a_wallet_is_filled_to_the_largest_bigint_and_not_beyond(wallet_id: UUID, apply_all: ApplyAll) -> None:
    answers = await apply_all(
        Item(wallet_id, "DEPOSIT", MAX - 1, "a"),
        Item(wallet_id, "DEPOSIT", 2, "b"),
        Item(wallet_id, "DEPOSIT", MAX, "c"),
        Item(wallet_id, "DEPOSIT", 1, "d"),
        Item(wallet_id, "DEPOSIT", 1, "e"),
        Item(wallet_id, "WITHDRAW", MAX, "f"),
    )
    assert errors(answers) == [None, "WA005", "WA005", None, "WA005", None]
    assert balances(answers) == [MAX - 1, MAX - 1, MAX - 1, MAX, MAX, 0]


@pytest.mark.parametrize("status", ["FROZEN", "CLOSED"])
async def test_a_wallet_that_is_not_active_refuses_and_its_neighbours_do_not(
    create_wallet: CreateWallet, set_status: SetStatus, apply_all: ApplyAll, status: str
) -> None:
    stopped, *active = [await create_wallet() for _ in range(3)]
    await set_status(stopped, status)
    answers = await apply_all(
        *(Item(wallet, kind, 1, kind) for kind in ("DEPOSIT", "WITHDRAW") for wallet in (active[0], stopped, active[1]))
    )
    assert errors(answers) == [None, "WA006", None, None, "WA006", None]


@pytest.mark.parametrize("unknown", [None, uuid4()], ids=["null", "unknown"])
@pytest.mark.parametrize("place", range(3))
async def test_a_wallet_that_there_is_not_is_its_items_refusal(
    create_wallet: CreateWallet, apply_all: ApplyAll, state: ReadState, unknown: UUID | None, place: int
) -> None:
    items = [Item(await create_wallet(), "DEPOSIT", 1, "key") for _ in range(2)]
    items.insert(place, Item(unknown, "DEPOSIT", 1, "key"))
    expected: list[str | None] = [None, None]
    expected.insert(place, "WA001")
    answers = await apply_all(*items)
    assert errors(answers) == expected
    assert (answers[place]["new_balance"], answers[place]["replayed"]) == (None, False)
    after = await state()
    assert (len(after.operations), after.rejections) == (2, [])


async def test_one_unknown_wallet_twice_is_refused_twice(wallet_id: UUID, apply_all: ApplyAll) -> None:
    unknown = Item(uuid4(), "DEPOSIT", 1, "key")
    answers = await apply_all(unknown, *deposits(wallet_id, "key"), unknown)
    assert errors(answers) == ["WA001", None, "WA001"]
    assert [answer["replayed"] for answer in answers] == [False] * 3


@pytest.mark.parametrize(
    ("error_code", "malformed"),
    [
        ("WA003", [("DEPOSIT", amount, "key") for amount in INVALID_AMOUNTS]),
        ("WA003", [("WITHDRAW", amount, "key") for amount in INVALID_AMOUNTS]),
        ("WA004", [(kind, 1, "key") for kind in INVALID_TYPES]),
        ("WA008", [("DEPOSIT", 1, key) for key in INVALID_KEYS]),
    ],
    ids=["amount-of-a-deposit", "amount-of-a-withdrawal", "type", "key"],
)
async def test_a_malformed_item_is_refused_and_leaves_no_trace(
    create_wallet: CreateWallet,
    apply_all: ApplyAll,
    state: ReadState,
    error_code: str,
    malformed: list[tuple[str | None, int | None, str | None]],
) -> None:
    wallet_id = await create_wallet(balance=100)
    before = await state()
    answers = await apply_all(*(Item(wallet_id, *item) for item in malformed))
    assert errors(answers) == [error_code] * len(malformed)
    assert balances(answers) == [None] * len(malformed)
    assert not any(answer["replayed"] for answer in answers)
    assert await state() == before


async def test_any_1_to_255_visible_ascii_characters_are_a_key(
    wallet_id: UUID, apply_all: ApplyAll, state: ReadState
) -> None:
    keys = ["k", "!", "~", "k" * 255, "a\\b\\", "'", '"', "%s$1{},", "NULL", "\\x00"]
    answers = await apply_all(*deposits(wallet_id, *keys))
    assert [answer["operation_id"] for answer in answers] == [id_of(wallet_id, key) for key in keys]
    assert [operation["idempotency_key"] for operation in (await state()).operations] == keys


@pytest.mark.parametrize(
    "malformed", [("DEPOSIT", 0, "key"), ("TRANSFER", 5, "key"), ("DEPOSIT", None, "key"), (None, 5, "key")]
)
async def test_a_malformed_item_does_not_use_up_its_key(
    wallet_id: UUID, apply_all: ApplyAll, malformed: tuple[str | None, int | None, str]
) -> None:
    answers = await apply_all(Item(wallet_id, *malformed), *deposits(wallet_id, "key", "key", amount=5))
    assert [answer["status"] for answer in answers] == ["REJECTED", "SUCCESS", "SUCCESS"]
    assert [answer["replayed"] for answer in answers] == [False, False, True]


async def test_the_neighbours_of_malformed_items_are_applied(wallet_id: UUID, apply_all: ApplyAll) -> None:
    answers = await apply_all(
        Item(wallet_id, "DEPOSIT", None, "a"),
        Item(wallet_id, "DEPOSIT", 5, "b"),
        Item(None, None, None, None),
        Item(wallet_id, "WITHDRAW", 2, "c"),
        Item(wallet_id, "WITHDRAW", 2, ""),
    )
    assert errors(answers) == ["WA003", None, "WA003", None, "WA008"]
    assert balances(answers) == [None, 5, None, 3, None]


# What it remembers


async def test_rejections_hold_exactly_the_refusals_by_a_money_rule(
    create_wallet: CreateWallet, set_status: SetStatus, apply_all: ApplyAll, state: ReadState
) -> None:
    poor, full, frozen = await create_wallet(3), await create_wallet(MAX), await create_wallet(9)
    await set_status(frozen, "FROZEN")
    await apply_all(*deposits(poor, "used"))
    remembered = [
        Item(poor, "WITHDRAW", 5, "WA002"),
        Item(full, "DEPOSIT", 1, "WA005"),
        Item(frozen, "DEPOSIT", 7, "WA006"),
    ]
    answers = await apply_all(
        Item(uuid4(), "DEPOSIT", 1, "WA001"),
        Item(poor, "DEPOSIT", 0, "WA003"),
        Item(poor, "TRANSFER", 1, "WA004"),
        Item(poor, "DEPOSIT", 2, "used"),
        Item(poor, "DEPOSIT", 1, ""),
        *remembered,
        *remembered,
    )
    assert errors(answers) == ["WA001", "WA003", "WA004", "WA007", "WA008"] + ["WA002", "WA005", "WA006"] * 2
    rejections = {row["error_code"]: dict(row) for row in (await state()).rejections}
    assert len({row.pop("created_at") for row in rejections.values()}) == 1
    assert rejections == {
        item.key: {
            "wallet_id": item.wallet_id,
            "id": id_of(item.wallet_id, item.key),
            "amount": item.amount,
            "balance": balance,
            "operation_type": item.operation_type,
            "idempotency_key": item.key,
            "error_code": item.key,
            "detail": answer["detail"],
        }
        for item, balance, answer in zip(remembered, (4, MAX, 9), answers[5:8], strict=True)
        if item.wallet_id is not None and item.key is not None
    }


@pytest.mark.parametrize("statement", ["update {} set amount = amount", "delete from {}", "truncate {}"])
async def test_what_was_rejected_cannot_be_rewritten_by_the_owner_either(
    owner_connection: asyncpg.Connection, wallet_id: UUID, apply_all: ApplyAll, state: ReadState, statement: str
) -> None:
    await apply_all(Item(wallet_id, "WITHDRAW", 5, "key"))
    before = await state()
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner_connection.execute(statement.format("wallet.rejections"))
    assert len(before.rejections) == 1
    assert await state() == before


@pytest.mark.parametrize("operation_type", ["DEPOSIT", "WITHDRAW"])
async def test_a_replay_answers_the_first_answer(
    create_wallet: CreateWallet, set_status: SetStatus, apply_all: ApplyAll, operation_type: str
) -> None:
    wallet_id = await create_wallet(balance=100)
    item = Item(wallet_id, operation_type, 30, "key")
    (first,) = await apply_all(item)
    await apply_all(*deposits(wallet_id, "later"))
    await set_status(wallet_id, "FROZEN")
    (again,) = await apply_all(item)
    assert dict(again) == {**first, "replayed": True}


async def test_a_replay_of_a_refusal_answers_the_refusal_even_when_it_could_now_be_applied(
    create_wallet: CreateWallet, set_status: SetStatus, apply_all: ApplyAll
) -> None:
    poor, full, frozen = await create_wallet(3), await create_wallet(MAX), await create_wallet(9)
    await set_status(frozen, "FROZEN")
    items = [Item(poor, "WITHDRAW", 5, "k"), Item(full, "DEPOSIT", 1, "k"), Item(frozen, "DEPOSIT", 7, "k")]
    first = await apply_all(*items)
    await set_status(frozen, "ACTIVE")
    changed = await apply_all(*deposits(poor, "l", amount=50), Item(full, "WITHDRAW", 50, "l"))
    assert errors(changed) == [None, None]
    again = await apply_all(*items)
    assert errors(first) == ["WA002", "WA005", "WA006"]
    assert [dict(answer) for answer in again] == [{**answer, "replayed": True} for answer in first]


async def test_a_replay_moves_nothing(wallet_id: UUID, apply_all: ApplyAll, state: ReadState) -> None:
    items = [*deposits(wallet_id, "a", "b", amount=5), Item(wallet_id, "WITHDRAW", 50, "c")]
    await apply_all(*items)
    before = await state()
    answers = await apply_all(*reversed(items))
    assert [answer["replayed"] for answer in answers] == [True] * 3
    assert await state() == before


async def test_it_replays_what_apply_operation_has_applied(wallet_id: UUID, apply: Apply, apply_all: ApplyAll) -> None:
    first = await apply(Item(wallet_id, "DEPOSIT", 5, "key"))
    (again,) = await apply_all(Item(wallet_id, "DEPOSIT", 5, "key"))
    assert {name: again[name] for name in dict(first)} == {**first, "replayed": True}


async def test_apply_operation_replays_what_it_has_applied(wallet_id: UUID, apply: Apply, apply_all: ApplyAll) -> None:
    (first,) = await apply_all(Item(wallet_id, "DEPOSIT", 5, "key"))
    again = await apply(Item(wallet_id, "DEPOSIT", 5, "key"))
    assert dict(again) == {**{name: first[name] for name in dict(again)}, "replayed": True}


async def test_apply_operation_raises_a_remembered_refusal_again(
    wallet_id: UUID, apply: Apply, apply_all: ApplyAll, state: ReadState
) -> None:
    item = Item(wallet_id, "WITHDRAW", 5, "key")
    (first,) = await apply_all(item)
    await apply_all(*deposits(wallet_id, "later", amount=50))
    before = await state()
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await apply(item)
    assert (refusal.value.sqlstate, refusal.value.message) == (first["error_code"], first["detail"])
    assert await state() == before


async def test_apply_operation_refuses_a_remembered_key_for_something_else(
    wallet_id: UUID, apply: Apply, apply_all: ApplyAll, state: ReadState
) -> None:
    await apply_all(Item(wallet_id, "WITHDRAW", 5, "key"))
    before = await state()
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await apply(Item(wallet_id, "DEPOSIT", 5, "key"))
    assert refusal.value.sqlstate == "WA007"
    assert await state() == before


async def test_a_key_twice_in_a_batch_is_applied_once(wallet_id: UUID, apply_all: ApplyAll, state: ReadState) -> None:
    first, between, again = await apply_all(*deposits(wallet_id, "key", "other", "key", amount=5))
    assert dict(again) == {**first, "position": 3, "replayed": True}
    assert between["new_balance"] == 10
    assert [operation["balance_after"] for operation in (await state()).operations] == [5, 10]


async def test_a_key_twice_in_a_batch_is_refused_once(wallet_id: UUID, apply_all: ApplyAll, state: ReadState) -> None:
    refused = Item(wallet_id, "WITHDRAW", 5, "key")
    first, _, again = await apply_all(refused, *deposits(wallet_id, "other", amount=5), refused)
    assert (first["error_code"], first["replayed"]) == ("WA002", False)
    assert dict(again) == {**first, "position": 3, "replayed": True}
    after = await state()
    assert (len(after.operations), len(after.rejections)) == (1, 1)


@pytest.mark.parametrize("first", [("DEPOSIT", 5), ("WITHDRAW", 5)], ids=["applied", "refused"])
@pytest.mark.parametrize("together", [True, False], ids=["in-the-batch", "in-an-earlier-one"])
async def test_a_key_that_was_used_for_something_else_is_refused_and_the_first_stays(
    wallet_id: UUID, apply_all: ApplyAll, state: ReadState, first: tuple[str, int], together: bool
) -> None:
    kind, amount = first
    items = [
        Item(wallet_id, kind, amount, "key"),
        Item(wallet_id, kind, amount + 1, "key"),
        Item(wallet_id, "WITHDRAW" if kind == "DEPOSIT" else "DEPOSIT", amount, "key"),
        Item(wallet_id, kind, amount, "key"),
    ]
    answers = await apply_all(*items) if together else [*await apply_all(items[0]), *await apply_all(*items[1:])]
    assert errors(answers)[1:3] == ["WA007", "WA007"]
    assert [answer["replayed"] for answer in answers] == [False, False, False, True]
    assert answers[3]["error_code"] == answers[0]["error_code"]
    after = await state()
    assert [(row["operation_type"], row["amount"]) for row in (*after.operations, *after.rejections)] == [first]


async def test_one_key_on_two_wallets_is_two_operations(
    create_wallet: CreateWallet, wallet_id: UUID, apply_all: ApplyAll
) -> None:
    other = await create_wallet()
    answers = await apply_all(Item(wallet_id, "DEPOSIT", 1, "key"), Item(other, "DEPOSIT", 2, "key"))
    assert (errors(answers), balances(answers)) == ([None, None], [1, 2])


async def test_a_refusal_is_forgotten_when_the_transaction_is_rolled_back(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply_all: ApplyAll
) -> None:
    undone = app_connection.transaction()
    await undone.start()
    await apply_all(Item(wallet_id, "WITHDRAW", 5, "key"))
    await undone.rollback()
    answers = await apply_all(*deposits(wallet_id, "other", amount=5), Item(wallet_id, "WITHDRAW", 5, "key"))
    assert errors(answers) == [None, None]


# Time


async def test_its_clock_is_that_of_the_call_not_of_the_transaction(
    app_connection: asyncpg.Connection, wallet_id: UUID, apply_all: ApplyAll
) -> None:
    async with app_connection.transaction():
        began = await app_connection.fetchval("select now()")
        first, second = [(await apply_all(*deposits(wallet_id, key)))[0]["created_at"] for key in "ab"]
    assert began < first < second


async def test_its_clock_never_runs_backwards_within_a_wallet(
    owner_connection: asyncpg.Connection, create_wallet: CreateWallet, wallet_id: UUID, apply_all: ApplyAll
) -> None:
    ahead = await owner_connection.fetchval(
        "update wallet.wallets set updated_at = updated_at + $1 returning updated_at", timedelta(hours=1)
    )
    other = await create_wallet()
    answers = await apply_all(*deposits(wallet_id, "a"), *deposits(other, "a"), *deposits(wallet_id, "b"))
    assert [answer["created_at"] == ahead for answer in answers] == [True, False, True]


async def test_its_clock_is_read_when_it_has_the_wallets(
    app_connection: asyncpg.Connection, wallet_id: UUID, waiting_call: WaitingCall
) -> None:
    holding = app_connection.transaction()
    await holding.start()
    await call_apply_operations(app_connection, *deposits(wallet_id, "earlier"))
    call = await waiting_call(*deposits(wallet_id, "later"))
    seen_waiting = await app_connection.fetchval("select clock_timestamp()")
    await holding.commit()
    assert (await call)[0]["created_at"] > seen_waiting


# Locks


async def test_a_wallet_is_updated_once_however_many_operations_it_has(
    app_connection: asyncpg.Connection, create_wallet: CreateWallet, apply_all: ApplyAll
) -> None:
    wallets = [await create_wallet() for _ in range(3)]
    items = [item for key in range(20) for wallet in wallets for item in deposits(wallet, f"{key}")]
    async with app_connection.transaction():
        before = await _updates(app_connection)
        await apply_all(*items)
        assert await _updates(app_connection) - before == 3


async def test_a_wallet_to_which_nothing_was_applied_is_not_updated(
    app_connection: asyncpg.Connection, create_wallet: CreateWallet, apply_all: ApplyAll
) -> None:
    wallet_id = await create_wallet(balance=5)
    replayed = Item(wallet_id, "WITHDRAW", 5, "a")
    await apply_all(replayed)
    async with app_connection.transaction():
        before = await _updates(app_connection)
        await apply_all(replayed, Item(wallet_id, "WITHDRAW", 5, "b"), Item(wallet_id, "DEPOSIT", 0, "c"))
        assert await _updates(app_connection) == before


async def _updates(connection: asyncpg.Connection) -> int:
    """How many rows of wallets the session has written anew of late."""
    return int(
        await connection.fetchval(
            "select n_tup_upd from pg_stat_xact_user_tables where relid = 'wallet.wallets'::regclass"
        )
    )


async def test_it_locks_wallets_in_the_order_of_their_ids(
    owner_connection: asyncpg.Connection, create_wallet: CreateWallet, waiting_call: WaitingCall
) -> None:
    # Neither made nor named in the order of their ids.
    third, first, second = [await create_wallet(wallet_id=UUID(int=number)) for number in (3, 1, 2)]
    locked = "select id from wallet.wallets order by id for no key update skip locked"
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.wallets where id = $1 for no key update", second)
        call = await waiting_call(*(Item(wallet, "DEPOSIT", 1, "key") for wallet in (third, second, first)))
        free = [row["id"] for row in await owner_connection.fetch(locked)]
    assert free == [second, third]
    assert errors(await call) == [None] * 3


async def test_batches_of_the_same_wallets_in_opposite_orders_do_not_deadlock(
    owner_connection: asyncpg.Connection, create_wallet: CreateWallet, waiting_call: WaitingCall
) -> None:
    wallets = [await create_wallet(wallet_id=UUID(int=number)) for number in range(1, 4)]
    calls: list[asyncio.Task[list[asyncpg.Record]]] = []
    # The first batch is next in line for the first wallet; the second one, if it took the wallets as they come, would
    # hold the others by then.
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.wallets where id = $1 for no key update", wallets[0])
        for key, order in (("a", wallets), ("b", wallets[::-1])):
            calls.append(await waiting_call(*(Item(wallet, "DEPOSIT", 1, key) for wallet in order)))
    answers = await asyncio.gather(*calls)
    assert [errors(rows) for rows in answers] == [[None] * 3] * 2


@pytest.mark.parametrize(("kind", "error_code"), [("DEPOSIT", None), ("WITHDRAW", "WA002")], ids=["applied", "refused"])
async def test_of_two_calls_at_once_with_one_key_the_later_replays_the_earlier(
    wallet_id: UUID,
    app_connection: asyncpg.Connection,
    waiting_call: WaitingCall,
    kind: str,
    error_code: str | None,
) -> None:
    item = Item(wallet_id, kind, 5, "key")
    async with app_connection.transaction():
        (first,) = await call_apply_operations(app_connection, item)
        call = await waiting_call(item)
    (again,) = await call
    assert first["error_code"] == error_code
    assert dict(again) == {**first, "replayed": True}


async def test_it_sees_what_was_applied_while_it_waited(
    create_wallet: CreateWallet, app_connection: asyncpg.Connection, waiting_call: WaitingCall
) -> None:
    wallet_id = await create_wallet(balance=10)
    async with app_connection.transaction():
        await call_apply_operations(app_connection, Item(wallet_id, "WITHDRAW", 8, "first"))
        call = await waiting_call(Item(wallet_id, "WITHDRAW", 8, "second"))
    (second,) = await call
    assert (second["error_code"], second["new_balance"]) == ("WA002", 2)


async def test_a_wallet_that_is_made_while_it_waits_is_one_that_it_does_not_find(
    owner_connection: asyncpg.Connection, create_wallet: CreateWallet, waiting_call: WaitingCall, state: ReadState
) -> None:
    held, late = await create_wallet(wallet_id=UUID(int=1)), UUID(int=2)
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.wallets where id = $1 for no key update", held)
        call = await waiting_call(*deposits(held, "a"), *deposits(late, "a"))
        await create_wallet(wallet_id=late, balance=5)
    assert errors(await call) == [None, "WA001"]
    assert [(wallet["balance"], wallet["last_seq"]) for wallet in (await state()).wallets] == [(1, 1), (5, 1)]


# Size


@pytest.mark.parametrize("wallets", [1, 5000], ids=["on-one-wallet", "on-5000"])
async def test_10000_items_are_applied_in_one_call(
    app_connection: asyncpg.Connection, apply_all: ApplyAll, wallets: int
) -> None:
    created = await app_connection.fetch("select (wallet.create_wallet()).id from generate_series(1, $1)", wallets)
    ids = [row["id"] for row in created]
    items = [Item(ids[place % wallets], "DEPOSIT", 1, f"key-{place}") for place in range(10_000)]
    answers = await apply_all(*items)
    assert [answer["position"] for answer in answers] == list(range(1, 10_001))
    assert balances(answers) == [place // wallets + 1 for place in range(10_000)]


async def test_10000_refusals_are_remembered_in_one_call(
    wallet_id: UUID, apply_all: ApplyAll, state: ReadState
) -> None:
    items = [Item(wallet_id, "WITHDRAW", 1, f"key-{place}") for place in range(10_000)]
    first, again = await apply_all(*items), await apply_all(*items)
    assert errors(first) == errors(again) == ["WA002"] * 10_000
    assert (first[0]["replayed"], again[-1]["replayed"]) == (False, True)
    assert len((await state()).rejections) == 10_000
