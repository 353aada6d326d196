"""The functions against a model of them in plain Python: both return the same for any steps in any order.

Hypothesis generates the steps. They run on an event loop of their own, because its machines are synchronous.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from ledger import MAX, id_of

from service.database.connection import connect

UNKNOWN = UUID(int=0)

_T = TypeVar("_T")


class RejectedError(Exception):
    """What the model rejects, by SQLSTATE."""


@dataclass(frozen=True)
class Operation:
    """A line of the ledger."""

    seq: int
    operation_type: str
    amount: int
    balance_after: int
    key: str | None


@dataclass
class Wallet:
    """What a wallet is, and what it rejects."""

    status: str = "ACTIVE"
    balance: int = 0
    ledger: list[Operation] = field(default_factory=list)

    def set_status(self, status: str) -> None:
        if self.status == status:
            return
        if self.status == "CLOSED":
            raise RejectedError("WA006")
        if status == "CLOSED" and self.balance > 0:
            raise RejectedError("WA013")
        self.status = status

    def apply(self, operation_type: str, amount: int, key: str | None) -> tuple[Operation, bool]:
        """The operation, and whether it is a replay."""
        for earlier in self.ledger:
            if key is not None and earlier.key == key:
                if (earlier.operation_type, earlier.amount) != (operation_type, amount):
                    raise RejectedError("WA007")
                return earlier, True
        if self.status != "ACTIVE":
            raise RejectedError("WA006")
        balance = self.balance + (amount if operation_type == "DEPOSIT" else -amount)
        if balance < 0:
            raise RejectedError("WA002")
        if balance > MAX:
            raise RejectedError("WA005")
        self.balance = balance
        self.ledger.append(Operation(len(self.ledger) + 1, operation_type, amount, balance, key))
        return self.ledger[-1], False


class Model:
    """All wallets, and what is rejected for every wallet."""

    def __init__(self) -> None:
        self.wallets: dict[UUID, Wallet] = {}

    def wallet(self, wallet_id: UUID) -> Wallet:
        if wallet_id not in self.wallets:
            raise RejectedError("WA001")
        return self.wallets[wallet_id]

    def set_status(self, wallet_id: UUID, status: str) -> None:
        if status not in {"ACTIVE", "FROZEN", "CLOSED"}:
            raise RejectedError("WA012")
        self.wallet(wallet_id).set_status(status)

    def apply(
        self, wallet_id: UUID, operation_type: str, amount: int | None, key: str | None
    ) -> tuple[Operation, bool]:
        if amount is None or amount <= 0:
            raise RejectedError("WA003")
        if operation_type not in {"DEPOSIT", "WITHDRAW"}:
            raise RejectedError("WA004")
        if key is not None and not (1 <= len(key) <= 255 and all("!" <= sign <= "~" for sign in key)):
            raise RejectedError("WA008")
        return self.wallet(wallet_id).apply(operation_type, amount, key)


class Database:
    """The functions, called one after the other."""

    def __init__(self, url: str) -> None:
        self._loop = asyncio.new_event_loop()
        self._connection = self._run(connect(url))

    def _run(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return self._loop.run_until_complete(coroutine)

    def fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        return self._run(self._connection.fetch(query, *arguments))

    def execute(self, script: str) -> None:
        self._run(self._connection.execute(script))

    def call(self, query: str, *arguments: object) -> tuple[dict[str, Any], str | None]:
        """The row that a function returns, or the SQLSTATE that it raises."""
        try:
            return dict(self.fetch(f"select * from wallet.{query}", *arguments)[0]), None
        except asyncpg.PostgresError as exc:
            return {}, str(exc.sqlstate)

    def close(self) -> None:
        self._run(self._connection.close())
        self._loop.close()


@pytest.fixture
def opened(database_url: str) -> Iterator[Database]:
    """The functions on a database of their own."""
    opened = Database(database_url)
    yield opened
    opened.close()


class Comparison(RuleBasedStateMachine):
    """The functions and the model take every step, and must come out the same."""

    functions: ClassVar[Database]
    met: ClassVar[set[str]] = set()
    wallet_ids: Bundle[UUID] = Bundle("wallet_ids")

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.returned: dict[tuple[UUID, int], dict[str, Any]] = {}

    def both(self, modelled: Callable[[], _T], query: str, *arguments: object) -> tuple[dict[str, Any], _T] | None:
        """What the functions and the model return; None when both reject for the same reason."""
        before = deepcopy(self.model.wallets)
        row, sqlstate = self.functions.call(query, *arguments)
        self.met.add(sqlstate or ("replay" if row.get("replayed") else "success"))
        try:
            expected = modelled()
        except RejectedError as exc:
            assert (sqlstate, self.model.wallets) == (str(exc), before)  # noqa: PT017 -- a rejection is a result here
            return None
        assert sqlstate is None
        return row, expected

    @initialize(target=wallet_ids)
    def create_first(self) -> UUID:
        return self.create_wallet()

    @rule(target=wallet_ids)
    @precondition(lambda self: len(self.model.wallets) < 3)
    def create(self) -> UUID:
        return self.create_wallet()

    def create_wallet(self) -> UUID:
        wallet_id = UUID(str(self.functions.fetch("select id from wallet.create_wallet()")[0]["id"]))
        self.model.wallets[wallet_id] = Wallet()
        return wallet_id

    @rule(
        wallet_id=wallet_ids,
        operation_type=st.sampled_from(["DEPOSIT", "WITHDRAW"]),
        amount=st.one_of(st.integers(1, 3), st.integers(1, 100)),
        key=st.sampled_from([None, "a", "b", "c"]),
    )
    def apply(self, wallet_id: UUID, operation_type: str, amount: int | None, key: str | None) -> None:
        both = self.both(
            lambda: self.model.apply(wallet_id, operation_type, amount, key),
            "apply_operation($1, $2, $3, $4)",
            *(wallet_id, operation_type, amount, key),
        )
        if both is None:
            return
        found, (operation, replayed) = both
        row = dict(found)
        assert row.pop("replayed") == replayed
        if replayed:
            assert row == self.returned[wallet_id, operation.seq]
            return
        self.returned[wallet_id, operation.seq] = dict(row)
        if key is not None:
            assert row["operation_id"] == id_of(wallet_id, key)
        if operation.seq > 1:
            assert row["created_at"] >= self.returned[wallet_id, operation.seq - 1]["created_at"]
        assert {name: row[name] for name in ("status", "operation_type", "amount", "new_balance", "seq")} == {
            "status": "SUCCESS",
            "operation_type": operation.operation_type,
            "amount": operation.amount,
            "new_balance": operation.balance_after,
            "seq": operation.seq,
        }

    @rule(
        wallet_id=st.one_of(wallet_ids, st.just(UNKNOWN)),
        operation_type=st.sampled_from(["DEPOSIT", "WITHDRAW", "deposit"]),
        amount=st.one_of(st.sampled_from([None, 0, -1, MAX]), st.integers(1, MAX)),
        key=st.sampled_from([None, "a", "", "two words", "ключ", "k" * 255, "k" * 256]),
    )
    def apply_anything(self, wallet_id: UUID, operation_type: str, amount: int | None, key: str | None) -> None:
        self.apply(wallet_id, operation_type, amount, key)

    def keyed(self) -> list[tuple[UUID, Operation]]:
        """All operations with a key, each with its wallet."""
        return [
            (wallet_id, operation)
            for wallet_id, wallet in self.model.wallets.items()
            for operation in wallet.ledger
            if operation.key
        ]

    @precondition(lambda self: self.keyed())
    @rule(index=st.integers(0, 9), change=st.sampled_from([None, None, "amount", "type"]))
    def apply_again(self, index: int, change: str | None) -> None:
        keyed = self.keyed()
        wallet_id, earlier = keyed[index % len(keyed)]
        operation_type, amount = earlier.operation_type, earlier.amount
        if change == "amount":
            amount = amount + 1 if amount < MAX else 1
        elif change == "type":
            operation_type = "WITHDRAW" if operation_type == "DEPOSIT" else "DEPOSIT"
        self.apply(wallet_id, operation_type, amount, earlier.key)

    @rule(wallet_id=wallet_ids, too_much=st.booleans())
    def drain(self, wallet_id: UUID, too_much: bool) -> None:
        amount = self.model.wallets[wallet_id].balance + too_much
        if amount <= MAX:
            self.apply(wallet_id, "WITHDRAW", amount, None)

    @rule(wallet_id=wallet_ids, too_much=st.booleans())
    def fill(self, wallet_id: UUID, too_much: bool) -> None:
        amount = MAX - self.model.wallets[wallet_id].balance + too_much
        if amount <= MAX:
            self.apply(wallet_id, "DEPOSIT", amount, None)

    @rule(
        wallet_id=wallet_ids,
        operation_type=st.sampled_from(["DEPOSIT", "WITHDRAW"]),
        amount=st.integers(1, 100),
        undo=st.sampled_from([("begin", "rollback"), ("begin; savepoint s", "rollback to s; commit")]),
    )
    def apply_and_undo(self, wallet_id: UUID, operation_type: str, amount: int, undo: tuple[str, str]) -> None:
        model, returned = deepcopy(self.model), dict(self.returned)
        before, after = undo
        self.functions.execute(before)
        try:
            self.apply(wallet_id, operation_type, amount, "a")
        finally:
            self.functions.execute(after)
        self.model, self.returned = model, returned

    @rule(
        wallet_id=st.one_of(wallet_ids, wallet_ids, st.just(UNKNOWN)),
        status=st.sampled_from(["ACTIVE", "ACTIVE", "FROZEN", "closed"]),
    )
    def set_status(self, wallet_id: UUID, status: str) -> None:
        both = self.both(
            lambda: self.model.set_status(wallet_id, status), "set_wallet_status($1, $2)", wallet_id, status
        )
        if both is not None:
            assert both[0]["status"] == status

    @rule(wallet_id=wallet_ids)
    def close(self, wallet_id: UUID) -> None:
        self.set_status(wallet_id, "CLOSED")

    @rule(wallet_id=st.one_of(wallet_ids, st.just(UNKNOWN)))
    def read_balance(self, wallet_id: UUID) -> None:
        both = self.both(lambda: self.model.wallet(wallet_id).balance, "get_balance($1) as balance", wallet_id)
        if both is not None:
            assert both[0]["balance"] == both[1]

    def teardown(self) -> None:
        for wallet_id, wallet in self.model.wallets.items():
            row = self.functions.fetch("select * from wallet.get_wallet($1)", wallet_id)[0]
            assert (row["status"], row["balance"], row["last_seq"]) == (
                wallet.status,
                wallet.balance,
                len(wallet.ledger),
            )
            rows = self.functions.fetch("select * from wallet.list_operations($1, 1000)", wallet_id)
            assert [
                (row["seq"], row["operation_type"], row["amount"], row["balance_after"]) for row in reversed(rows)
            ] == [(line.seq, line.operation_type, line.amount, line.balance_after) for line in wallet.ledger]
            assert self.functions.fetch("select * from wallet.verify_wallet($1)", wallet_id) == []


def test_the_functions_return_what_the_model_does(opened: Database) -> None:
    class OnThisDatabase(Comparison):
        functions = opened

    run_state_machine_as_test(
        OnThisDatabase,
        settings=settings(
            max_examples=70,
            stateful_step_count=30,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    # The steps were varied enough.
    assert OnThisDatabase.met == {"success", "replay", *(f"WA{number:03}" for number in (*range(1, 9), 12, 13))}
