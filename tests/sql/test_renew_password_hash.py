"""wallet.renew_password_hash"""

import asyncpg
import pytest

from . import Audited


async def stored(connection: asyncpg.Connection) -> str:
    return str(await connection.fetchval("select password_hash from wallet.admins"))


@pytest.mark.usefixtures("session")
async def test_it_stores_another_hash_of_the_same_password_whatever_the_case_of_the_name(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    await app_connection.execute("select wallet.renew_password_hash('ANN', 'hash of ann', 'better hash')")
    assert await stored(owner_connection) == "better hash"


async def test_it_is_no_change_of_the_password(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, session: str, audited: Audited
) -> None:
    changed_at = await owner_connection.fetchval("select password_changed_at from wallet.admins")
    await app_connection.execute("select wallet.renew_password_hash('ann', 'hash of ann', 'better hash')")
    assert await owner_connection.fetchval("select password_changed_at from wallet.admins") == changed_at
    assert await app_connection.fetchval("select username from wallet.get_session($1)", session) == "ann"
    assert await audited("set_password") == []


@pytest.mark.usefixtures("session")
async def test_a_password_that_was_changed_meanwhile_stays_so(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    await app_connection.execute("select wallet.set_admin_password('ann', 'hash of another')")
    await app_connection.execute("select wallet.renew_password_hash('ann', 'hash of ann', 'better hash')")
    assert await stored(owner_connection) == "hash of another"
