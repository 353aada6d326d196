"""wallet.set_admin_password"""

import asyncpg
import pytest

from . import Audited, Refused


async def signed_in(connection: asyncpg.Connection, token: str) -> bool:
    return bool(await connection.fetch("select * from wallet.get_session($1)", token))


@pytest.mark.parametrize("username", ["ann", "ANN"])
async def test_it_changes_the_hash_and_ends_all_sessions_of_that_admin(
    app_connection: asyncpg.Connection, session: str, audited: Audited, username: str
) -> None:
    await app_connection.execute("select wallet.begin_session('ann', 'second', null)")
    await app_connection.execute("select wallet.create_admin('bob', 'hash of bob')")
    await app_connection.execute("select wallet.begin_session('bob', 'token of bob', null)")
    await app_connection.execute("select wallet.set_admin_password($1, 'new', $2, '192.0.2.1')", username, session)
    assert await app_connection.fetchval("select wallet.begin_login('ann', null)") == "new"
    assert await app_connection.fetchval("select wallet.begin_login('bob', null)") == "hash of bob"
    assert [await signed_in(app_connection, token) for token in (session, "second", "token of bob")] == [
        False,
        False,
        True,
    ]
    assert await audited("set_password") == [("ann", "192.0.2.1", None, "done", {})]


@pytest.mark.usefixtures("session")
async def test_an_operator_needs_no_session(app_connection: asyncpg.Connection, audited: Audited) -> None:
    await app_connection.execute("select wallet.set_admin_password('ann', 'new')")
    assert await app_connection.fetchval("select wallet.begin_login('ann', null)") == "new"
    assert await audited("set_password") == [("ann", None, None, "done", {})]


@pytest.mark.parametrize("token", ["token of bob", "of nobody", ""])
async def test_nobody_changes_the_password_of_another(
    app_connection: asyncpg.Connection, session: str, refused: Refused, audited: Audited, token: str
) -> None:
    await app_connection.execute("select wallet.create_admin('bob', 'hash of bob')")
    await app_connection.execute("select wallet.begin_session('bob', 'token of bob', null)")
    async with refused("WA020"):
        await app_connection.execute("select wallet.set_admin_password('ann', 'new', $1)", token)
    assert await app_connection.fetchval("select wallet.begin_login('ann', null)") == "hash of ann"
    assert await signed_in(app_connection, session)
    assert await audited("set_password") == []


@pytest.mark.parametrize("username", ["bob", "", None])
async def test_it_refuses_an_unknown_admin(
    app_connection: asyncpg.Connection, refused: Refused, username: str | None
) -> None:
    async with refused("WA018"):
        await app_connection.execute("select wallet.set_admin_password($1, 'new')", username)
