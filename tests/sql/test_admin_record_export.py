"""wallet.admin_record_export"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Audited, Refused

MAY = datetime(2026, 5, 1, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
CALL = "select wallet.admin_record_export($1, '192.0.2.1', $2, $3, $4)"


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
async def test_it_writes_down_what_was_exported(
    app_connection: asyncpg.Connection, session: str, wallet_id: UUID, audited: Audited, zone: str
) -> None:
    await app_connection.execute("select set_config('timezone', $1, false)", zone)
    await app_connection.execute(CALL, session, wallet_id, MAY, JUNE)
    detail = {"from": "2026-05-01T00:00:00", "until": "2026-06-01T00:00:00"}
    assert await audited("export") == [("ann", "192.0.2.1", wallet_id, "done", detail)]


async def test_a_period_may_be_open(
    app_connection: asyncpg.Connection, session: str, wallet_id: UUID, audited: Audited
) -> None:
    await app_connection.execute(CALL, session, wallet_id, None, None)
    assert (await audited("export"))[0][-1] == {"from": None, "until": None}


async def test_it_refuses_who_is_not_signed_in(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, audited: Audited
) -> None:
    async with refused("WA020"):
        await app_connection.execute(CALL, "of nobody", wallet_id, MAY, JUNE)
    assert await audited("export") == []


async def test_it_refuses_an_unknown_wallet(app_connection: asyncpg.Connection, session: str, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.execute(CALL, session, uuid4(), MAY, JUNE)
