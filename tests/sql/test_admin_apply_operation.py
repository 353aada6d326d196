"""wallet.admin_apply_operation"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from . import Audited, ReadState, Refused

Act = Callable[..., Awaitable[asyncpg.Record]]


@pytest.fixture
def act(app_connection: asyncpg.Connection, session: str, wallet_id: UUID) -> Act:
    """Acts on the wallet as ann: `await act("DEPOSIT", 100, "key")`."""

    async def call(operation_type: str, amount: int, key: str, reason: str = "a gift", by: str = session) -> object:
        return await app_connection.fetchrow(
            "select * from wallet.admin_apply_operation($1, '192.0.2.1', $2, $3, $4, $5, $6)",
            *(by, wallet_id, operation_type, amount, key, reason),
        )

    return call


async def test_it_applies_the_operation(app_connection: asyncpg.Connection, wallet_id: UUID, act: Act) -> None:
    answer = await act("DEPOSIT", 100, "key")
    assert (answer["status"], answer["new_balance"], answer["replayed"]) == ("SUCCESS", 100, False)
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 100


async def test_it_answers_what_apply_operations_answers(app_connection: asyncpg.Connection, act: Act) -> None:
    answer = await act("DEPOSIT", 100, "key")
    plain = await app_connection.prepare("select * from wallet.apply_operations(null, null, null, null)")
    assert list(answer.keys()) == [attribute.name for attribute in plain.get_attributes()]


async def test_it_writes_down_who_did_it_and_why(act: Act, audited: Audited, wallet_id: UUID) -> None:
    answer = await act("DEPOSIT", 100, "key")
    detail = {"amount": 100, "reason": "a gift", "operation_id": str(answer["operation_id"])}
    assert await audited("deposit") == [("ann", "192.0.2.1", wallet_id, "done", detail)]


async def test_a_refusal_is_answered_remembered_and_written_down(
    act: Act, audited: Audited, state: ReadState, wallet_id: UUID
) -> None:
    answer = await act("WITHDRAW", 100, "key")
    assert (answer["status"], answer["error_code"], answer["new_balance"]) == ("REJECTED", "WA002", 0)
    assert [refusal["idempotency_key"] for refusal in (await state()).rejections] == ["key"]
    assert [(row[2], row[3]) for row in await audited("withdraw")] == [(wallet_id, "WA002")]


async def test_sent_twice_it_is_done_once_and_written_down_once(act: Act, audited: Audited, state: ReadState) -> None:
    first = await act("DEPOSIT", 100, "key")
    before = await state()
    again = await act("DEPOSIT", 100, "key")
    assert again["replayed"]
    assert again["operation_id"] == first["operation_id"]
    assert await state() == before
    assert len(await audited("deposit")) == 1


async def test_without_a_session_it_does_nothing(act: Act, refused: Refused, audited: Audited) -> None:
    async with refused("WA020"):
        await act("DEPOSIT", 100, "key", by="of nobody")
    assert await audited("deposit") == []


@pytest.mark.parametrize("reason", [None, "", " ", "a\nb", "\x7f", "r" * 501])
async def test_without_a_reason_it_does_nothing(act: Act, refused: Refused, audited: Audited, reason: str) -> None:
    async with refused("WA021"):
        await act("DEPOSIT", 100, "key", reason)
    assert await audited("deposit") == []


async def test_a_reason_may_be_five_hundred_characters_long(act: Act) -> None:
    assert (await act("DEPOSIT", 100, "key", "ж" * 500))["status"] == "SUCCESS"
