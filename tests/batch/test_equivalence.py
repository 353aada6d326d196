"""apply_operations answers and leaves behind what apply_operation does, called for one item after the other."""

from typing import Any, NamedTuple, Self
from uuid import UUID, uuid4

import asyncpg
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from . import MAX, Item, call_apply_operations, id_of

MONEY_RULES = {"WA002", "WA005", "WA006"}


class Step(NamedTuple):
    """An operation on one of the wallets, whose ids differ between the two sides."""

    wallet: int
    operation_type: str | None
    amount: int | None
    key: str


class NewStatus(NamedTuple):
    """A wallet is frozen, or active again."""

    wallet: int
    status: str


class Wallet(NamedTuple):
    """What a wallet has before the first batch."""

    balance: int
    held: int = 0


WALLETS = [Wallet(0), Wallet(4), Wallet(9, held=6), Wallet(MAX - 3)]
NULL, UNKNOWN = -1, -2

# Mostly wallets that there are, types and amounts that can be, and few keys: so that items get in each other's way.
STEPS = st.builds(
    Step,
    wallet=st.sampled_from([*range(len(WALLETS))] * 6 + [NULL, UNKNOWN]),
    operation_type=st.sampled_from(["DEPOSIT", "WITHDRAW"] * 12 + ["deposit", "", None]),
    amount=st.sampled_from([1, 2, 3, 4, 5] * 5 + [MAX, MAX - 3, 0, -1, None]),
    key=st.sampled_from(["a", "b", "c", "d", "e", "f"] * 5 + ["", "a b", "k" * 255, "k" * 256]),
)
BATCHES = st.lists(STEPS, max_size=15) | st.lists(STEPS, min_size=8, max_size=15)
CHANGES = st.builds(NewStatus, st.sampled_from(range(len(WALLETS))), st.sampled_from(["FROZEN", "ACTIVE"]))
HISTORIES = st.lists(st.tuples(st.lists(CHANGES, max_size=2), BATCHES), min_size=1, max_size=4)


class Side:
    """Wallets of one side, and what was answered about them in terms that both sides share."""

    def __init__(self, owner: asyncpg.Connection, wallets: dict[int, UUID | None]) -> None:
        self._owner = owner
        self.wallets = wallets

    @classmethod
    async def create(cls, owner: asyncpg.Connection) -> Self:
        wallets: dict[int, UUID | None] = {NULL: None, UNKNOWN: uuid4()}
        for number, wallet in enumerate(WALLETS):
            wallets[number] = made = await owner.fetchval("select id from wallet.create_wallet()")
            if wallet.balance:
                opening = Item(made, "DEPOSIT", wallet.balance, "opening")
                await owner.execute("select wallet.apply_operation($1, $2, $3, $4)", *opening)
                await owner.execute("update wallet.wallets set held = $2 where id = $1", made, wallet.held)
        return cls(owner, wallets)

    def item(self, step: Step) -> Item:
        return Item(self.wallets[step.wallet], *step[1:])

    def shared(self, step: Step, answer: dict[str, Any]) -> dict[str, Any]:
        """An answer, less its time, and with the wallet's number for its id."""
        answer = {**answer, "has_time": answer["created_at"] is not None}
        del answer["created_at"]
        wallet_id = self.wallets[step.wallet]
        if answer["operation_id"] is not None:
            assert wallet_id is not None
            answer["operation_id"] = answer["operation_id"] == id_of(wallet_id, step.key)
        if answer["detail"] is not None:
            answer["detail"] = answer["detail"].replace(str(wallet_id), f"number {step.wallet}")
        return answer

    async def tables(self) -> list[list[tuple[object, ...]]]:
        """All that is stored about the wallets, less ids and times."""
        numbers = {wallet_id: number for number, wallet_id in self.wallets.items()}
        tables = []
        for query in (
            "select id, balance, held, last_seq, status from wallet.wallets where id = any($1)",
            "select wallet_id, seq, operation_type, amount, balance_after, idempotency_key"
            " from wallet.operations where wallet_id = any($1)",
            "select wallet_id, operation_type, amount, balance, error_code, idempotency_key,"
            " id = wallet._operation_id(wallet_id, idempotency_key), replace(detail, wallet_id::text, 'id')"
            " from wallet.rejections where wallet_id = any($1)",
        ):
            rows = await self._owner.fetch(query, list(self.wallets.values()))
            tables.append(sorted((numbers[row[0]], *list(row)[1:]) for row in rows))
        return tables

    async def set_status(self, change: NewStatus) -> None:
        await self._owner.execute("select wallet.set_wallet_status($1, $2)", self.wallets[change.wallet], change.status)


class OneByOne(Side):
    """apply_operation for each item. It raises, so it cannot remember a refusal: that is done here in its stead."""

    async def apply(self, step: Step) -> dict[str, Any]:
        item = self.item(step)
        answer = {"operation_type": item.operation_type, "amount": item.amount}
        try:
            async with self._owner.transaction():
                row = await self._owner.fetchrow("select * from wallet.apply_operation($1, $2, $3, $4)", *item)
            return self.shared(step, {**row, "error_code": None, "detail": None})
        except asyncpg.PostgresError as exc:
            replayed, balance = False, None
            if exc.sqlstate in MONEY_RULES:
                replayed, balance = await self._remember(item, exc)
            elif exc.sqlstate == "WA007":
                balance = await self._owner.fetchval("select wallet.get_balance($1)", item.wallet_id)
            answer |= {"operation_id": None, "status": "REJECTED", "new_balance": balance, "seq": None}
            answer |= {"replayed": replayed, "created_at": None, "error_code": exc.sqlstate, "detail": exc.message}
            return self.shared(step, answer)

    async def _remember(self, item: Item, refusal: asyncpg.PostgresError) -> tuple[bool, int]:
        """Whether the refusal was remembered already, and the balance that goes with it."""
        inserted = await self._owner.fetchval(
            """
            insert into wallet.rejections
            select
                w.id, wallet._operation_id(w.id, $4), $3, w.balance, clock_timestamp(), $2, $4, $5, $6
            from wallet.wallets as w
            where w.id = $1
            on conflict do nothing
            returning balance
            """,
            *item,
            refusal.sqlstate,
            refusal.message,
        )
        if inserted is not None:
            return False, int(inserted)
        remembered = await self._owner.fetchval(
            "select balance from wallet.rejections where wallet_id = $1 and idempotency_key = $2",
            item.wallet_id,
            item.key,
        )
        return True, int(remembered)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=HISTORIES)
async def test_a_batch_is_its_items_one_by_one(
    owner_connection: asyncpg.Connection,
    app_connection: asyncpg.Connection,
    history: list[tuple[list[NewStatus], list[Step]]],
) -> None:
    batched, one_by_one = await Side.create(owner_connection), await OneByOne.create(owner_connection)
    for changes, steps in history:
        for change in changes:
            await batched.set_status(change)
            await one_by_one.set_status(change)
        rows = await call_apply_operations(app_connection, *map(batched.item, steps)) if steps else []
        answers = [dict(row) for row in rows]
        assert [answer.pop("position") for answer in answers] == list(range(1, len(steps) + 1))
        expected = [await one_by_one.apply(step) for step in steps]
        assert [batched.shared(step, answer) for step, answer in zip(steps, answers, strict=True)] == expected
        assert await batched.tables() == await one_by_one.tables()
        for answer in expected:
            event(f"{answer['error_code'] or answer['status']}{' replayed' if answer['replayed'] else ''}")
