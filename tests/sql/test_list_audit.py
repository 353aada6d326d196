"""wallet.list_audit"""

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Refused

Page = Callable[..., Awaitable[list[int]]]


@pytest.fixture
def ids(app_connection: asyncpg.Connection) -> Page:
    """The ids on a page: `await ids(p_limit=3)`."""

    async def read(**arguments: object) -> list[int]:
        given = ", ".join(f"{name} => ${place}" for place, name in enumerate(arguments, 1))
        rows = await app_connection.fetch(f"select id from wallet.list_audit({given})", *arguments.values())
        return [row["id"] for row in rows]

    return read


@pytest.fixture
async def seven(app_connection: asyncpg.Connection, session: str, wallet_id: UUID) -> list[int]:
    """The ids of what is written down: an admin made, a log-in, five exports; the newest first."""
    for _ in range(5):
        await app_connection.execute("select wallet.admin_record_export($1, null, $2, null, null)", session, wallet_id)
    rows = await app_connection.fetch("select id from wallet.list_audit(50)")
    assert len(rows) == 7
    return sorted((row["id"] for row in rows), reverse=True)


async def test_it_answers_all_columns_newest_first(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, seven: list[int]
) -> None:
    rows = await app_connection.fetch("select * from wallet.list_audit(50)")
    assert [row["id"] for row in rows] == seven
    stored = await owner_connection.fetch(
        """
        select a.*, w.currency from wallet.audit as a left join wallet.wallets as w on a.wallet_id = w.id
        order by a.id desc
        """
    )
    assert [dict(row) for row in rows] == [dict(row) for row in stored]
    assert {row["currency"] for row in rows} == {"RUB", None}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1001])
async def test_its_pages_cover_everything_once_both_ways(ids: Page, seven: list[int], limit: int) -> None:
    forward: list[int] = []
    page = await ids(p_limit=limit)
    while page:
        forward += page
        page = await ids(p_limit=limit, p_from_id=page[-1])
    assert forward == seven
    backward: list[int] = []
    page = await ids(p_limit=limit, p_is_backward=True)
    while page:
        backward = page + backward
        page = await ids(p_limit=limit, p_from_id=page[0], p_is_backward=True)
    assert backward == seven


@pytest.mark.parametrize("is_backward", [False, True])
async def test_it_keeps_what_was_done_to_a_wallet(
    ids: Page, seven: list[int], wallet_id: UUID, is_backward: bool
) -> None:
    assert await ids(p_limit=50, p_wallet_id=wallet_id, p_is_backward=is_backward) == seven[:5]
    assert await ids(p_limit=50, p_wallet_id=uuid4(), p_is_backward=is_backward) == []


@pytest.mark.parametrize(
    "statement", ["update wallet.audit set admin = 'eve'", "delete from wallet.audit", "truncate wallet.audit"]
)
async def test_nobody_rewrites_it(owner_connection: asyncpg.Connection, seven: list[int], statement: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner_connection.execute(statement)
    assert await owner_connection.fetchval("select count(*) from wallet.audit where admin = 'ann'") == len(seven)


@pytest.mark.parametrize("limit", [None, 0, 1002])
async def test_it_refuses_a_page_of_another_length(ids: Page, refused: Refused, limit: int | None) -> None:
    async with refused("WA015"):
        await ids(p_limit=limit)
