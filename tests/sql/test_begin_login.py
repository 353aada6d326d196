"""wallet.begin_login"""

import asyncpg
import pytest
from conftest import connect_directly

ADDRESS = "192.0.2.7"


async def attempt(connection: asyncpg.Connection, username: str | None, address: str | None = ADDRESS) -> str | None:
    hashed: str | None = await connection.fetchval("select wallet.begin_login($1, $2)", username, address)
    return hashed


@pytest.fixture(autouse=True)
async def ann(app_connection: asyncpg.Connection) -> None:
    """An admin."""
    await app_connection.execute("select wallet.create_admin('ann', 'hash of ann')")


@pytest.mark.parametrize("username", ["ann", "ANN"])
async def test_it_answers_the_hash_whatever_the_case(app_connection: asyncpg.Connection, username: str) -> None:
    assert await attempt(app_connection, username) == "hash of ann"


@pytest.mark.parametrize("username", ["bob", "", None, "b" * 10_000])
async def test_it_answers_nothing_for_a_name_that_nobody_has(
    app_connection: asyncpg.Connection, username: str | None
) -> None:
    assert await attempt(app_connection, username) is None


@pytest.mark.parametrize("username", ["ann", "bob"])
async def test_the_eleventh_attempt_at_an_account_is_refused_from_anywhere(
    app_connection: asyncpg.Connection, username: str
) -> None:
    for place in range(10):
        await attempt(app_connection, username, f"192.0.2.{place}")
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await attempt(app_connection, username.upper(), "192.0.2.99")
    assert refusal.value.sqlstate == "WA019"
    await attempt(app_connection, "carol")


async def test_the_fifty_first_attempt_from_an_address_is_refused_at_any_account(
    app_connection: asyncpg.Connection,
) -> None:
    for place in range(50):
        await attempt(app_connection, f"nobody{place}")
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await attempt(app_connection, "ann")
    assert refusal.value.sqlstate == "WA019"
    assert await attempt(app_connection, "ann", "192.0.2.8") == "hash of ann"


async def test_it_counts_the_last_fifteen_minutes_and_keeps_no_more(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    for _ in range(10):
        await attempt(app_connection, "ann")
    await owner_connection.execute("update wallet.login_attempts set attempted_at = now() - interval '15 minutes'")
    assert await attempt(app_connection, "ann") == "hash of ann"
    assert await owner_connection.fetchval("select count(*) from wallet.login_attempts") == 1


async def test_attempts_that_ended_in_a_session_do_not_count(app_connection: asyncpg.Connection) -> None:
    for place in range(60):
        await attempt(app_connection, "ann")
        await app_connection.execute("select wallet.begin_session('ann', $1, $2)", f"token {place}", ADDRESS)


async def test_attempts_at_once_see_each_other(database_url: str, app_connection: asyncpg.Connection) -> None:
    for _ in range(9):
        await attempt(app_connection, "ann")
    other = await connect_directly(database_url)
    try:
        await other.execute("set lock_timeout = '100ms'")
        async with app_connection.transaction():
            await attempt(app_connection, "ann")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await attempt(other, "ann", "192.0.2.8")
    finally:
        await other.close()
