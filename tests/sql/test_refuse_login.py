"""wallet.refuse_login"""

import asyncpg
import pytest

from . import Audited


@pytest.mark.parametrize(("typed", "kept"), [("ann", "ann"), (None, ""), ("b" * 10_000, "b" * 150)])
async def test_it_writes_down_what_was_typed_and_where(
    app_connection: asyncpg.Connection, audited: Audited, typed: str | None, kept: str
) -> None:
    await app_connection.execute("select wallet.refuse_login($1, '192.0.2.1')", typed)
    assert await audited("login") == [(kept, "192.0.2.1", None, "refused", {})]
