"""wallet.apply_operations: many items in one call, each applied or rejected by itself."""

from collections.abc import Sequence
from itertools import product
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from ledger import MAX, Database, id_of

from . import Item


async def apply(
    database: Database, *items: Item, positions: Sequence[int | None] | None = None
) -> list[asyncpg.Record]:
    return await database.rows("apply_operations", *zip(*items, strict=True), positions)


def deposits(wallet_id: UUID, *keys: str, amount: int = 1) -> list[Item]:
    return [Item(wallet_id, "DEPOSIT", amount, key) for key in keys]


def column(rows: list[asyncpg.Record], name: str) -> list[Any]:
    return [row[name] for row in rows]


# Rows


async def test_it_returns_every_column(database: Database) -> None:
    wallet_id = await database.wallet(100)
    applied, rejected = await apply(
        database, Item(wallet_id, "WITHDRAW", 30, "a"), Item(wallet_id, "WITHDRAW", 71, "b")
    )
    operation = (await database.state(wallet_id)).operations[-1]
    assert dict(applied) == {
        "position": 1,
        "operation_id": id_of(wallet_id, "a"),
        "status": "SUCCESS",
        "operation_type": "WITHDRAW",
        "amount": 30,
        "new_balance": 70,
        "seq": 2,
        "replayed": False,
        "created_at": operation["created_at"],
        "error_code": None,
        "detail": None,
    }
    assert dict(rejected) == {
        "position": 2,
        "operation_id": None,
        "status": "REJECTED",
        "operation_type": "WITHDRAW",
        "amount": 71,
        "new_balance": 70,
        "seq": None,
        "replayed": False,
        "created_at": None,
        "error_code": "WA002",
        "detail": "insufficient funds: 70 available, 71 requested",
    }


async def test_a_single_item_is_no_exception(database: Database) -> None:
    wallet_id = await database.wallet(100)
    for item in (
        Item(wallet_id, "WITHDRAW", 30, "a"),
        Item(wallet_id, "WITHDRAW", 71, "b"),
        Item(wallet_id, "DEPOSIT", 0, "c"),
        Item(wallet_id, "DEPOSIT", 1, None),
        Item(uuid4(), "DEPOSIT", 1, "d"),
    ):
        (alone,) = await apply(database, item, positions=[7])
        _, again = await apply(database, item, item, positions=[1, 7])
        is_remembered = item.key in {"a", "b"}
        assert dict(again) == {**alone, "replayed": is_remembered}, item
        assert not alone["replayed"]
        assert dict((await apply(database, item, positions=[7]))[0]) == dict(again)


async def test_rows_are_in_the_order_of_the_items(database: Database) -> None:
    first, second = await database.wallet(), await database.wallet()
    mixed = [second, first, first, second, first, second, second, first]
    items = [Item(wallet, "DEPOSIT", 10 + index, f"{index}") for index, wallet in enumerate(mixed)]
    rows = await apply(database, *items)
    state = await database.state(first, second)
    stored = {operation["id"]: operation for operation in state.operations}
    names = ("wallet_id", "operation_type", "amount", "idempotency_key", "balance_after", "seq", "created_at")
    assert column(rows, "operation_id") == [item.id for item in items]
    assert column(rows, "seq") == [1, 1, 2, 2, 3, 3, 4, 4]
    assert [tuple(stored[item.id][name] for name in names) for item in items] == [
        (*item, row["new_balance"], row["seq"], row["created_at"]) for item, row in zip(items, rows, strict=True)
    ]
    assert {wallet["id"]: (wallet["balance"], wallet["last_seq"]) for wallet in state.wallets} == {
        mixed[index]: (rows[index]["new_balance"], 4) for index in (6, 7)
    }


async def test_positions_are_from_1_or_the_callers_own(database: Database) -> None:
    items = deposits(await database.wallet(), "a", "b", "a", "a b")
    rows = await apply(database, *items, positions=[70, 7, None, 7])
    assert column(rows, "position") == [70, 7, 3, 7]
    assert column(rows[:2], "operation_id") == [item.id for item in items[:2]]
    assert column(await apply(database, *items), "position") == [1, 2, 3, 4]


async def test_no_items_are_no_rows(database: Database) -> None:
    before = await database.state()
    for count in (4, 5):
        assert await database.rows("apply_operations", *([] for _ in range(count))) == []
    assert await database.state() == before


async def test_arrays_must_be_lists_of_one_length(database: Database) -> None:
    wallet_id = await database.wallet()
    arrays = [f"{{{wallet_id},{wallet_id}}}", "{DEPOSIT,DEPOSIT}", "{5,6}", "{k,k}", "{1,2}"]
    types = ["uuid[]", "text[]", "bigint[]", "text[]", "integer[]"]
    before = await database.state(wallet_id)
    wrong = ("array[({})[1:2]]", "('[0:1]=' || ({})::text)", "({})[1:0]", "({})[1:1]", "({0}) || ({0})[1:1]")
    for index, form in product(range(5), wrong):
        arguments = [f"'{array}'::{kind}" for array, kind in zip(arrays, types, strict=True)]
        arguments[index] = f"({form.format(arguments[index])})::{types[index]}"
        with pytest.raises(asyncpg.PostgresError, match="arrays must be one-dimensional and of equal length") as error:
            await database.app.fetch(f"select * from wallet.apply_operations({', '.join(arguments)})")
        assert error.value.sqlstate == "2202E", (index, form)
    for index in range(4):
        lists: list[object] = [[wallet_id], ["DEPOSIT"], [1], ["a"]]
        lists[index] = None
        with pytest.raises(asyncpg.DataError):
            await database.rows("apply_operations", *lists)
    assert await database.state(wallet_id) == before


# One item after the other


async def test_a_rejected_item_takes_nothing(database: Database) -> None:
    wallet_id = await database.wallet(10)
    rows = await apply(database, *(Item(wallet_id, "WITHDRAW", amount, f"{amount}") for amount in (7, 4, 3, 1)))
    assert column(rows, "error_code") == [None, "WA002", None, "WA002"]
    assert column(rows, "new_balance") == [3, 3, 0, 0]
    assert column(rows, "seq") == [2, None, 3, None]


async def test_an_item_sees_what_those_before_it_did(database: Database) -> None:
    wallet_id, full = await database.wallet(), await database.wallet()
    steps = [(MAX - 1, None), (2, "WA005"), (MAX, "WA005"), (1, None), (1, "WA005"), (-MAX, None), (-1, "WA002")]
    rows = await apply(
        database,
        Item(wallet_id, "WITHDRAW", 5, "early"),
        Item(wallet_id, "DEPOSIT", 5, "deposit"),
        Item(wallet_id, "WITHDRAW", 5, "in-time"),
        *(
            Item(full, "DEPOSIT" if amount > 0 else "WITHDRAW", abs(amount), f"{index}")
            for index, (amount, _) in enumerate(steps)
        ),
    )
    assert column(rows, "error_code") == ["WA002", None, None, *(code for _, code in steps)]
    assert column(rows, "new_balance") == [0, 5, 0, MAX - 1, MAX - 1, MAX - 1, MAX, MAX, 0, 0]


async def test_a_rejection_leaves_its_neighbours_alone(database: Database) -> None:
    poor, full, good = await database.wallet(1), await database.wallet(MAX), await database.wallet()
    frozen, closed, unknown = await database.wallet(9, "FROZEN"), await database.wallet(0, "CLOSED"), uuid4()
    await apply(database, *deposits(good, "used"))
    rejected = {
        "WA001": [Item(unknown, "DEPOSIT", 1, "key")] * 2,
        "WA002": [Item(poor, "WITHDRAW", 2, "a"), Item(frozen, "WITHDRAW", 10, "b")],
        "WA003": [Item(good, "DEPOSIT", 0, "key"), Item(None, None, None, None)],
        "WA004": [Item(good, "TRANSFER", 1, "key")],
        "WA005": [Item(full, "DEPOSIT", 1, "a")],
        "WA006": [Item(frozen, "DEPOSIT", 1, "a"), Item(closed, "DEPOSIT", 1, "a")],
        "WA007": [Item(good, "DEPOSIT", 2, "used"), Item(good, "WITHDRAW", 1, "used")],
        "WA008": [Item(good, "DEPOSIT", 1, ""), Item(good, "DEPOSIT", 1, None)],
    }
    rejected["WA006"].append(rejected["WA002"].pop())
    flat = [(code, item) for code, items in rejected.items() for item in items]
    items = [each for index, (_, item) in enumerate(flat) for each in (item, Item(good, "DEPOSIT", 1, f"key-{index}"))]
    rows = await apply(database, *items, *deposits(good, "key"))
    assert column(rows[:-1:2], "error_code") == [code for code, _ in flat]
    assert column(rows[1::2], "new_balance") == list(range(2, len(flat) + 2))
    assert rows[-1]["new_balance"] == len(flat) + 2  # a malformed item does not use up its key
    assert not any(column(rows, "replayed"))
    known = {"WA002": {1}, "WA005": {MAX}, "WA006": {9, 0}}
    for row in rows[:-1:2]:
        if row["error_code"] != "WA007":
            assert row["new_balance"] in known.get(row["error_code"], {None}), row

    state = await database.state(poor, full, good, frozen, closed)
    assert len(set(column(state.rejections, "created_at"))) == 1
    assert sorted((row["error_code"], row["wallet_id"], row["idempotency_key"]) for row in state.rejections) == sorted(
        (code, item.wallet_id, item.key) for code, item in flat if code in {"WA002", "WA005", "WA006"}
    )


async def test_an_error_of_the_database_is_raised_at_once(own_database_url: str) -> None:
    async with Database.connect(own_database_url) as own:
        wallet_id = await own.wallet()
        await own.tamperer.execute(
            """
            create sequence attempts;
            create function fail_once() returns trigger language plpgsql security definer as $$
                begin if nextval('public.attempts') = 1 then raise 'unforeseen'; end if; return new; end
            $$;
            create trigger fail_once before insert on wallet.operations for each row execute function fail_once();
            """
        )
        request = ("apply_operations", [wallet_id], ["DEPOSIT"], [1], ["key"])
        assert await own.raises("P0001", *request) == "unforeseen"
        assert (await own.row(*request))["status"] == "SUCCESS"


# Keys


async def test_a_key_twice_in_a_batch_counts_once(database: Database) -> None:
    for operation_type, code in (("DEPOSIT", None), ("WITHDRAW", "WA002")):
        wallet_id = await database.wallet()
        item = Item(wallet_id, operation_type, 5, "key")
        first, between, again = await apply(database, item, *deposits(wallet_id, "other", amount=6), item)
        assert (first["error_code"], first["replayed"], between["error_code"]) == (code, False, None)
        assert dict(again) == {**first, "position": 3, "replayed": True}
        state = await database.state(wallet_id)
        assert len(state.operations) + len(state.rejections) == 2


async def test_a_batch_cannot_reuse_a_key(database: Database) -> None:
    for operation_type, is_together in product(("DEPOSIT", "WITHDRAW"), (True, False)):
        wallet_id = await database.wallet()
        items = [
            Item(wallet_id, operation_type, 5, "key"),
            Item(wallet_id, operation_type, 6, "key"),
            Item(wallet_id, "WITHDRAW" if operation_type == "DEPOSIT" else "DEPOSIT", 5, "key"),
            Item(wallet_id, operation_type, 5, "key"),
        ]
        first = [] if is_together else await apply(database, items[0])
        rows = first + await apply(database, *items[len(first) :])
        code = None if operation_type == "DEPOSIT" else "WA002"
        assert column(rows, "error_code") == [code, "WA007", "WA007", code]
        assert column(rows, "replayed") == [False, False, False, True]
        state = await database.state(wallet_id)
        assert [(row["operation_type"], row["amount"]) for row in (*state.operations, *state.rejections)] == [
            (operation_type, 5)
        ]


async def test_a_batch_replays_in_any_order(database: Database) -> None:
    wallet_id = await database.wallet()
    items = [*deposits(wallet_id, "a", "b", amount=5), Item(wallet_id, "WITHDRAW", 50, "c")]
    first = await apply(database, *items)
    before = await database.state(wallet_id)
    again = await apply(database, *reversed(items), positions=[3, 2, 1])
    assert [dict(row) for row in reversed(again)] == [{**row, "replayed": True} for row in first]
    assert await database.state(wallet_id) == before


async def test_a_rejection_is_forgotten_by_a_rollback(database: Database) -> None:
    wallet_id = await database.wallet()
    item = Item(wallet_id, "WITHDRAW", 5, "key")
    await database.app.execute("begin")
    await apply(database, item)
    await database.app.execute("rollback")
    rows = await apply(database, *deposits(wallet_id, "other", amount=5), item)
    assert column(rows, "error_code") == [None, None]


async def test_a_remembered_rejection_cannot_be_rewritten(database: Database) -> None:
    wallet_id = await database.wallet()
    await apply(database, Item(wallet_id, "WITHDRAW", 5, "key"))
    before = await database.state(wallet_id)
    for statement in ("update {} set amount = amount", "delete from {}", "truncate {}"):
        with pytest.raises(asyncpg.RestrictViolationError):
            await database.owner.execute(statement.format("wallet.rejections"))
    assert len(before.rejections) == 1
    assert await database.state(wallet_id) == before


# Time, locks, size


async def test_one_call_has_one_clock_that_never_runs_backwards(database: Database) -> None:
    ahead, other = await database.wallet(), await database.wallet()
    future = await database.owner.fetchval(
        "update wallet.wallets set updated_at = updated_at + interval '1 hour' where id = $1 returning updated_at",
        ahead,
    )
    async with database.app.transaction():
        began_at = await database.app.fetchval("select now()")
        first = await apply(database, *deposits(other, "a", "b"), *deposits(ahead, "a"))
        second = await apply(database, *deposits(other, "c"), *deposits(ahead, "b"))
    times = column(first, "created_at") + column(second, "created_at")
    assert times == [times[0], times[0], future, times[3], future]
    assert began_at < times[0] < times[3] < future


async def test_a_wallet_is_written_once_if_at_all(database: Database) -> None:
    updates = "select n_tup_upd from pg_stat_xact_user_tables where relid = 'wallet.wallets'::regclass"
    wallets = [await database.wallet() for _ in range(3)]
    poor = await database.wallet(5)
    items = [item for key in range(20) for wallet in wallets for item in deposits(wallet, f"{key}")]
    replayed = Item(poor, "WITHDRAW", 5, "a")
    await apply(database, replayed)
    async with database.app.transaction():
        before = await database.app.fetchval(updates)
        await apply(database, *items)
        assert await database.app.fetchval(updates) - before == 3
        await apply(database, replayed, Item(poor, "WITHDRAW", 5, "b"), Item(poor, "DEPOSIT", 0, "c"))
        assert await database.app.fetchval(updates) - before == 3


async def test_10000_items_are_applied_in_one_call(database: Database) -> None:
    for count in (1, 5000):
        rows = await database.app.fetch("select (wallet.create_wallet()).id from generate_series(1, $1)", count)
        items = [Item(rows[index % count]["id"], "DEPOSIT", 1, f"key-{index}") for index in range(10_000)]
        applied = await apply(database, *items)
        assert column(applied, "position") == list(range(1, 10_001))
        assert column(applied, "new_balance") == [index // count + 1 for index in range(10_000)]


async def test_10000_rejections_are_remembered_in_one_call(database: Database) -> None:
    wallet_id = await database.wallet()
    items = [Item(wallet_id, "WITHDRAW", 1, f"key-{index}") for index in range(10_000)]
    first, again = await apply(database, *items), await apply(database, *items)
    assert column(first, "error_code") == column(again, "error_code") == ["WA002"] * 10_000
    assert (any(column(first, "replayed")), all(column(again, "replayed"))) == (False, True)
    assert len((await database.state(wallet_id)).rejections) == 10_000
