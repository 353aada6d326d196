"""wallet.get_session"""

from datetime import timedelta

import asyncpg
import pytest


async def test_it_tells_who_is_signed_in_and_until_when(app_connection: asyncpg.Connection, session: str) -> None:
    found = await app_connection.fetchrow("select * from wallet.get_session($1)", session)
    assert found["username"] == "ann"
    assert timedelta(minutes=29) < found["expires_at"] - found["signed_in_at"] <= timedelta(minutes=31)


@pytest.mark.usefixtures("session")
@pytest.mark.parametrize("token", ["of nobody", "", None])
async def test_it_knows_no_other_token(app_connection: asyncpg.Connection, token: str | None) -> None:
    assert await app_connection.fetch("select * from wallet.get_session($1)", token) == []


@pytest.mark.parametrize(("column", "age"), [("last_seen_at", "30 minutes"), ("created_at", "12 hours")])
async def test_a_session_ends_by_itself(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, session: str, column: str, age: str
) -> None:
    await owner_connection.execute(f"update wallet.admin_sessions set {column} = now() - interval '{age}'")
    assert await app_connection.fetch("select * from wallet.get_session($1)", session) == []
    with pytest.raises(asyncpg.PostgresError) as refusal:
        await app_connection.execute("select wallet.admin_create_wallet($1, null, null, 'A', 'RUB')", session)
    assert refusal.value.sqlstate == "WA020"


@pytest.mark.parametrize(("column", "age"), [("last_seen_at", "29 minutes"), ("created_at", "11 hours 59 minutes")])
async def test_a_session_lasts_until_then(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, session: str, column: str, age: str
) -> None:
    await owner_connection.execute(f"update wallet.admin_sessions set {column} = now() - interval '{age}'")
    assert await app_connection.fetchval("select username from wallet.get_session($1)", session) == "ann"


@pytest.mark.parametrize(("age", "moves"), [("61 seconds", True), ("50 seconds", False)])
async def test_it_writes_that_it_was_asked_at_most_once_a_minute(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, session: str, age: str, moves: bool
) -> None:
    await owner_connection.execute(f"update wallet.admin_sessions set last_seen_at = now() - interval '{age}'")
    before = await owner_connection.fetchval("select last_seen_at from wallet.admin_sessions")
    await app_connection.fetch("select * from wallet.get_session($1)", session)
    assert (await owner_connection.fetchval("select last_seen_at from wallet.admin_sessions") > before) == moves
