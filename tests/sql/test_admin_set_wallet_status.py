"""wallet.admin_set_wallet_status"""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg
import pytest

from . import Apply, Audited, Refused

Act = Callable[..., Awaitable[asyncpg.Record]]


@pytest.fixture
def act(app_connection: asyncpg.Connection, session: str, wallet_id: UUID) -> Act:
    """Acts on the wallet as ann: `await act("FROZEN")`."""

    async def call(status: str, reason: str | None = "asked to", by: str = session) -> asyncpg.Record:
        return await app_connection.fetchrow(
            "select * from wallet.admin_set_wallet_status($1, '192.0.2.1', $2, $3, $4)", by, wallet_id, status, reason
        )

    return call


async def test_it_sets_the_status_and_writes_down_why(act: Act, audited: Audited, wallet_id: UUID) -> None:
    for status, action in (("FROZEN", "freeze"), ("ACTIVE", "unfreeze"), ("CLOSED", "close")):
        assert (await act(status))["status"] == status
        assert await audited(action) == [("ann", "192.0.2.1", wallet_id, "done", {"reason": "asked to"})]


async def test_what_changes_nothing_is_not_written_down(act: Act, audited: Audited) -> None:
    await act("ACTIVE")
    await act("FROZEN")
    await act("FROZEN")
    assert await audited("unfreeze") == []
    assert len(await audited("freeze")) == 1


@pytest.mark.parametrize(
    ("sqlstate", "arguments"),
    [
        ("WA020", {"status": "FROZEN", "by": "of nobody"}),
        ("WA021", {"status": "FROZEN", "reason": " "}),
        ("WA021", {"status": "FROZEN", "reason": None}),
        ("WA012", {"status": "frozen"}),
        ("WA013", {"status": "CLOSED"}),
    ],
)
async def test_a_refusal_changes_nothing_and_is_not_written_down(
    act: Act,
    apply: Apply,
    wallet_id: UUID,
    refused: Refused,
    owner_connection: asyncpg.Connection,
    sqlstate: str,
    arguments: dict[str, str],
) -> None:
    await apply(wallet_id, "DEPOSIT", 1)
    audit = "select count(*) from wallet.audit"
    before = await owner_connection.fetchval(audit)
    async with refused(sqlstate):
        await act(**arguments)
    assert await owner_connection.fetchval(audit) == before
