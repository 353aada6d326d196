"""POST /api/operations/: many operations in a request, and a result for each."""

import asyncio
import io
import json
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from service.api.bulk import MAX_BULK_BYTES

from . import MAX, Call, CreateWallet, ReadState, SetStatus, id_of

PATH = "/api/operations/"


def operation(wallet_id: object, operation_type: object, amount: object, **more: object) -> dict[str, object]:
    return {"wallet_id": str(wallet_id), "operation_type": operation_type, "amount": amount, **more}


def deposits(wallet_id: UUID, count: int) -> list[dict[str, object]]:
    return [operation(wallet_id, "DEPOSIT", "1") for _ in range(count)]


def statuses(results: list[dict[str, Any]]) -> list[str]:
    return [result.get("code", result["status"]) for result in results]


# Results


async def test_it_answers_a_result_per_item_in_their_order(call: Call, create_wallet: CreateWallet) -> None:
    first, second = await create_wallet(balance=100), await create_wallet(balance=7)
    answer = await call(
        PATH,
        {
            "operations": [
                operation(second, "WITHDRAW", 7, idempotency_key="a"),
                operation(first, "DEPOSIT", "50", idempotency_key="b"),
                operation(second, "DEPOSIT", 1, idempotency_key="c"),
            ]
        },
    )
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json == {
        "results": [
            {
                "operation_id": str(id_of(wallet, key)),
                "status": "SUCCESS",
                "operation_type": kind,
                "amount": amount,
                "new_balance": new_balance,
                "replayed": False,
            }
            for wallet, key, kind, amount, new_balance in (
                (second, "a", "WITHDRAW", "7", "0"),
                (first, "b", "DEPOSIT", "50", "150"),
                (second, "c", "DEPOSIT", "1", "1"),
            )
        ]
    }


async def test_a_refused_item_is_its_own_result(call: Call, create_wallet: CreateWallet) -> None:
    wallet_id = await create_wallet(balance=5)
    answer = await call(PATH, {"operations": [operation(wallet_id, "WITHDRAW", 6, idempotency_key="a")]})
    assert (answer.status, answer.json["results"]) == (
        200,
        [
            {
                "status": "REJECTED",
                "code": "insufficient_funds",
                "detail": "insufficient funds: 5 available, 6 requested",
                "replayed": False,
            }
        ],
    )


async def test_each_kind_of_refusal_leaves_the_other_items_alone(
    call: Call, create_wallet: CreateWallet, set_status: SetStatus, state: ReadState
) -> None:
    wallet_id, full, frozen = await create_wallet(10), await create_wallet(MAX), await create_wallet(5)
    await set_status(frozen, "FROZEN")
    refused = {
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
    good = operation(wallet_id, "DEPOSIT", 1)
    items, expected = [operation(wallet_id, "DEPOSIT", 1, idempotency_key="used")], ["SUCCESS"]
    for code, bad in refused.items():
        for item in bad:
            items += [item, good]
            expected += [code, "SUCCESS"]
    before = len((await state()).operations)
    answer = await call(PATH, {"operations": items})
    assert (answer.status, statuses(answer.json["results"])) == (200, expected)
    assert [result["replayed"] for result in answer.json["results"]] == [False] * len(items)
    assert len((await state()).operations) - before == expected.count("SUCCESS")


async def test_no_items_are_no_results(call: Call, state: ReadState, wallet_id: UUID) -> None:
    before = await state()
    answer = await call(PATH, {"operations": []}, "key")
    assert (answer.status, answer.json) == (200, {"results": []})
    assert "Idempotent-Replayed" not in answer.headers
    assert await state() == before


async def test_it_answers_without_the_trailing_slash_too(call: Call, wallet_id: UUID) -> None:
    answer = await call(PATH.rstrip("/"), {"operations": deposits(wallet_id, 1)})
    assert (answer.status, statuses(answer.json["results"])) == (200, ["SUCCESS"])


async def test_unknown_members_are_ignored(call: Call, wallet_id: UUID) -> None:
    item = operation(wallet_id, "DEPOSIT", 1, note="for you")
    answer = await call(PATH, {"operations": [item], "comment": None})
    assert (answer.status, statuses(answer.json["results"])) == (200, ["SUCCESS"])


async def test_an_item_that_the_database_cannot_apply_fails_alone(
    call: Call, create_wallet: CreateWallet, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute("alter table wallet.operations add constraint unforeseen check (amount <> 13)")
    wallet_id = await create_wallet()
    answer = await call(PATH, {"operations": [operation(wallet_id, "DEPOSIT", amount) for amount in (11, 12, 13, 14)]})
    assert (answer.status, statuses(answer.json["results"])) == (
        200,
        ["SUCCESS", "SUCCESS", "internal_error", "SUCCESS"],
    )
    assert b"unforeseen" not in answer.content


# Wrong shapes


@pytest.mark.parametrize(
    "wrong",
    [
        {"wallet_id": None},
        {"wallet_id": 5},
        {"operation_type": None},
        {"operation_type": ["DEPOSIT"]},
        {"amount": None},
        {"amount": 1.0},
        {"amount": 1e3},
        {"amount": True},
        {"amount": {}},
        {"idempotency_key": 5},
    ],
    ids=repr,
)
async def test_an_item_of_a_wrong_shape_is_one_400_that_names_it(
    call: Call, wallet_id: UUID, state: ReadState, wrong: dict[str, object]
) -> None:
    before = await state()
    items = deposits(wallet_id, 5)
    items[3].update(wrong)
    answer = await call(PATH, {"operations": items})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert f"$.operations[3].{next(iter(wrong))}" in answer.json["detail"]
    assert await state() == before


@pytest.mark.parametrize("member", ["wallet_id", "operation_type", "amount"])
async def test_an_item_that_lacks_a_member_is_one_400_that_names_both(
    call: Call, wallet_id: UUID, state: ReadState, member: str
) -> None:
    before = await state()
    items = deposits(wallet_id, 5)
    del items[3][member]
    answer = await call(PATH, {"operations": items})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert "$.operations[3]" in answer.json["detail"]
    assert f"`{member}`" in answer.json["detail"]
    assert await state() == before


@pytest.mark.parametrize(
    "body",
    ["", "{", "[]", "null", "5", "{}", '{"operations": null}', '{"operations": {}}', '{"operations": [null]}', "\xff"],
)
async def test_a_body_of_a_wrong_shape_is_a_400(
    client: aiohttp.ClientSession, wallet_id: UUID, state: ReadState, body: str
) -> None:
    before = await state()
    headers = {"Content-Type": "application/json"}
    async with client.post(PATH, data=body.encode("latin-1"), headers=headers) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (400, "invalid_request")
    assert await state() == before


# Sizes


async def test_10000_items_are_applied(call: Call, wallet_id: UUID, state: ReadState) -> None:
    answer = await call(PATH, {"operations": deposits(wallet_id, 10_000)})
    assert answer.status == 200
    assert [result["new_balance"] for result in answer.json["results"]] == [str(place) for place in range(1, 10_001)]
    assert len((await state()).operations) == 10_000


async def test_10001_items_are_refused_whole(call: Call, wallet_id: UUID, state: ReadState) -> None:
    answer = await call(PATH, {"operations": deposits(wallet_id, 10_001)})
    assert (answer.status, answer.json["code"]) == (400, "invalid_request")
    assert "10001" in answer.json["detail"]
    assert "10000" in answer.json["detail"]
    assert (await state()).operations == []


async def test_a_body_of_4_mib_is_read(client: aiohttp.ClientSession, wallet_id: UUID) -> None:
    body = json.dumps({"operations": deposits(wallet_id, 1)}).ljust(MAX_BULK_BYTES - 1).encode()
    async with client.post(PATH, data=io.BytesIO(body), headers={"Content-Type": "application/json"}) as response:
        assert response.status == 200


async def test_a_body_beyond_4_mib_is_refused(client: aiohttp.ClientSession, wallet_id: UUID, state: ReadState) -> None:
    body = json.dumps({"operations": deposits(wallet_id, 1)}).ljust(MAX_BULK_BYTES + 1).encode()
    async with client.post(PATH, data=io.BytesIO(body), headers={"Content-Type": "application/json"}) as response:
        assert (response.status, (await response.json(content_type=None))["code"]) == (413, "payload_too_large")
    assert (await state()).operations == []


# Keys


async def test_items_without_a_key_are_numbered_under_the_requests_own(
    call: Call, create_wallet: CreateWallet, state: ReadState
) -> None:
    wallet_id = await create_wallet()
    items = deposits(wallet_id, 3)
    items[1]["idempotency_key"] = "its-own"
    await call(PATH, {"operations": items}, "key")
    assert [row["idempotency_key"] for row in (await state()).operations] == ["key/1", "its-own", "key/3"]


async def test_items_keep_their_number_whatever_is_wrong_with_others(
    call: Call, wallet_id: UUID, state: ReadState
) -> None:
    items = [operation("no-uuid", "DEPOSIT", 1), *deposits(wallet_id, 1), operation(wallet_id, "DEPOSIT", 0)]
    await call(PATH, {"operations": [*items, *deposits(wallet_id, 1)]}, "key")
    assert [row["idempotency_key"] for row in (await state()).operations] == ["key/2", "key/4"]


async def test_a_null_key_is_none(call: Call, wallet_id: UUID, state: ReadState) -> None:
    await call(PATH, {"operations": [operation(wallet_id, "DEPOSIT", 1, idempotency_key=None)]}, "key")
    assert [row["idempotency_key"] for row in (await state()).operations] == ["key/1"]


async def test_without_any_key_every_request_is_applied(call: Call, wallet_id: UUID) -> None:
    answers = [await call(PATH, {"operations": deposits(wallet_id, 2)}) for _ in range(2)]
    assert [result["new_balance"] for answer in answers for result in answer.json["results"]] == ["1", "2", "3", "4"]


async def test_a_request_sent_again_gets_the_same_results_and_changes_nothing(
    call: Call, create_wallet: CreateWallet, set_status: SetStatus, state: ReadState
) -> None:
    wallet_id, frozen = await create_wallet(), await create_wallet()
    await set_status(frozen, "FROZEN")
    items = [
        operation(wallet_id, "DEPOSIT", 5),
        operation(wallet_id, "WITHDRAW", 6),
        operation(frozen, "DEPOSIT", 1, idempotency_key="its-own"),
    ]
    first = await call(PATH, {"operations": items}, "key")
    await set_status(frozen, "ACTIVE")
    await call(PATH, {"operations": deposits(wallet_id, 9)})
    before = await state()
    again = await call(PATH, {"operations": items}, "key")
    assert statuses(first.json["results"]) == ["SUCCESS", "insufficient_funds", "wallet_not_active"]
    assert again.json["results"] == [{**result, "replayed": True} for result in first.json["results"]]
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert await state() == before


async def test_a_request_that_is_new_in_part_is_no_replay(call: Call, wallet_id: UUID) -> None:
    await call(PATH, {"operations": deposits(wallet_id, 2)}, "key")
    again = await call(PATH, {"operations": deposits(wallet_id, 3)}, "key")
    assert [result["replayed"] for result in again.json["results"]] == [True, True, False]
    assert "Idempotent-Replayed" not in again.headers


async def test_a_malformed_item_is_not_remembered(call: Call, wallet_id: UUID) -> None:
    malformed = [*deposits(wallet_id, 1), operation(wallet_id, "DEPOSIT", 0)]
    await call(PATH, {"operations": malformed}, "key")
    mended = await call(PATH, {"operations": deposits(wallet_id, 2)}, "key")
    assert [result["replayed"] for result in mended.json["results"]] == [True, False]


@pytest.mark.parametrize(
    ("key", "count", "is_valid"),
    [
        ("k" * 249, 1, True),
        ("k" * 250, 1, False),
        ("k" * 249, 10, True),
        ("k" * 256, 1, False),
        ("", 1, False),
        ("a b", 1, False),
        ("\xe9", 1, False),
    ],
    ids=["longest", "longer", "longest-for-10", "too-long", "empty", "blank", "not-ascii"],
)
async def test_a_key_has_to_leave_room_for_the_numbers(
    call: Call, wallet_id: UUID, state: ReadState, key: str, count: int, is_valid: bool
) -> None:
    answer = await call(PATH, {"operations": deposits(wallet_id, count)}, key)
    assert (answer.status, answer.json.get("code")) == ((200, None) if is_valid else (400, "invalid_idempotency_key"))
    assert len((await state()).operations) == (count if is_valid else 0)


async def test_a_batch_over_another_one_on_the_same_wallets_is_applied_as_well(
    call: Call, create_wallet: CreateWallet
) -> None:
    wallets = [await create_wallet() for _ in range(50)]
    items = [item for wallet in wallets for item in deposits(wallet, 4)]
    answers = await asyncio.wait_for(
        asyncio.gather(*(call(PATH, {"operations": order}) for order in (items, items[::-1]) * 2)), 20
    )
    balances = sorted(int(result["new_balance"]) for answer in answers for result in answer.json["results"])
    assert balances == sorted(list(range(1, 17)) * 50)
