"""wallet.get_totals and wallet.list_currencies"""

import asyncpg

from . import Apply


async def test_there_are_no_totals_without_wallets(app_connection: asyncpg.Connection) -> None:
    assert await app_connection.fetch("select * from wallet.get_totals()") == []


async def test_it_adds_up_each_currency(app_connection: asyncpg.Connection, apply: Apply) -> None:
    for currency, amount in (("RUB", 2**63 - 1), ("RUB", 2**63 - 1), ("KWD", 5), ("JPY", 7)):
        await apply(
            await app_connection.fetchval("select id from wallet.create_wallet(null, $1)", currency), "DEPOSIT", amount
        )
    assert [tuple(row) for row in await app_connection.fetch("select * from wallet.get_totals()")] == [
        ("JPY", 0, 1, 7),
        ("KWD", 3, 1, 5),
        ("RUB", 2, 2, 2 * (2**63 - 1)),
    ]


async def test_the_currencies_are_listed_with_their_decimals_by_code(app_connection: asyncpg.Connection) -> None:
    rows = await app_connection.fetch("select * from wallet.list_currencies()")
    codes = [row["code"] for row in rows]
    assert codes == sorted(codes)
    assert {"JPY": 0, "RUB": 2, "KWD": 3}.items() <= {row["code"]: row["decimals"] for row in rows}.items()
