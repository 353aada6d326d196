"""wallet.get_deployment"""

import asyncpg
import pytest

from service import deploy


async def test_it_answers_what_was_deployed_last(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute(
        "insert into wallet.deployments (deployed_at, source_digest, functions_digest)"
        " values ('2001-01-01', 'an earlier source', 'its functions')"
    )
    deployment = await app_connection.fetchrow("select * from wallet.get_deployment()")
    assert (deployment["source_digest"], deployment["is_intact"]) == (deploy.source_digest(), True)


async def test_it_answers_who_deployed_and_when(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    deployment = await app_connection.fetchrow("select * from wallet.get_deployment()")
    stored = await owner_connection.fetchrow("select * from wallet.deployments")
    login = await owner_connection.fetchval("select session_user")
    assert (deployment["deployed_at"], deployment["deployed_by"]) == (stored["deployed_at"], login)


async def test_it_is_empty_before_the_first(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute("delete from wallet.deployments")
    assert await app_connection.fetchrow("select * from wallet.get_deployment()") is None


@pytest.mark.parametrize(
    "alteration",
    [
        "alter function wallet.get_balance(uuid) volatile",
        "alter function wallet.get_balance(uuid) security invoker",
        "alter function wallet.get_balance(uuid) reset search_path",
        "drop function wallet.get_wallet(uuid)",
        "create function wallet.get_balance(text) returns bigint language sql return 0",
        "create or replace function wallet._check_limit(p_limit integer) returns void language sql as 'select'",
    ],
)
async def test_it_is_not_intact_once_a_function_was_altered(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, alteration: str
) -> None:
    await owner_connection.execute(alteration)
    assert await app_connection.fetchval("select is_intact from wallet.get_deployment()") is False
