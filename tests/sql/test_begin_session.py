"""wallet.begin_session"""

import hashlib

import asyncpg
import pytest

from . import Audited, Refused


async def test_it_signs_in_whatever_the_case_and_writes_it_down(
    app_connection: asyncpg.Connection, audited: Audited
) -> None:
    await app_connection.execute("select wallet.create_admin('Ann', 'hash')")
    await app_connection.execute("select wallet.begin_session('ANN', 'token', '2001:db8::1')")
    assert await app_connection.fetchval("select username from wallet.get_session('token')") == "Ann"
    assert await audited("login") == [("Ann", "2001:db8::1", None, "done", {})]


async def test_it_keeps_no_token(owner_connection: asyncpg.Connection, session: str) -> None:
    kept = await owner_connection.fetchval("select token_hash from wallet.admin_sessions")
    assert kept == hashlib.sha256(session.encode()).digest()


async def test_it_forgets_the_accounts_failed_attempts_and_no_others(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    await app_connection.execute("select wallet.create_admin('ann', 'hash')")
    for username in ("ann", "ANN", "bob"):
        await app_connection.execute("select wallet.begin_login($1, null)", username)
    await app_connection.execute("select wallet.begin_session('Ann', 'token', null)")
    assert await owner_connection.fetch("select username from wallet.login_attempts") == [("bob",)]


@pytest.mark.parametrize(("column", "age"), [("last_seen_at", "30 minutes"), ("created_at", "12 hours")])
async def test_it_sweeps_expired_sessions_away_and_no_others(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, session: str, column: str, age: str
) -> None:
    await owner_connection.execute(f"update wallet.admin_sessions set {column} = now() - interval '{age}'")
    await app_connection.execute("select wallet.begin_session('ann', 'second', null)")
    await app_connection.execute("select wallet.begin_session('ann', 'third', null)")
    assert await app_connection.fetch("select * from wallet.get_session($1)", session) == []
    assert await owner_connection.fetchval("select count(*) from wallet.admin_sessions") == 2


async def test_it_refuses_an_unknown_admin(app_connection: asyncpg.Connection, refused: Refused) -> None:
    async with refused("WA018"):
        await app_connection.execute("select wallet.begin_session('bob', 'token', null)")
