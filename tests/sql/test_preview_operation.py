"""wallet.preview_operation"""

from uuid import UUID, uuid4

import asyncpg
import pytest

from . import ReadState


async def test_it_says_what_applying_the_operation_leads_to(
    app_connection: asyncpg.Connection, state: ReadState, wallet_id: UUID
) -> None:
    await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 1000)", wallet_id)
    for status in ("ACTIVE", "FROZEN"):
        await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)
        for operation_type in ("DEPOSIT", "WITHDRAW", "TRANSFER", None):
            for amount in (None, -1, 0, 1, 1000, 1001, 2**63 - 1001, 2**63 - 1000, 2**63 - 1):
                before = await state()
                preview = await app_connection.fetchrow(
                    "select * from wallet.preview_operation($1, $2, $3)", wallet_id, operation_type, amount
                )
                assert await state() == before
                transaction = app_connection.transaction()
                await transaction.start()
                applied = await app_connection.fetchrow(
                    "select * from wallet.apply_operations($1::uuid[], $2::text[], $3::bigint[], '{key}')",
                    *([wallet_id], [operation_type], [amount]),
                )
                await transaction.rollback()
                balance = applied["new_balance"] if applied["error_code"] is None else None
                assert tuple(preview) == (applied["error_code"], balance), (status, operation_type, amount)


async def test_an_unknown_wallet_raises(app_connection: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.PostgresError) as raised:
        await app_connection.fetchrow("select * from wallet.preview_operation($1, 'DEPOSIT', 1)", uuid4())
    assert raised.value.sqlstate == "WA001"
