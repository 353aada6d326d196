"""Paging through the operations of a wallet, and reading one."""

import base64
import re
from datetime import datetime
from typing import Any

import pytest

from . import MAX_AMOUNT, UNKNOWN, Call, ExpectProblem, ReadState

pytestmark = pytest.mark.shared_database


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


async def test_a_wallet_without_operations_has_an_empty_list(call: Call, wallet: str) -> None:
    for slash in ("/", ""):
        response = await call("GET", f"/api/wallets/{wallet}/operations{slash}")
        assert (response.status, response.content) == (200, b'{"items":[],"next_cursor":null}')
        assert response.headers["content-type"] == "application/json"


async def test_pages_have_every_operation_newest_first(
    call: Call, wallet: str, apply: Call, operations: list[str]
) -> None:
    for limit, sizes in ((1, [1] * 5), (2, [2, 2, 1]), (4, [4, 1]), (5, [5]), (6, [5]), (1000, [5])):
        found = await pages(call, wallet, limit=str(limit))
        assert [len(page["items"]) for page in found] == sizes
        assert [item["operation_id"] for page in found for item in page["items"]] == operations
    listed = (await call("GET", f"/api/wallets/{wallet}/operations/")).json["items"]
    assert listed == [(await call("GET", f"/api/wallets/{wallet}/operations/{each}")).json for each in operations]
    # An operation that is applied between two pages does not move them.
    path = f"/api/wallets/{wallet}/operations/"
    page = (await call("GET", path, params={"limit": "2"})).json
    await apply("DEPOSIT", "1")
    rest = (await call("GET", path, params={"cursor": page["next_cursor"]})).json
    assert [item["operation_id"] for item in page["items"] + rest["items"]] == operations


async def test_an_operation_is_shown_as_it_was_applied(call: Call, wallet: str, apply: Call, state: ReadState) -> None:
    await apply("DEPOSIT", str(MAX_AMOUNT))
    withdrawn = await apply("WITHDRAW", "4", "out")
    for slash in ("/", ""):
        response = await call("GET", f"/api/wallets/{wallet}/operations/{withdrawn.json['operation_id']}{slash}")
        created_at = response.json["created_at"]
        assert response.status == 200
        assert list(response.json.items()) == [
            ("operation_id", withdrawn.json["operation_id"]),
            ("wallet_id", wallet),
            ("seq", 2),
            ("operation_type", "WITHDRAW"),
            ("amount", "4"),
            ("balance_after", str(MAX_AMOUNT - 4)),
            ("idempotency_key", "out"),
            ("created_at", created_at),
        ]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", created_at)
        assert datetime.fromisoformat(created_at) == (await state(wallet)).operations[-1]["created_at"]


async def test_a_generated_key_is_shown_and_can_be_used(call: Call, wallet: str, apply: Call) -> None:
    applied = await apply("DEPOSIT", "1")
    (operation,) = (await call("GET", f"/api/wallets/{wallet}/operations/")).json["items"]
    assert (await apply("DEPOSIT", "1", operation["idempotency_key"])).content == applied.content


async def test_what_is_not_of_this_wallet_is_not_found(
    call: Call, wallet: str, operations: list[str], expect_problem: ExpectProblem
) -> None:
    other = (await call("POST", "/api/wallets/", json={})).json["id"]
    assert (await call("GET", f"/api/wallets/{other}/operations/")).json["items"] == []
    unknown_wallet = ("", operations[0])
    requests = [call("GET", f"/api/wallets/{UNKNOWN}/operations/{operation}") for operation in unknown_wallet]
    await expect_problem(requests, 404, "wallet_not_found")
    not_uuids = ["1", "%00", "%FF", f"{{{UNKNOWN}}}", UNKNOWN.replace("-", ""), f"{UNKNOWN}%0A"]
    requests = [call("GET", f"/api/wallets/{wallet}/operations/{text}") for text in not_uuids]
    response = await expect_problem(requests, 404, "operation_not_found")
    assert response.json["detail"] == "operation not found: operation_id must be a UUID"
    requests = [
        call("GET", f"/api/wallets/{wallet}/operations/{UNKNOWN}"),
        call("GET", f"/api/wallets/{other}/operations/{operations[0]}"),
    ]
    response = await expect_problem(requests, 404, "operation_not_found")
    assert response.json["detail"] == f"operation not found: {operations[0]}"


async def test_a_limit_or_cursor_must_be_valid(call: Call, wallet: str, expect_problem: ExpectProblem) -> None:
    path = f"/api/wallets/{wallet}/operations/"
    requests = [call("GET", path, params={"limit": limit}) for limit in ("0", "1001", "ten")]
    await expect_problem(requests, 400, "invalid_limit")
    positions = ["0", "-1", str(MAX_AMOUNT + 1), "9" * 5000, "1.0", ""]
    cursors = [base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in positions]
    cursors += ["x", "MQ==MQ", "кириллица", "gICA"]
    requests = [call("GET", path, params={"cursor": cursor}) for cursor in cursors]
    await expect_problem(requests, 400, "invalid_request")
