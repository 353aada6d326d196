"""A batch gives what its items give one by one, and what apply_operation gives or raises for each."""

from typing import Any, NamedTuple
from uuid import UUID, uuid4

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger import MAX, Database

from . import Item


class Step(NamedTuple):
    """An operation on a wallet by number, because the ids differ between the two sides."""

    wallet: int
    operation_type: str | None
    amount: int | None
    key: str


BALANCES_AND_HELD = [(0, 0), (4, 0), (9, 6), (MAX - 3, 0)]
NULL, UNKNOWN = -1, -2

# Mostly wallets that exist, valid types and amounts, and few keys: so that items get in each other's way.
STEPS = st.builds(
    Step,
    wallet=st.sampled_from([*range(len(BALANCES_AND_HELD))] * 6 + [NULL, UNKNOWN]),
    operation_type=st.sampled_from(["DEPOSIT", "WITHDRAW"] * 12 + ["deposit", "", None]),
    amount=st.sampled_from([1, 2, 3, 4, 5] * 5 + [MAX, MAX - 3, 0, -1, None]),
    key=st.sampled_from(["a", "b", "c", "d", "e", "f"] * 5 + ["", "a b", "k" * 255, "k" * 256]),
)
BATCHES = st.lists(STEPS, min_size=1, max_size=15) | st.lists(STEPS, min_size=8, max_size=15)
CHANGES = st.tuples(st.sampled_from(range(len(BALANCES_AND_HELD))), st.sampled_from(["FROZEN", "ACTIVE"]))
HISTORIES = st.lists(st.tuples(st.lists(CHANGES, max_size=2), BATCHES), min_size=1, max_size=4)


class Side:
    """Wallets of one side, and what is returned and stored about them in terms that both sides share."""

    def __init__(self, database: Database, wallets: dict[int, UUID | None]) -> None:
        self.database = database
        self.wallets = wallets

    def item(self, step: Step) -> Item:
        return Item(self.wallets[step.wallet], *step[1:])

    async def batch(self, steps: list[Step]) -> list[dict[str, Any]]:
        rows = await self.database.rows("apply_operations", *zip(*map(self.item, steps), strict=True))
        assert [row["position"] for row in rows] == list(range(1, len(steps) + 1))
        return [self.shared(step, row) for step, row in zip(steps, rows, strict=True)]

    async def one(self, step: Step) -> dict[str, Any]:
        """What apply_operations returns for a single item, if it is what apply_operation does."""
        transaction = self.database.app.transaction()
        await transaction.start()
        try:
            alone = dict(await self.database.row("apply_operation", *self.item(step)))
        except asyncpg.PostgresError as exc:
            alone = {"status": "REJECTED", "error_code": exc.sqlstate, "detail": exc.message}
        await transaction.rollback()
        (row,) = await self.database.rows("apply_operations", *zip(self.item(step), strict=True))
        if not alone.get("replayed"):
            alone.pop("created_at", None)
        assert {**row, **alone} == dict(row)
        return self.shared(step, row)

    def shared(self, step: Step, row: asyncpg.Record) -> dict[str, Any]:
        """A row with nothing in it that differs between the sides."""
        wallet_id = self.wallets[step.wallet]
        assert row["operation_id"] in {None, wallet_id and self.item(step).id}
        detail = row["detail"] and row["detail"].replace(str(wallet_id), "the wallet")
        has_time = row["created_at"] is not None
        return {**row, "position": 0, "operation_id": None, "created_at": has_time, "detail": detail}

    async def stored(self) -> list[list[tuple[object, ...]]]:
        state = await self.database.state(*self.wallets.values())
        numbers = {wallet_id: number for number, wallet_id in self.wallets.items()}
        columns = (
            ("id", "balance", "held", "last_seq", "status"),
            ("wallet_id", "seq", "operation_type", "amount", "balance_after", "idempotency_key"),
            ("wallet_id", "idempotency_key", "operation_type", "amount", "balance", "error_code", "detail"),
        )
        return [
            sorted((numbers[row[names[0]]], *(row[name] for name in names[1:])) for row in rows)
            for rows, names in zip(state[:3], columns, strict=True)
        ]


@settings(max_examples=40, deadline=None)
@given(history=HISTORIES)
async def test_a_batch_is_its_items_one_by_one(
    database: Database, history: list[tuple[list[tuple[int, str]], list[Step]]]
) -> None:
    unknown = {NULL: None, UNKNOWN: uuid4()}
    wallets = [[await database.wallet(balance, held=held) for balance, held in BALANCES_AND_HELD] for _ in range(2)]
    batched, one_by_one = (Side(database, unknown | dict(enumerate(ids))) for ids in wallets)
    for changes, steps in history:
        for (number, status), ids in ((change, ids) for change in changes for ids in wallets):
            await database.row("set_wallet_status", ids[number], status)
        assert await batched.batch(steps) == [await one_by_one.one(step) for step in steps]
        assert await batched.stored() == await one_by_one.stored()
