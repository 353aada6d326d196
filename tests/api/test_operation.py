"""`POST /api/wallets/{wallet_id}/operation`, a published contract."""

import json
from uuid import UUID

import asyncpg
import pytest

from . import MAX_AMOUNT, UNKNOWN, Call, ReadState, Refused


async def test_it_answers_a_deposit_to_the_byte(call: Call, wallet: str) -> None:
    answer = await call(
        "POST",
        f"/api/wallets/{wallet}/operation",
        data=b'{"operation_type": "DEPOSIT", "amount": "100"}',
        headers={"Content-Type": "application/json"},
    )
    operation_id = str(UUID(answer.json["operation_id"]))
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert answer.content.decode() == (
        f'{{"operation_id":"{operation_id}","status":"SUCCESS","operation_type":"DEPOSIT",'
        '"amount":"100","new_balance":"100"}'
    )


async def test_it_answers_a_withdrawal_to_the_byte(wallet: str, apply: Call) -> None:
    await apply("DEPOSIT", "100")
    answer = await apply("WITHDRAW", "30")
    operation_id = str(UUID(answer.json["operation_id"]))
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert answer.content.decode() == (
        f'{{"operation_id":"{operation_id}","status":"SUCCESS","operation_type":"WITHDRAW",'
        '"amount":"30","new_balance":"70"}'
    )


@pytest.mark.parametrize("slash", ["/", ""])
async def test_it_is_applied_once(call: Call, wallet: str, state: ReadState, slash: str) -> None:
    answer = await call(
        "POST", f"/api/wallets/{wallet}/operation{slash}", json={"operation_type": "DEPOSIT", "amount": "7"}
    )
    assert answer.status == 201
    (stored,) = (await state()).operations
    assert (str(stored["id"]), stored["seq"], stored["amount"], stored["balance_after"]) == (
        answer.json["operation_id"],
        1,
        7,
        7,
    )
    assert [row["balance"] for row in (await state()).wallets] == [7]


async def test_it_is_no_replay(apply: Call) -> None:
    assert "idempotent-replayed" not in (await apply("DEPOSIT", "1")).headers


@pytest.mark.parametrize(
    ("amount", "applied"),
    [
        ("1", 1),
        ('"1"', 1),
        ('"007"', 7),
        ('"0000000000000000001"', 1),
        (str(MAX_AMOUNT), MAX_AMOUNT),
        (f'"{MAX_AMOUNT}"', MAX_AMOUNT),
    ],
)
async def test_an_amount_is_an_integer_or_a_string_of_digits(
    call: Call, wallet: str, amount: str, applied: int
) -> None:
    answer = await call(
        "POST",
        f"/api/wallets/{wallet}/operation",
        data=f'{{"operation_type": "DEPOSIT", "amount": {amount}}}',
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status, answer.json["amount"], answer.json["new_balance"]) == (201, str(applied), str(applied))


@pytest.mark.parametrize("amount", [0, "0", -1, "-1", "+1", 1.0, "1e3", "", " 1", "1\n", "٣"])
async def test_it_refuses_what_is_no_amount(apply: Call, refused: Refused, amount: object) -> None:
    await refused(apply("DEPOSIT", amount), 400, "invalid_amount")


@pytest.mark.parametrize("amount", [None, True, [1], {}])
async def test_it_refuses_an_amount_of_another_type(apply: Call, refused: Refused, amount: object) -> None:
    await refused(apply("DEPOSIT", amount), 400, "invalid_amount")


@pytest.mark.parametrize("amount", [MAX_AMOUNT + 1, str(MAX_AMOUNT + 1), 10**30, "0" * 19 + "1"])
async def test_it_refuses_an_amount_that_is_too_long_or_too_large(
    apply: Call, refused: Refused, amount: object
) -> None:
    await refused(apply("DEPOSIT", amount), 400, "invalid_amount")


async def test_it_refuses_a_body_without_an_amount(call: Call, wallet: str, refused: Refused) -> None:
    await refused(
        call("POST", f"/api/wallets/{wallet}/operation", json={"operation_type": "DEPOSIT"}), 400, "invalid_amount"
    )


@pytest.mark.parametrize("operation_type", ["deposit", "DEPOSIT ", "", "ＤＥＰＯＳＩＴ", "DEPOSIT\0", None, 1, []])
async def test_it_refuses_an_unknown_type(apply: Call, refused: Refused, operation_type: object) -> None:
    await refused(apply(operation_type, "1"), 400, "invalid_operation_type")


async def test_it_refuses_a_body_without_a_type(call: Call, wallet: str, refused: Refused) -> None:
    await refused(call("POST", f"/api/wallets/{wallet}/operation", json={"amount": "1"}), 400, "invalid_operation_type")


async def test_it_refuses_to_overdraw(apply: Call, refused: Refused) -> None:
    await apply("DEPOSIT", "10")
    await refused(apply("WITHDRAW", "11"), 400, "insufficient_funds")


async def test_it_refuses_more_than_a_balance_can_be(apply: Call, refused: Refused) -> None:
    await apply("DEPOSIT", MAX_AMOUNT)
    await refused(apply("DEPOSIT", 1), 400, "balance_limit_exceeded")


async def test_it_refuses_a_frozen_wallet(
    apply: Call, refused: Refused, wallet: str, app_connection: asyncpg.Connection
) -> None:
    await app_connection.execute("select wallet.set_wallet_status($1, 'FROZEN')", wallet)
    await refused(apply("DEPOSIT", "1"), 409, "wallet_not_active")


async def test_it_refuses_an_unknown_wallet(call: Call, refused: Refused) -> None:
    body = {"operation_type": "DEPOSIT", "amount": "1"}
    await refused(call("POST", f"/api/wallets/{UNKNOWN}/operation", json=body), 404, "wallet_not_found")


async def test_it_ignores_members_it_does_not_know(call: Call, wallet: str) -> None:
    body = {"comment": {"nested": [None, 1.5]}, "operation_type": "DEPOSIT", "amount": "1", "new_balance": "1000000"}
    answer = await call("POST", f"/api/wallets/{wallet}/operation", json=body)
    assert (answer.status, answer.json["new_balance"]) == (201, "1")


async def test_of_two_members_of_one_name_the_last_counts(call: Call, wallet: str) -> None:
    answer = await call(
        "POST",
        f"/api/wallets/{wallet}/operation",
        data='{"operation_type": "DEPOSIT", "amount": "1", "amount": "2"}',
        headers={"Content-Type": "application/json"},
    )
    assert (answer.status, answer.json["amount"]) == (201, "2")


async def test_its_json_may_be_written_in_other_ways(call: Call, wallet: str) -> None:
    escaped = json.dumps("DEPOSIT").replace("D", "\\u0044")
    answer = await call(
        "POST",
        f"/api/wallets/{wallet}/operation",
        data=f'\r\n\t {{ "amount" :1 ,\n"operation_type":{escaped}}}  \n',
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    assert (answer.status, answer.json["operation_type"]) == (201, "DEPOSIT")
