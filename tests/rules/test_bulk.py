"""POST /api/operations/: many operations in one request, and a result for each."""

import asyncio
import json
from uuid import UUID, uuid4

from ledger import MAX, Database, id_of

from . import Client, Response, post

PATH = "/api/operations/"
MAX_BYTES = 4 * 1024 * 1024
WRONG_MEMBERS: dict[str, list[object]] = {
    "wallet_id": [None, 5],
    "operation_type": [None, ["DEPOSIT"]],
    "amount": [None, 1.0, 1e3, True, {}],
    "idempotency_key": [5],
}


def operation(wallet_id: object, operation_type: object, amount: object, **more: object) -> dict[str, object]:
    return {"wallet_id": str(wallet_id), "operation_type": operation_type, "amount": amount, **more}


def deposits(wallet_id: UUID, count: int) -> list[dict[str, object]]:
    return [operation(wallet_id, "DEPOSIT", "1") for _ in range(count)]


def codes(response: Response) -> list[str]:
    assert response.status == 200, response
    return [result.get("code", result["status"]) for result in response.json["results"]]


async def stored_keys(database: Database, wallet_id: UUID) -> list[str]:
    return [operation["idempotency_key"] for operation in (await database.state(wallet_id)).operations]


async def test_each_item_has_a_result_in_order(client: Client, database: Database) -> None:
    first, second = await database.wallet(100), await database.wallet(7)
    items = [
        operation(second, "WITHDRAW", 7, idempotency_key="a"),
        operation(first, "DEPOSIT", "50", idempotency_key="b"),
        operation(second, "WITHDRAW", 1, idempotency_key="c"),
    ]
    # With or without the trailing slash; unknown members are ignored.
    first_time = await post(client, PATH, {"operations": items, "comment": None})
    again = await post(client, PATH[:-1], {"operations": [{**item, "note": "again"} for item in items]}, "key")
    assert (first_time.status, first_time.headers["Content-Type"]) == (200, "application/json")
    expected = [
        {
            "operation_id": str(id_of(wallet_id, key)),
            "status": "SUCCESS",
            "operation_type": operation_type,
            "amount": amount,
            "new_balance": new_balance,
            "replayed": False,
        }
        for wallet_id, key, operation_type, amount, new_balance in (
            (second, "a", "WITHDRAW", "7", "0"),
            (first, "b", "DEPOSIT", "50", "150"),
        )
    ]
    detail = "insufficient funds: 0 available, 1 requested"
    expected.append({"status": "REJECTED", "code": "insufficient_funds", "detail": detail, "replayed": False})
    assert first_time.json == {"results": expected}
    assert again.json == {"results": [{**result, "replayed": True} for result in expected]}
    assert (first_time.replayed, again.replayed) == (False, True)


async def test_a_rejected_item_leaves_the_others_alone(client: Client, database: Database) -> None:
    wallet_id, full, frozen = await database.wallet(10), await database.wallet(MAX), await database.wallet(5, "FROZEN")
    rejected = {
        "wallet_not_found": [operation(uuid4(), "DEPOSIT", 1), operation("no-uuid", "DEPOSIT", 1)],
        "insufficient_funds": [operation(wallet_id, "WITHDRAW", 1000)],
        "invalid_amount": [
            operation(wallet_id, "DEPOSIT", amount) for amount in (0, -1, MAX + 1, "", "1.5", "-1", "1" * 20)
        ],
        "invalid_operation_type": [operation(wallet_id, kind, 1) for kind in ("", "deposit", "TRANSFER", "\0")],
        "balance_limit_exceeded": [operation(full, "DEPOSIT", 1)],
        "wallet_not_active": [operation(frozen, "DEPOSIT", 1)],
        "idempotency_key_reused": [operation(wallet_id, "DEPOSIT", 2, idempotency_key="used")],
        "invalid_idempotency_key": [
            operation(wallet_id, "DEPOSIT", 1, idempotency_key=key) for key in ("", "a b", "é", "k" * 256, "\0")
        ],
    }
    items, expected = [operation(wallet_id, "DEPOSIT", 1, idempotency_key="used")], ["SUCCESS"]
    for code, bad in rejected.items():
        for item in bad:
            items += [item, operation(wallet_id, "DEPOSIT", 1)]
            expected += [code, "SUCCESS"]
    response = await post(client, PATH, {"operations": items}, "key")
    assert codes(response) == expected
    assert not any(result["replayed"] for result in response.json["results"])
    # The items keep their numbers whatever is wrong with others.
    keys = [f"key/{index}" for index, code in enumerate(expected, 1) if code == "SUCCESS"]
    assert await stored_keys(database, wallet_id) == [(await stored_keys(database, wallet_id))[0], "used", *keys[1:]]


async def test_what_the_database_cannot_apply_fails_alone(client: Client, database: Database) -> None:
    await database.owner.execute("alter table wallet.operations add constraint unforeseen check (amount <> 1313)")
    wallet_id = await database.wallet()
    items = [operation(wallet_id, "DEPOSIT", amount) for amount in (11, 12, 1313, 14)]
    response = await post(client, PATH, {"operations": items})
    assert codes(response) == ["SUCCESS", "SUCCESS", "internal_error", "SUCCESS"]
    assert b"unforeseen" not in response.content
    assert await database.balance(wallet_id) == 37


async def test_a_request_of_a_wrong_shape_changes_nothing(client: Client, database: Database) -> None:
    wallet_id = await database.wallet()
    before = await database.state(wallet_id)
    good = operation(wallet_id, "DEPOSIT", "1")
    for member, value in ((member, value) for member, values in WRONG_MEMBERS.items() for value in values):
        response = await post(client, PATH, {"operations": [good, good, {**good, member: value}]})
        assert (response.status, response.json["code"]) == (400, "invalid_request"), (member, value)
        assert f"$.operations[2].{member}" in response.json["detail"], (member, value)
    for member in good:
        bad = {name: value for name, value in good.items() if name != member}
        response = await post(client, PATH, {"operations": [good, bad]})
        assert (response.status, response.json["code"]) == (400, "invalid_request"), member
        assert "$.operations[1]" in response.json["detail"]
        assert f"`{member}`" in response.json["detail"]
    for content in (b"", b"{", b"[]", b"null", b"5", b"{}", b'{"operations": null}', b'{"operations": {}}', b"\xff"):
        response = await post(client, PATH, content)
        assert (response.status, response.json["code"]) == (400, "invalid_request"), content
    assert (await post(client, PATH, {"operations": [None]})).json["code"] == "invalid_request"
    assert await database.state(wallet_id) == before


async def test_a_request_has_at_most_10000_items_and_4_mib(client: Client, database: Database) -> None:
    wallet_id, other = await database.wallet(), await database.wallet()
    response = await post(client, PATH, {"operations": deposits(wallet_id, 10_000)})
    assert [result["new_balance"] for result in response.json["results"]] == [str(n) for n in range(1, 10_001)]
    before = await database.state(other)
    too_many = await post(client, PATH, {"operations": deposits(other, 10_001)})
    assert (too_many.status, too_many.json["code"]) == (400, "invalid_request")
    assert "10001" in too_many.json["detail"]
    assert "10000" in too_many.json["detail"]
    content = json.dumps({"operations": deposits(other, 1)})
    too_long = await post(client, PATH, content.ljust(MAX_BYTES + 1).encode())
    assert (too_long.status, too_long.json["code"]) == (413, "payload_too_large")
    none = await post(client, PATH, {"operations": []}, "key")
    assert (none.status, none.json, none.replayed) == (200, {"results": []}, False)
    assert await database.state(other) == before
    assert codes(await post(client, PATH, content.ljust(MAX_BYTES - 1).encode())) == ["SUCCESS"]


# Keys


async def test_items_are_numbered_under_the_requests_key(client: Client, database: Database) -> None:
    wallet_id = await database.wallet()
    items = deposits(wallet_id, 3)
    items[1]["idempotency_key"] = "its-own"
    items[2]["idempotency_key"] = None
    assert codes(await post(client, PATH, {"operations": items}, "key")) == ["SUCCESS"] * 3
    assert await stored_keys(database, wallet_id) == ["key/1", "its-own", "key/3"]
    # New in part: a malformed item was not remembered, and one more is new. Such a response is no replay.
    items = [*deposits(wallet_id, 1), operation(wallet_id, "DEPOSIT", 0)]
    assert codes(await post(client, PATH, {"operations": items}, "other")) == ["SUCCESS", "invalid_amount"]
    response = await post(client, PATH, {"operations": deposits(wallet_id, 3)}, "other")
    assert [result["replayed"] for result in response.json["results"]] == [True, False, False]
    assert not response.replayed


async def test_without_any_key_every_request_is_applied(client: Client, database: Database) -> None:
    wallet_id = await database.wallet()
    responses = [await post(client, PATH, {"operations": deposits(wallet_id, 2)}) for _ in range(2)]
    assert [result["new_balance"] for each in responses for result in each.json["results"]] == ["1", "2", "3", "4"]


async def test_a_retry_gets_the_same_results(client: Client, database: Database) -> None:
    wallet_id, frozen = await database.wallet(), await database.wallet(0, "FROZEN")
    items = [
        operation(wallet_id, "DEPOSIT", 5),
        operation(wallet_id, "WITHDRAW", 6),
        operation(frozen, "DEPOSIT", 1, idempotency_key="its-own"),
    ]
    first = await post(client, PATH, {"operations": items}, "key")
    assert codes(first) == ["SUCCESS", "insufficient_funds", "wallet_not_active"]
    await database.row("set_wallet_status", frozen, "ACTIVE")
    await database.deposit(wallet_id, 9)
    before = await database.state(wallet_id, frozen)
    again = await post(client, PATH, {"operations": items}, "key")
    assert again.json["results"] == [{**result, "replayed": True} for result in first.json["results"]]
    assert (first.replayed, again.replayed) == (False, True)
    assert await database.state(wallet_id, frozen) == before


async def test_a_key_must_leave_room_for_the_numbers(client: Client, database: Database) -> None:
    for key, is_valid in (
        ("k" * 249, True),
        ("k" * 250, False),
        ("k" * 256, False),
        ("", False),
        ("a b", False),
        ("\xe9", False),
    ):
        wallet_id = await database.wallet()
        response = await post(client, PATH, {"operations": deposits(wallet_id, 10)}, key)
        expected = (200, None) if is_valid else (400, "invalid_idempotency_key")
        assert (response.status, response.json.get("code")) == expected, key
        assert await database.balance(wallet_id) == (10 if is_valid else 0)


async def test_requests_at_once_on_the_same_wallets_succeed(client: Client, database: Database) -> None:
    wallets = [await database.wallet() for _ in range(50)]
    items = [item for wallet_id in wallets for item in deposits(wallet_id, 4)]
    requests = (post(client, PATH, {"operations": order}) for order in (items, items[::-1]) * 2)
    responses = await asyncio.gather(*requests)
    balances = sorted(int(result["new_balance"]) for each in responses for result in each.json["results"])
    assert balances == sorted(list(range(1, 17)) * 50)
