"""The money rules, which hold whichever way an operation comes in, and what is particular to each way."""

import io
import json
from typing import Any, ClassVar, NamedTuple
from uuid import UUID

import aiohttp
import asyncpg
from ledger import Database, State, id_of
from multidict import CIMultiDict, CIMultiDictProxy

Client = aiohttp.ClientSession
MONEY_RULES = {"WA002", "WA005", "WA006"}
# The published codes and statuses of HTTP.
PUBLISHED = {
    "wallet_not_found": ("WA001", 404),
    "insufficient_funds": ("WA002", 400),
    "invalid_amount": ("WA003", 400),
    "invalid_operation_type": ("WA004", 400),
    "balance_limit_exceeded": ("WA005", 400),
    "wallet_not_active": ("WA006", 409),
    "idempotency_key_reused": ("WA007", 422),
    "invalid_idempotency_key": ("WA008", 400),
}


class Response(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)

    @property
    def replayed(self) -> bool:
        value = self.headers.get("Idempotent-Replayed")
        assert value in {None, "true"}
        return value is not None


async def post(client: Client, path: str, body: object, *keys: str) -> Response:
    """Posts JSON, or bytes as they are."""
    headers = CIMultiDict([("Content-Type", "application/json"), *(("Idempotency-Key", key) for key in keys)])
    data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
    async with client.post(path, data=data, headers=headers) as response:
        return Response(response.status, response.headers, await response.read())


class Item(NamedTuple):
    """An operation as a caller requests it."""

    wallet_id: UUID | None
    operation_type: str | None
    amount: int | None
    key: str | None

    @property
    def id(self) -> UUID:
        assert self.wallet_id is not None
        assert self.key is not None
        return id_of(self.wallet_id, self.key)


class Outcome(NamedTuple):
    """What became of it; code is the SQLSTATE of the rule that it broke."""

    code: str | None = None
    detail: str | None = None
    operation_id: UUID | None = None
    new_balance: int | None = None
    replayed: bool = False


class Entrance:
    """A way to apply an operation, which checks after each that all that is stored is as the outcome says."""

    remembers_rejections: ClassVar[bool] = True

    def __init__(self, database: Database, client: Client, neighbour: Item) -> None:
        self.database = database
        self.client = client
        self.neighbour = neighbour  # applied already: a replay of it changes nothing

    def can_carry(self, item: Item) -> bool:
        """Whether a request can have these arguments at all."""
        return None not in item[:3]

    async def call(self, item: Item) -> Outcome:
        raise NotImplementedError

    async def apply(
        self, wallet_id: UUID | None, operation_type: str | None, amount: int | None, key: str | None = None
    ) -> Outcome:
        item = Item(wallet_id, operation_type, amount, key)
        before = await self.database.state(wallet_id)
        outcome = await self.call(item)
        after = await self.database.state(wallet_id)
        if outcome.code is None and not outcome.replayed:
            check_applied(before, after, item, outcome)
        elif outcome.code in MONEY_RULES and self.remembers_rejections and not outcome.replayed:
            check_remembered(before, after, item, outcome)
        else:
            assert after == before, (item, outcome)
        return outcome


def check_applied(before: State, after: State, item: Item, outcome: Outcome) -> None:
    """One line is added to the ledger, and nothing of the wallet changes but balance, seq and time."""
    (wallet,), operation = before.wallets, after.operations[-1]
    assert item.key in {None, operation["idempotency_key"]}
    item = item._replace(key=operation["idempotency_key"])
    change = (item.amount or 0) if item.operation_type == "DEPOSIT" else -(item.amount or 0)
    assert (outcome.operation_id, outcome.new_balance) == (item.id, wallet["balance"] + change)
    assert dict(operation) == {
        **operation,
        "wallet_id": item.wallet_id,
        "seq": wallet["last_seq"] + 1,
        "id": item.id,
        "amount": item.amount,
        "balance_after": outcome.new_balance,
        "operation_type": item.operation_type,
    }
    time = operation["created_at"]
    assert time >= wallet["updated_at"]
    changed = {**wallet, "balance": outcome.new_balance, "last_seq": operation["seq"], "updated_at": time}
    assert (dict(after.wallets[0]), after.operations[:-1]) == (changed, before.operations)
    assert (after.rejections, after.others) == (before.rejections, before.others)


def check_remembered(before: State, after: State, item: Item, outcome: Outcome) -> None:
    """The rejection is remembered with its reason, and nothing else changes."""
    rejection = after.rejections[-1]
    assert item.key in {None, rejection["idempotency_key"]}
    assert dict(rejection) == {
        **rejection,
        "wallet_id": item.wallet_id,
        "id": item._replace(key=rejection["idempotency_key"]).id,
        "amount": item.amount,
        "balance": before.wallets[0]["balance"],
        "operation_type": item.operation_type,
        "error_code": outcome.code,
        "detail": outcome.detail,
    }
    assert after._replace(rejections=after.rejections[:-1]) == before


class ApplyOperation(Entrance):
    """The function for one operation. What it raises is rolled back, so it cannot remember a rejection."""

    remembers_rejections = False

    def can_carry(self, _: Item) -> bool:
        return True

    async def call(self, item: Item) -> Outcome:
        try:
            row = await self.database.row("apply_operation", *item)
        except asyncpg.PostgresError as exc:
            return Outcome(exc.sqlstate, exc.message)
        assert (row["status"], row["operation_type"], row["amount"]) == ("SUCCESS", item.operation_type, item.amount)
        return Outcome(None, None, row["operation_id"], row["new_balance"], row["replayed"])


class ApplyOperations(Entrance):
    """The function for many, which takes a shorter way with a single one: so with neighbours."""

    def can_carry(self, item: Item) -> bool:
        return item.key is not None

    async def call(self, item: Item) -> Outcome:
        rows = await self.database.rows("apply_operations", *zip(self.neighbour, item, self.neighbour, strict=True))
        assert [(row["position"], row["status"], row["replayed"]) for row in rows[::2]] == [
            (1, "SUCCESS", True),
            (3, "SUCCESS", True),
        ]
        row = rows[1]
        assert (row["position"], row["operation_type"], row["amount"]) == (2, item.operation_type, item.amount)
        assert (row["status"], row["seq"] is None, row["created_at"] is None) == (
            ("SUCCESS", False, False) if row["error_code"] is None else ("REJECTED", True, True)
        )
        return Outcome(row["error_code"], row["detail"], row["operation_id"], row["new_balance"], row["replayed"])


class Rest(Entrance):
    """POST /api/wallets/{wallet_id}/operation"""

    def can_carry(self, item: Item) -> bool:
        # HTTP headers allow no control characters, and blanks around a value are not part of it.
        key = item.key or ""
        return super().can_carry(item) and key == key.strip() and not set(key) & {"\x01", "\x7f"}

    async def call(self, item: Item) -> Outcome:
        path = f"/api/wallets/{item.wallet_id}/operation"
        keys = [] if item.key is None else [item.key]
        response = await post(
            self.client, path, {"operation_type": item.operation_type, "amount": str(item.amount)}, *keys
        )
        body = response.json
        if response.status == 201:
            applied = {"status": "SUCCESS", "operation_type": item.operation_type, "amount": str(item.amount)}
            assert body == {"operation_id": body["operation_id"], "new_balance": body["new_balance"], **applied}
            return Outcome(None, None, UUID(body["operation_id"]), int(body["new_balance"]), response.replayed)
        sqlstate, published_status = PUBLISHED[body["code"]]
        assert (response.status, body["status"]) == (published_status, published_status)
        return Outcome(sqlstate, body["detail"], replayed=response.replayed)


class Bulk(Rest):
    """POST /api/operations/"""

    def can_carry(self, item: Item) -> bool:
        return Entrance.can_carry(self, item)

    async def call(self, item: Item) -> Outcome:
        items = [self.body(each) for each in (self.neighbour, item, self.neighbour)]
        response = await post(self.client, "/api/operations/", {"operations": items})
        assert (response.status, response.replayed) == (200, False) or response.json["results"][1]["replayed"]
        before, result, after = response.json["results"]
        assert (before["status"], before["replayed"], after) == ("SUCCESS", True, before)
        if result["status"] == "SUCCESS":
            return Outcome(None, None, UUID(result["operation_id"]), int(result["new_balance"]), result["replayed"])
        assert result["status"] == "REJECTED"
        return Outcome(PUBLISHED[result["code"]][0], result["detail"], replayed=result["replayed"])

    @staticmethod
    def body(item: Item) -> dict[str, object]:
        return {
            "wallet_id": str(item.wallet_id),
            "operation_type": item.operation_type,
            "amount": str(item.amount),
            "idempotency_key": item.key,
        }


ENTRANCES = (ApplyOperation, ApplyOperations, Rest, Bulk)
