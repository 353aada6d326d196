"""The header `Idempotency-Key`: what was done once is not done again."""

import asyncio

import pytest
from multidict import CIMultiDict

from . import Call, ReadState, Refused


async def test_the_same_key_gives_the_first_answer_again(apply: Call, state: ReadState) -> None:
    first = await apply("DEPOSIT", "100", "key")
    await apply("WITHDRAW", "1")
    before = await state()
    again = await apply("DEPOSIT", "100", "key")
    assert (again.status, again.content) == (201, first.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert await state() == before


async def test_the_same_amount_may_be_written_in_another_way(apply: Call) -> None:
    first = await apply("DEPOSIT", "0100", "key")
    assert (await apply("DEPOSIT", 100, "key")).content == first.content


async def test_many_at_once_under_one_key_are_one_operation(apply: Call, state: ReadState) -> None:
    answers = await asyncio.gather(*(apply("DEPOSIT", "5", "key") for _ in range(20)))
    assert {answer.status for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
    assert len((await state()).operations) == 1


async def test_a_key_belongs_to_its_wallet(call: Call, wallet: str, apply: Call) -> None:
    first = await apply("DEPOSIT", "5", "key")
    other = (await call("POST", "/api/wallets/", json={})).json["id"]
    second = await call(
        "POST",
        f"/api/wallets/{other}/operation",
        json={"operation_type": "DEPOSIT", "amount": "6"},
        headers={"Idempotency-Key": "key"},
    )
    assert (second.status, second.json["new_balance"]) == (201, "6")
    assert first.json["operation_id"] != second.json["operation_id"]


async def test_without_a_key_the_same_request_is_another_operation(apply: Call, state: ReadState) -> None:
    assert (await apply("DEPOSIT", "5")).content != (await apply("DEPOSIT", "5")).content
    assert len((await state()).operations) == 2


@pytest.mark.parametrize(("operation_type", "amount"), [("DEPOSIT", "101"), ("WITHDRAW", "100")])
async def test_a_key_cannot_be_used_for_something_else(
    apply: Call, refused: Refused, operation_type: str, amount: str
) -> None:
    await apply("DEPOSIT", "100", "key")
    await refused(apply(operation_type, amount, "key"), 422, "idempotency_key_reused")


async def test_a_refused_request_leaves_its_key_free(apply: Call, refused: Refused) -> None:
    await refused(apply("DEPOSIT", "nothing", "key"), 400, "invalid_amount")
    assert (await apply("DEPOSIT", "1", "key")).status == 201


@pytest.mark.parametrize("key", ["k", "k" * 255, '"quoted"', "~!@#$%^&*()", "';--"])
async def test_a_key_is_any_visible_ascii(apply: Call, state: ReadState, key: str) -> None:
    assert (await apply("DEPOSIT", "1", key)).status == 201
    assert [row["idempotency_key"] for row in (await state()).operations] == [key]


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "a b", "a\tb", "ключ", "clé", "\x80"])
async def test_it_refuses_any_other_key(apply: Call, refused: Refused, key: str) -> None:
    await refused(apply("DEPOSIT", "1", key), 400, "invalid_idempotency_key")


@pytest.mark.parametrize("keys", [("a", "b"), ("a", "a")])
async def test_it_refuses_two_keys(call: Call, wallet: str, refused: Refused, keys: tuple[str, str]) -> None:
    await refused(
        call(
            "POST",
            f"/api/wallets/{wallet}/operation",
            json={"operation_type": "DEPOSIT", "amount": "1"},
            headers=CIMultiDict([("Idempotency-Key", key) for key in keys]),
        ),
        400,
        "invalid_idempotency_key",
    )
