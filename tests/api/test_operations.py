"""Paging through the operations of a wallet, and looking at one."""

import base64
import re
from datetime import datetime
from typing import Any

import pytest

from . import MAX_AMOUNT, UNKNOWN, Call, ReadState, Refused


@pytest.fixture
async def operations(wallet: str, apply: Call) -> list[str]:
    """The ids of five deposits, of 1 to 5, newest first."""
    ids = [(await apply("DEPOSIT", str(amount), f"key-{amount}")).json["operation_id"] for amount in range(1, 6)]
    return ids[::-1]


async def pages(call: Call, wallet: str, **query: str) -> list[dict[str, Any]]:
    found = [(await call("GET", f"/api/wallets/{wallet}/operations/", params=query)).json]
    while cursor := found[-1]["next_cursor"]:
        query["cursor"] = cursor
        found.append((await call("GET", f"/api/wallets/{wallet}/operations/", params=query)).json)
        assert len(found) < 100
    return found


@pytest.mark.parametrize("slash", ["/", ""])
async def test_the_list_of_an_unused_wallet_is_empty(call: Call, wallet: str, slash: str) -> None:
    answer = await call("GET", f"/api/wallets/{wallet}/operations{slash}")
    assert (answer.status, answer.content) == (200, b'{"items":[],"next_cursor":null}')
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("limit", "sizes"), [(1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5]), (1000, [5])]
)
async def test_pages_hold_every_operation_once_newest_first(
    call: Call, wallet: str, operations: list[str], limit: int, sizes: list[int]
) -> None:
    found = await pages(call, wallet, limit=str(limit))
    assert [len(page["items"]) for page in found] == sizes
    assert [item["operation_id"] for page in found for item in page["items"]] == operations


async def test_an_operation_applied_meanwhile_does_not_move_the_pages(
    call: Call, wallet: str, apply: Call, operations: list[str]
) -> None:
    page = (await call("GET", f"/api/wallets/{wallet}/operations/", params={"limit": "2"})).json
    await apply("DEPOSIT", "1")
    query = {"cursor": page["next_cursor"]}
    rest = (await call("GET", f"/api/wallets/{wallet}/operations/", params=query)).json
    assert [item["operation_id"] for item in page["items"] + rest["items"]] == operations


async def test_the_list_is_of_this_wallet_alone(call: Call, operations: list[str]) -> None:
    other = (await call("POST", "/api/wallets/", json={})).json["id"]
    assert (await call("GET", f"/api/wallets/{other}/operations/")).json["items"] == []


@pytest.mark.parametrize("slash", ["/", ""])
async def test_an_operation_is_shown_as_it_was_applied(
    call: Call, wallet: str, apply: Call, state: ReadState, slash: str
) -> None:
    await apply("DEPOSIT", "15")
    withdrawn = await apply("WITHDRAW", "4", "out")
    answer = await call("GET", f"/api/wallets/{wallet}/operations/{withdrawn.json['operation_id']}{slash}")
    created_at = answer.json["created_at"]
    assert answer.status == 200
    assert list(answer.json.items()) == [
        ("operation_id", withdrawn.json["operation_id"]),
        ("wallet_id", wallet),
        ("seq", 2),
        ("operation_type", "WITHDRAW"),
        ("amount", "4"),
        ("balance_after", "11"),
        ("idempotency_key", "out"),
        ("created_at", created_at),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", created_at)
    assert datetime.fromisoformat(created_at) == (await state()).operations[-1]["created_at"]


async def test_the_list_shows_what_each_operation_shows_by_itself(
    call: Call, wallet: str, operations: list[str]
) -> None:
    listed = (await call("GET", f"/api/wallets/{wallet}/operations/")).json["items"]
    alone = [(await call("GET", f"/api/wallets/{wallet}/operations/{each}")).json for each in operations]
    assert listed == alone


async def test_amounts_are_exact_at_their_largest(call: Call, wallet: str, apply: Call) -> None:
    await apply("DEPOSIT", MAX_AMOUNT)
    (operation,) = (await call("GET", f"/api/wallets/{wallet}/operations/")).json["items"]
    assert (operation["amount"], operation["balance_after"]) == (str(MAX_AMOUNT), str(MAX_AMOUNT))


async def test_an_operation_without_a_key_was_given_one(call: Call, wallet: str, apply: Call) -> None:
    applied = await apply("DEPOSIT", "1")
    (operation,) = (await call("GET", f"/api/wallets/{wallet}/operations/")).json["items"]
    again = await apply("DEPOSIT", "1", operation["idempotency_key"])
    assert again.content == applied.content


@pytest.mark.parametrize("limit", ["0", "1001", "ten"])
async def test_it_refuses_a_bad_limit(call: Call, wallet: str, refused: Refused, limit: str) -> None:
    path = f"/api/wallets/{wallet}/operations/"
    await refused(call("GET", path, params={"limit": limit}), 400, "invalid_limit")


async def test_the_list_of_an_unknown_wallet_is_refused(call: Call, refused: Refused) -> None:
    await refused(call("GET", f"/api/wallets/{UNKNOWN}/operations/"), 404, "wallet_not_found")


async def test_an_operation_of_an_unknown_wallet_is_refused(
    call: Call, operations: list[str], refused: Refused
) -> None:
    await refused(call("GET", f"/api/wallets/{UNKNOWN}/operations/{operations[0]}"), 404, "wallet_not_found")


async def test_an_unknown_operation_is_refused(call: Call, wallet: str, refused: Refused) -> None:
    await refused(call("GET", f"/api/wallets/{wallet}/operations/{UNKNOWN}"), 404, "operation_not_found")


async def test_an_operation_is_not_found_in_another_wallet(call: Call, operations: list[str], refused: Refused) -> None:
    other = (await call("POST", "/api/wallets/", json={})).json["id"]
    await refused(call("GET", f"/api/wallets/{other}/operations/{operations[0]}"), 404, "operation_not_found")


@pytest.mark.parametrize(
    "operation_id", ["1", "%00", "%FF", f"{{{UNKNOWN}}}", UNKNOWN.replace("-", ""), f"{UNKNOWN}%0A"]
)
async def test_an_id_that_is_no_uuid_is_of_no_operation(
    call: Call, wallet: str, refused: Refused, operation_id: str
) -> None:
    await refused(call("GET", f"/api/wallets/{wallet}/operations/{operation_id}"), 404, "operation_not_found")


@pytest.mark.parametrize("seq", ["0", "-1", str(MAX_AMOUNT + 1), "9" * 5000, "1.0", ""])
async def test_it_refuses_a_cursor_that_it_did_not_give(call: Call, wallet: str, refused: Refused, seq: str) -> None:
    cursor = base64.urlsafe_b64encode(seq.encode()).decode().rstrip("=")
    await refused(call("GET", f"/api/wallets/{wallet}/operations/", params={"cursor": cursor}), 400, "invalid_request")


@pytest.mark.parametrize("cursor", ["", "x", "MQ==MQ", "кириллица", "gICA"])
async def test_it_refuses_a_cursor_that_is_not_encoded_as_one(
    call: Call, wallet: str, refused: Refused, cursor: str
) -> None:
    await refused(call("GET", f"/api/wallets/{wallet}/operations/", params={"cursor": cursor}), 400, "invalid_request")
