"""Idempotency-Key on POST …/operation: a retry never moves money twice, and never gets another answer."""

import asyncio
from uuid import UUID

import asyncpg
import pytest

from . import MAX, Answer, Backends, Call, CreateWallet, ReadState, SetStatus


def path(wallet_id: object) -> str:
    return f"/api/wallets/{wallet_id}/operation"


def body(operation_type: object, amount: object) -> dict[str, object]:
    return {"operation_type": operation_type, "amount": amount}


def is_replay(first: Answer, again: Answer) -> bool:
    """Whether the second is the first answer again: status, body to the byte, and said to be so."""
    assert "Idempotent-Replayed" not in first.headers
    return (
        (again.status, again.content) == (first.status, first.content)
        and again.headers["Content-Type"] == first.headers["Content-Type"]
        and again.headers.get("Idempotent-Replayed") == "true"
    )


@pytest.mark.parametrize("operation_type", ["DEPOSIT", "WITHDRAW"])
async def test_a_success_is_answered_again_whatever_became_of_the_wallet(
    call: Call, create_wallet: CreateWallet, set_status: SetStatus, state: ReadState, operation_type: str
) -> None:
    wallet_id = await create_wallet(balance=30)
    first = await call(path(wallet_id), body(operation_type, "30"), "key")
    await call(path(wallet_id), body("DEPOSIT", "1"))
    await set_status(wallet_id, "FROZEN")
    before = await state()
    again = await call(path(wallet_id), body(operation_type, "30"), "key")
    assert first.status == 201
    assert is_replay(first, again)
    assert await state() == before


async def test_insufficient_funds_is_answered_again_when_there_are_funds(
    call: Call, wallet_id: UUID, state: ReadState
) -> None:
    first = await call(path(wallet_id), body("WITHDRAW", "30"), "key")
    await call(path(wallet_id), body("DEPOSIT", "100"))
    before = await state()
    again = await call(path(wallet_id), body("WITHDRAW", "30"), "key")
    assert (first.status, first.json["code"]) == (400, "insufficient_funds")
    assert is_replay(first, again)
    assert await state() == before


async def test_balance_limit_exceeded_is_answered_again_when_there_is_room(
    call: Call, create_wallet: CreateWallet, state: ReadState
) -> None:
    wallet_id = await create_wallet(balance=MAX)
    first = await call(path(wallet_id), body("DEPOSIT", "1"), "key")
    await call(path(wallet_id), body("WITHDRAW", "100"))
    before = await state()
    again = await call(path(wallet_id), body("DEPOSIT", "1"), "key")
    assert (first.status, first.json["code"]) == (400, "balance_limit_exceeded")
    assert is_replay(first, again)
    assert await state() == before


async def test_wallet_not_active_is_answered_again_when_it_is_active(
    call: Call, wallet_id: UUID, set_status: SetStatus, state: ReadState
) -> None:
    await set_status(wallet_id, "FROZEN")
    first = await call(path(wallet_id), body("DEPOSIT", "1"), "key")
    await set_status(wallet_id, "ACTIVE")
    before = await state()
    again = await call(path(wallet_id), body("DEPOSIT", "1"), "key")
    assert (first.status, first.json["code"]) == (409, "wallet_not_active")
    assert is_replay(first, again)
    assert await state() == before


async def test_a_wallets_id_may_be_written_in_capitals(call: Call, wallet_id: UUID) -> None:
    first = await call(path(wallet_id), body("DEPOSIT", "30"), "key")
    assert is_replay(first, await call(path(str(wallet_id).upper()), body("DEPOSIT", "30"), "key"))


@pytest.mark.parametrize(("operation_type", "amount"), [("DEPOSIT", "31"), ("WITHDRAW", "30")])
@pytest.mark.parametrize("first_type", ["DEPOSIT", "WITHDRAW"], ids=["applied", "refused"])
async def test_a_key_that_was_used_for_something_else_is_a_422(
    call: Call, wallet_id: UUID, state: ReadState, first_type: str, operation_type: str, amount: str
) -> None:
    if (first_type, "30") == (operation_type, amount):
        operation_type = "DEPOSIT"
    await call(path(wallet_id), body(first_type, "30"), "key")
    before = await state()
    other = await call(path(wallet_id), body(operation_type, amount), "key")
    assert (other.status, other.json["code"]) == (422, "idempotency_key_reused")
    assert "Idempotent-Replayed" not in other.headers
    assert await state() == before


@pytest.mark.parametrize(
    "malformed",
    [body("DEPOSIT", "0"), body("DEPOSIT", 1.5), body("DEPOSIT", None), body("TRANSFER", "30"), body(None, "30"), []],
    ids=repr,
)
async def test_a_malformed_request_is_not_remembered(
    call: Call, wallet_id: UUID, state: ReadState, malformed: object
) -> None:
    before = await state()
    refused = await call(path(wallet_id), malformed, "key")
    assert refused.status == 400
    assert await state() == before
    mended = await call(path(wallet_id), body("DEPOSIT", "30"), "key")
    assert mended.status == 201
    assert "Idempotent-Replayed" not in mended.headers


async def test_an_unknown_wallet_is_not_remembered(call: Call, create_wallet: CreateWallet) -> None:
    late = UUID(int=7)
    assert (await call(path(late), body("DEPOSIT", "30"), "key")).status == 404
    await create_wallet(wallet_id=late)
    made = await call(path(late), body("DEPOSIT", "30"), "key")
    assert made.status == 201
    assert "Idempotent-Replayed" not in made.headers


async def test_a_key_is_scoped_to_its_wallet(call: Call, create_wallet: CreateWallet) -> None:
    answers = [await call(path(await create_wallet()), body("DEPOSIT", "30"), "key") for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json["operation_id"] != answers[1].json["operation_id"]
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("operation_type", "status"), [("DEPOSIT", 201), ("WITHDRAW", 400)], ids=["applied", "refused"]
)
async def test_requests_at_once_with_one_key_are_applied_once(
    call: Call, wallet_id: UUID, state: ReadState, operation_type: str, status: int
) -> None:
    answers = await asyncio.gather(*(call(path(wallet_id), body(operation_type, "30"), "key") for _ in range(10)))
    assert {answer.status for answer in answers} == {status}
    assert len({answer.content for answer in answers}) == 1
    assert sum("Idempotent-Replayed" in answer.headers for answer in answers) == 9
    after = await state()
    assert len(after.operations) + len(after.rejections) == 1


async def test_a_request_that_meets_another_transaction_with_its_key_replays_it(
    call: Call, app_connection: asyncpg.Connection, wallet_id: UUID, state: ReadState, backends: Backends
) -> None:
    async with app_connection.transaction():
        await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 30, 'key')", wallet_id)
        request = asyncio.create_task(call(path(wallet_id), body("DEPOSIT", "30"), "key"))
        await backends.until_one_waits()
    answer = await request
    assert (answer.status, answer.headers.get("Idempotent-Replayed")) == (201, "true")
    assert len((await state()).operations) == 1


async def test_what_sql_applied_is_replayed_over_http(
    call: Call, app_connection: asyncpg.Connection, wallet_id: UUID, state: ReadState
) -> None:
    await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 30, 'key')", wallet_id)
    answer = await call(path(wallet_id), body("DEPOSIT", "30"), "key")
    assert (answer.status, answer.headers.get("Idempotent-Replayed")) == (201, "true")
    assert len((await state()).operations) == 1


async def test_what_one_request_applied_the_bulk_endpoint_replays(call: Call, wallet_id: UUID) -> None:
    first = await call(path(wallet_id), body("DEPOSIT", "30"), "key")
    item = {"wallet_id": str(wallet_id), **body("DEPOSIT", "30"), "idempotency_key": "key"}
    again = await call("/api/operations/", {"operations": [item]})
    assert again.json["results"] == [{**first.json, "replayed": True}]


async def test_a_key_that_was_drawn_cannot_be_foretold_from_what_a_client_sees(
    call: Call, create_wallet: CreateWallet, wallet_id: UUID, state: ReadState
) -> None:
    seen = await call(path(await create_wallet()), body("DEPOSIT", "1"))
    await call(path(wallet_id), body("DEPOSIT", "1"))
    ids = [seen.headers["X-Request-ID"], *(row["idempotency_key"] for row in (await state()).operations)]
    assert len({drawn[:8] for drawn in ids}) == 3
