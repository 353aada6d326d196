"""wallet.admin_revoke_api_key"""

from hashlib import sha256
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Audited, Refused

REVOKE = "select * from wallet.admin_revoke_api_key($1, '192.0.2.1', $2)"


@pytest.fixture
async def key_id(app_connection: asyncpg.Connection) -> UUID:
    """A key named shop."""
    return UUID(
        str(
            await app_connection.fetchval(
                "select id from wallet.create_api_key('shop', 'read', $1)", sha256(b"a key").digest()
            )
        )
    )


async def test_it_revokes_once_and_writes_it_down(
    app_connection: asyncpg.Connection, session: str, key_id: UUID, audited: Audited
) -> None:
    first = await app_connection.fetchrow(REVOKE, session, key_id)
    assert first["revoked_at"] is not None
    assert await app_connection.fetchrow(REVOKE, session, key_id) == first
    detail = {"name": "shop", "scope": "read"}
    assert await audited("revoke_api_key") == [("ann", "192.0.2.1", None, "done", detail)]


async def test_it_refuses_whoever_is_not_signed_in_and_a_key_that_is_none(
    app_connection: asyncpg.Connection, session: str, key_id: UUID, refused: Refused
) -> None:
    async with refused("WA020"):
        await app_connection.execute(REVOKE, "of nobody", key_id)
    async with refused("WA024"):
        await app_connection.execute(REVOKE, session, uuid4())
    assert (await app_connection.fetchrow("select * from wallet.list_api_keys(1)"))["revoked_at"] is None
