"""wallet.create_wallet"""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import ReadState, Refused


async def test_it_answers_an_empty_active_wallet_in_rubles(app_connection: asyncpg.Connection) -> None:
    wallet = await app_connection.fetchrow("select * from wallet.create_wallet()")
    assert {name: wallet[name] for name in ("name", "currency", "status", "balance", "last_seq")} == {
        "name": None,
        "currency": "RUB",
        "status": "ACTIVE",
        "balance": 0,
        "last_seq": 0,
    }


async def test_it_dates_the_wallet_when_it_is_made(app_connection: asyncpg.Connection) -> None:
    before = await app_connection.fetchval("select clock_timestamp()")
    wallet = await app_connection.fetchrow("select * from wallet.create_wallet()")
    after = await app_connection.fetchval("select clock_timestamp()")
    assert before <= wallet["created_at"] == wallet["updated_at"] <= after


async def test_it_keeps_what_it_answered(app_connection: asyncpg.Connection) -> None:
    wallet = await app_connection.fetchrow("select * from wallet.create_wallet('Alice', 'EUR')")
    assert await app_connection.fetchrow("select * from wallet.get_wallet($1)", wallet["id"]) == wallet


async def test_it_makes_another_wallet_each_time(app_connection: asyncpg.Connection, state: ReadState) -> None:
    await app_connection.execute("select wallet.create_wallet('Alice')")
    await app_connection.execute("select wallet.create_wallet('Alice')")
    assert [wallet["name"] for wallet in (await state()).wallets] == ["Alice", "Alice"]


async def test_it_takes_an_id_of_the_callers_own(app_connection: asyncpg.Connection) -> None:
    own = uuid4()
    assert await app_connection.fetchval("select id from wallet.create_wallet(p_id => $1)", own) == own


async def test_it_refuses_an_id_that_is_taken(
    app_connection: asyncpg.Connection, wallet_id: UUID, refused: Refused
) -> None:
    async with refused("WA009"):
        await app_connection.execute("select wallet.create_wallet('Another', 'EUR', $1)", wallet_id)


@pytest.mark.parametrize("name", ["A", "н" * 200, "Алиса и Боб", "100 %_\\'\"", "  spaced  ", "👛", "a\u00a0b"])
async def test_it_keeps_a_name_to_the_letter(app_connection: asyncpg.Connection, name: str) -> None:
    assert await app_connection.fetchval("select name from wallet.create_wallet($1)", name) == name


@pytest.mark.parametrize("name", ["", " ", " \u2003 ", "н" * 201, "a\nb", "a\tb", "\x01", "a\x1fb", "a\x7fb"])
async def test_it_refuses_a_name_that_cannot_be_read(
    app_connection: asyncpg.Connection, refused: Refused, name: str
) -> None:
    async with refused("WA014"):
        await app_connection.execute("select wallet.create_wallet($1)", name)


async def test_it_takes_every_currency_in_use(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    codes = [row["code"] for row in await owner_connection.fetch("select code from wallet.currencies order by code")]
    assert {"CHF", "CNY", "EUR", "GBP", "JPY", "KWD", "RUB", "USD"} <= set(codes)
    for code in codes:
        assert await app_connection.fetchval("select currency from wallet.create_wallet('A', $1)", code) == code


@pytest.mark.parametrize("currency", [None, "", "rub", "RU", "RUBL", "XXX", "XAU", "РУБ"])
async def test_it_refuses_an_unknown_currency(
    app_connection: asyncpg.Connection, refused: Refused, currency: str | None
) -> None:
    async with refused("WA011"):
        await app_connection.execute("select wallet.create_wallet('Alice', $1)", currency)


async def test_it_leaves_nothing_behind_a_rollback(app_connection: asyncpg.Connection, state: ReadState) -> None:
    transaction = app_connection.transaction()
    await transaction.start()
    await app_connection.execute("select wallet.create_wallet('Alice')")
    await transaction.rollback()
    assert (await state()).wallets == []


async def test_its_clock_is_that_of_the_call_not_of_the_transaction(app_connection: asyncpg.Connection) -> None:
    async with app_connection.transaction():
        began: datetime = await app_connection.fetchval("select now()")
        first = await app_connection.fetchrow("select * from wallet.create_wallet()")
        second = await app_connection.fetchrow("select * from wallet.create_wallet()")
    assert began < first["created_at"] < second["created_at"] <= datetime.now(UTC)
