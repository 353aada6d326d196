"""wallet.list_rejections"""

from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Refused

_REFUSE = """
select wallet.apply_operations(
    array[$1::uuid], array['WITHDRAW'], array[$2::bigint], array[gen_random_uuid()::text]
)
"""


@pytest.fixture
async def seven(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet_id: UUID
) -> list[asyncpg.Record]:
    """Refused withdrawals from the wallet, newest first; and one from another wallet."""
    other = await app_connection.fetchval("select id from wallet.create_wallet()")
    for source, amounts in ((wallet_id, range(1, 8)), (other, [1000])):
        for amount in amounts:
            await app_connection.execute(_REFUSE, source, amount)
    rows: list[asyncpg.Record] = await owner_connection.fetch(
        "select * from wallet.rejection_details where wallet_id = $1 order by amount desc", wallet_id
    )
    assert len(rows) == 7
    return rows


async def test_it_is_empty_for_a_new_wallet(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    assert await app_connection.fetch("select * from wallet.list_rejections($1)", wallet_id) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1001])
@pytest.mark.parametrize("is_of_one_moment", [False, True])
async def test_its_pages_cover_every_refusal_once_both_ways(
    app_connection: asyncpg.Connection,
    superuser_connection: asyncpg.Connection,
    wallet_id: UUID,
    seven: list[asyncpg.Record],
    limit: int,
    is_of_one_moment: bool,
) -> None:
    if is_of_one_moment:
        await superuser_connection.execute("update wallet.rejections set created_at = now()")
        seven = await superuser_connection.fetch(
            "select * from wallet.rejection_details where wallet_id = $1 order by operation_id desc", wallet_id
        )
    call = "select * from wallet.list_rejections($1, $2, $3, $4, $5)"

    forward: list[asyncpg.Record] = []
    page = await app_connection.fetch(call, wallet_id, limit, None, None, False)
    while page:
        forward += page
        last = page[-1]
        page = await app_connection.fetch(call, wallet_id, limit, last["created_at"], last["operation_id"], False)
    assert forward == seven

    backward: list[asyncpg.Record] = []
    page = await app_connection.fetch(call, wallet_id, limit, None, None, True)
    while page:
        backward = page + backward
        first = page[0]
        page = await app_connection.fetch(call, wallet_id, limit, first["created_at"], first["operation_id"], True)
    assert backward == seven


async def test_it_refuses_an_unknown_wallet(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA001"):
        await app_connection.execute("select wallet.list_rejections($1)", uuid4())


@pytest.mark.parametrize("limit", [None, 0, 1002])
async def test_it_refuses_a_page_of_another_length(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused, limit: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute("select wallet.list_rejections($1, $2)", wallet_id, limit)
