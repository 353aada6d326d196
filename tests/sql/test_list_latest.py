"""wallet.list_latest_operations and wallet.list_latest_rejections"""

import asyncpg
import pytest

from . import Apply, Refused

LISTS = ("operations", "rejections")


@pytest.fixture
async def three(app_connection: asyncpg.Connection, apply: Apply) -> list[asyncpg.Record]:
    """Wallets in three currencies, each with a deposit of 1 and then of 2, and then with refused withdrawals."""
    wallets = [
        await app_connection.fetchrow("select * from wallet.create_wallet($1, $2)", name, currency)
        for name, currency in (("A", "RUB"), (None, "JPY"), ("C", "KWD"))
    ]
    for amount in (1, 2):
        for wallet in wallets:
            await apply(wallet["id"], "DEPOSIT", amount)
    for amount in (10, 20):
        for wallet in wallets:
            await app_connection.execute(
                "select wallet.apply_operations(array[$1::uuid], array['WITHDRAW'], array[$2::bigint], array[$3])",
                *(wallet["id"], amount, f"key-{amount}"),
            )
    return wallets


@pytest.mark.parametrize("which", LISTS)
async def test_it_is_empty_in_the_beginning(app_connection: asyncpg.Connection, which: str) -> None:
    assert await app_connection.fetch(f"select * from wallet.list_latest_{which}(10)") == []


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(("which", "small", "large"), [("operations", 1, 2), ("rejections", 10, 20)])
async def test_it_answers_those_of_all_wallets_newest_first(
    app_connection: asyncpg.Connection, which: str, small: int, large: int
) -> None:
    rows = await app_connection.fetch(f"select * from wallet.list_latest_{which}(4)")
    assert [(row["name"], row["currency"], row["decimals"], row["amount"]) for row in rows] == [
        ("C", "KWD", 3, large),
        (None, "JPY", 0, large),
        ("A", "RUB", 2, large),
        ("C", "KWD", 3, small),
    ]
    assert len(await app_connection.fetch(f"select * from wallet.list_latest_{which}(1001)")) == 6


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("which", LISTS)
async def test_it_answers_them_as_the_view_has_them(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, which: str
) -> None:
    stored = await owner_connection.fetch(
        f"select * from wallet.{which.removesuffix('s')}_details order by created_at desc"
    )
    rows = await app_connection.fetch(f"select * from wallet.list_latest_{which}(1001)")
    assert len(rows) == 6
    assert [list(row.items())[: len(stored[0])] for row in rows] == [list(row.items()) for row in stored]


async def test_it_finds_enough_however_many_blocks_at_the_end_are_empty(
    superuser_connection: asyncpg.Connection, app_connection: asyncpg.Connection, three: list[asyncpg.Record]
) -> None:
    await superuser_connection.execute(
        "insert into wallet.operations select $1, i, gen_random_uuid(), 1, i, now(), 'DEPOSIT', i::text"
        " from generate_series(10, 20000) as i",
        three[0]["id"],
    )
    await superuser_connection.execute("delete from wallet.operations where seq between 10 and 19999")
    rows = await app_connection.fetch("select * from wallet.list_latest_operations(7)")
    assert [row["seq"] for row in rows] == [20000, 2, 2, 2, 1, 1, 1]


@pytest.mark.parametrize("which", LISTS)
@pytest.mark.parametrize("limit", [None, 0, 1002])
async def test_it_refuses_a_list_of_another_length(
    app_connection: asyncpg.Connection, refused: Refused, which: str, limit: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute(f"select wallet.list_latest_{which}($1)", limit)
