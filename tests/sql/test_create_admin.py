"""wallet.create_admin"""

import asyncpg
import pytest

from . import Refused


async def test_it_makes_an_admin_and_writes_it_down(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    admin = await app_connection.fetchrow("select * from wallet.create_admin('Ann', 'hash')")
    assert dict(admin) == dict(await owner_connection.fetchrow("select * from wallet.admin_details"))
    assert (admin["username"], "password_hash" in admin.keys()) == ("Ann", False)  # noqa: SIM118 -- a record
    audit = await owner_connection.fetchrow("select * from wallet.audit")
    assert (audit["admin"], audit["action"], audit["outcome"]) == ("Ann", "create_admin", "done")


@pytest.mark.parametrize("username", ["a", "a" * 150, "Алиса", "ann@example.org", "a.b+c-d_e", "1"])
async def test_it_takes_letters_digits_and_some_signs(app_connection: asyncpg.Connection, username: str) -> None:
    assert await app_connection.fetchval("select username from wallet.create_admin($1, 'hash')", username) == username


@pytest.mark.parametrize("username", [None, "", " ", "a b", "a\n", "a/b", "<b>", "a" * 151])
async def test_it_refuses_another_username(
    app_connection: asyncpg.Connection, refused: Refused, username: str | None
) -> None:
    async with refused("WA017"):
        await app_connection.execute("select wallet.create_admin($1, 'hash')", username)


@pytest.mark.parametrize("username", ["ann", "ANN"])
async def test_it_refuses_a_name_that_is_taken_whatever_the_case(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, refused: Refused, username: str
) -> None:
    await app_connection.execute("select wallet.create_admin('Ann', 'hash')")
    async with refused("WA016"):
        await app_connection.execute("select wallet.create_admin($1, 'other')", username)
    assert await owner_connection.fetchval("select password_hash from wallet.admins") == "hash"
    assert await owner_connection.fetchval("select count(*) from wallet.audit") == 1
