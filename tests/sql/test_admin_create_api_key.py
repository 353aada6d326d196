"""wallet.admin_create_api_key"""

from collections.abc import Awaitable, Callable
from hashlib import sha256

import asyncpg
import pytest

from . import Audited, Refused

Make = Callable[..., Awaitable[asyncpg.Record]]


@pytest.fixture
def make(app_connection: asyncpg.Connection, session: str) -> Make:
    """Makes a key as ann."""

    async def call(name: str = "shop", scope: str = "read", key: str = "a key", by: str = session) -> asyncpg.Record:
        return await app_connection.fetchrow(
            "select * from wallet.admin_create_api_key($1, '192.0.2.1', $2, $3, $4, 5)",
            by,
            name,
            scope,
            sha256(key.encode()).digest(),
        )

    return call


async def test_sent_twice_it_makes_one_key_and_writes_down_once(make: Make, audited: Audited) -> None:
    assert await make() == await make()
    detail = {"name": "shop", "scope": "read", "rate_limit": 5}
    assert await audited("create_api_key") == [("ann", "192.0.2.1", None, "done", detail)]


@pytest.mark.parametrize(
    ("sqlstate", "other"),
    [
        ("WA014", {"name": " ", "key": "b"}),
        ("WA020", {"by": "of nobody"}),
        ("WA023", {"key": "b"}),
        ("WA023", {"name": "another"}),
        ("WA023", {"scope": "manage"}),
        ("WA025", {"scope": "all"}),
    ],
)
async def test_a_refusal_makes_nothing_and_is_not_written_down(
    make: Make, refused: Refused, audited: Audited, sqlstate: str, other: dict[str, str]
) -> None:
    await make()
    async with refused(sqlstate):
        await make(**other)
    assert len(await audited("create_api_key")) == 1


async def test_a_key_that_was_revoked_is_not_made_again(
    make: Make, app_connection: asyncpg.Connection, refused: Refused
) -> None:
    await make()
    await app_connection.execute("select wallet.revoke_api_key('shop')")
    async with refused("WA023"):
        await make()
