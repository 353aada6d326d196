"""Deploying to the database: repeatable, safe at once and under load, and it mends what was altered by hand."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from conftest import connect_directly, renamed

from service import deploy
from service.database.connection import ConnectError, check, connect
from service.deploy.drift import DB
from service.embedded import EmbeddedError, EmbeddedPostgres

ALTERATIONS = {
    "an altered body": "create or replace function wallet.get_balance(p_wallet_id uuid) returns bigint"
    " language sql return 1",
    "an altered setting": "alter function wallet.get_balance(uuid) reset search_path",
    "a lost function": "drop function wallet.get_balance(uuid)",
    "a lost grant": "revoke execute on function wallet.get_balance(uuid) from wallet_app",
    "a grant to everybody": "grant execute on function wallet.get_balance(uuid) to public",
    "an overload": "create function wallet.get_balance(p_wallet_id uuid, p_more integer default 0) returns bigint"
    " language sql return 1",
}
as_alterations = pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS.keys())


async def functions(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """All functions as the database has them, with their owners and grants."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "select oid::regprocedure::text, pg_get_functiondef(oid), proowner::regrole::text, proacl::text"
        " from pg_proc where pronamespace = 'wallet'::regnamespace order by 1"
    )
    return rows


async def deployments(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Every deployment so far."""
    rows: list[asyncpg.Record] = await connection.fetch("select * from wallet.deployments order by deployed_at")
    return rows


@pytest.fixture
async def new_database_url(server_url: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    """Where no database is yet."""
    name = f"wallets_new_{uuid4().hex}"
    yield renamed(server_url, name)
    await maintenance.execute(f"drop database if exists {name} with (force)")


# Once, twice, at once


async def test_migrating_again_changes_nothing(database_url: str, owner_connection: asyncpg.Connection) -> None:
    before = await functions(owner_connection), await deployments(owner_connection)
    await deploy.migrate(database_url)
    assert (await functions(owner_connection), await deployments(owner_connection)) == before


async def test_replaying_the_same_files_changes_no_function(
    database_url: str, owner_connection: asyncpg.Connection
) -> None:
    before = await functions(owner_connection), await deployments(owner_connection)
    await owner_connection.execute("delete from wallet.deployments")
    await deploy.migrate(database_url)
    after = await functions(owner_connection), await deployments(owner_connection)
    assert after[0] == before[0]
    assert after[1][0]["functions_digest"] == before[1][0]["functions_digest"]


async def test_two_that_migrate_a_new_database_at_once_both_succeed(new_database_url: str) -> None:
    await asyncio.gather(deploy.migrate(new_database_url), deploy.migrate(new_database_url))
    connection = await connect(new_database_url)
    try:
        assert await deploy.drift(connection) is None
    finally:
        await connection.close()


async def test_of_two_that_migrate_at_once_one_deploys(new_database_url: str) -> None:
    await asyncio.gather(deploy.migrate(new_database_url), deploy.migrate(new_database_url))
    connection = await asyncpg.connect(new_database_url)
    try:
        assert len(await deployments(connection)) == 1
    finally:
        await connection.close()


async def test_a_database_of_an_awkward_name_is_made_and_migrated(
    server_url: str, maintenance: asyncpg.Connection
) -> None:
    name = f'Wallets-{uuid4().hex} "of" a\'b'
    url = renamed(server_url, name.replace(" ", "%20").replace('"', "%22"))
    try:
        await deploy.migrate(url)
        assert await deploy.is_current(url)
    finally:
        quoted = await maintenance.fetchval("select quote_ident($1)", name)
        await maintenance.execute(f"drop database if exists {quoted} with (force)")


async def test_replays_under_load_lose_no_operation_and_fail_none(
    database_url: str, owner_connection: asyncpg.Connection
) -> None:
    before = await deployments(owner_connection)
    callers = [await connect_directly(database_url) for _ in range(3)]
    wallet_id = await callers[0].fetchval("select id from wallet.create_wallet()")
    applied = [0] * len(callers)
    is_over = asyncio.Event()

    async def deposit(place: int) -> None:
        while not is_over.is_set():
            await callers[place].execute("select wallet.apply_operation($1, 'DEPOSIT', 1)", wallet_id)
            applied[place] += 1

    async def goes_on() -> None:
        """Returns once every caller has applied a further operation; raises if one has failed."""
        before = list(applied)
        async with asyncio.timeout(10):
            while any(now == then for now, then in zip(applied, before, strict=True)):
                for load in loads:
                    if load.done():
                        load.result()
                await asyncio.sleep(0.001)

    loads = [asyncio.create_task(deposit(place)) for place, _ in enumerate(callers)]
    try:
        for cost in range(101, 106):
            await goes_on()
            # Something to mend, or nothing would be replayed.
            await owner_connection.execute(
                f"alter function wallet.apply_operation(uuid, text, bigint, text) cost {cost}"
            )
            await deploy.migrate(database_url)
            await goes_on()
        is_over.set()
        await asyncio.gather(*loads)
        assert len(await deployments(owner_connection)) == len(before) + 5
        assert await callers[0].fetchval("select wallet.get_balance($1)", wallet_id) == sum(applied)
        assert await callers[0].fetch("select * from wallet.verify_wallet($1)", wallet_id) == []
    finally:
        is_over.set()
        await asyncio.gather(*loads, return_exceptions=True)
        for caller in callers:
            await caller.close()


async def test_a_replay_does_not_wait_for_a_transaction_that_holds_a_wallet(
    database_url: str, owner_connection: asyncpg.Connection, app_connection: asyncpg.Connection
) -> None:
    wallet_id = await app_connection.fetchval("select id from wallet.create_wallet()")
    await owner_connection.execute("alter function wallet.get_balance(uuid) cost 101")
    async with app_connection.transaction():
        await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 100)", wallet_id)
        await asyncio.wait_for(deploy.migrate(database_url), 10)
        await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 100)", wallet_id)
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 200


# What was altered by hand


@as_alterations
async def test_it_tells_that_functions_were_altered(owner_connection: asyncpg.Connection, alteration: str) -> None:
    await owner_connection.execute(alteration)
    drift = await deploy.drift(owner_connection)
    assert drift is not None
    assert "functions were altered" in drift


@as_alterations
async def test_it_mends_what_was_altered(
    database_url: str, owner_connection: asyncpg.Connection, alteration: str
) -> None:
    before = await functions(owner_connection)
    await owner_connection.execute(alteration)
    await deploy.migrate(database_url)
    assert await functions(owner_connection) == before


async def test_it_takes_back_a_function_that_went_to_another_owner(
    database_url: str, owner_connection: asyncpg.Connection
) -> None:
    before = await functions(owner_connection)
    superuser = await asyncpg.connect(database_url)
    try:
        await superuser.execute("alter function wallet.get_balance(uuid) owner to current_user")
    finally:
        await superuser.close()
    await deploy.migrate(database_url)
    assert await functions(owner_connection) == before


async def test_a_function_of_another_owner_stays(database_url: str) -> None:
    superuser = await asyncpg.connect(database_url)
    try:
        await superuser.execute("create function wallet.of_a_dba() returns integer language sql return 1")
        await deploy.migrate(database_url)
        assert await superuser.fetchval("select wallet.of_a_dba()") == 1
    finally:
        await superuser.close()


@as_alterations
async def test_the_service_is_not_ready_until_it_is_mended(
    database_url: str, owner_connection: asyncpg.Connection, client: aiohttp.ClientSession, alteration: str
) -> None:
    await owner_connection.execute(alteration)
    async with client.get("/health/ready") as answer:
        assert answer.status == 503
        assert deploy.MIGRATE_COMMAND in (await answer.json())["detail"]
    await deploy.migrate(database_url)
    async with client.get("/health/ready") as answer:
        assert answer.status == 200


async def test_the_functions_of_another_release_are_told(app_connection: asyncpg.Connection, tmp_path: Path) -> None:
    later = tmp_path / "db"
    shutil.copytree(DB, later)
    (later / "migrations" / "20991231000000_later.sql").write_text("-- migrate:up\n")
    assert await deploy.drift(app_connection, later) == "the database has the functions of another release"


async def test_a_file_that_does_not_compile_leaves_the_database_as_it_was(
    database_url: str,
    owner_connection: asyncpg.Connection,
    app_connection: asyncpg.Connection,
    tmp_path: Path,
) -> None:
    before = await functions(owner_connection), await deployments(owner_connection)
    broken = tmp_path / "db"
    shutil.copytree(DB, broken)
    (broken / "functions" / "verification" / "verify_wallet.sql").write_text(
        "create or replace function wallet.verify_wallet(;"
    )
    with pytest.raises(deploy.DeployError, match=r"verify_wallet\.sql"):
        await deploy.migrate(database_url, broken)
    assert (await functions(owner_connection), await deployments(owner_connection)) == before
    assert await app_connection.fetchval("select is_intact from wallet.get_deployment()")


# What is refused, with what to do about it


async def test_a_database_that_is_not_migrated_is_refused_with_the_command_to_run(
    new_database_url: str, maintenance: asyncpg.Connection
) -> None:
    await maintenance.execute(f"create database {urlsplit(new_database_url).path[1:]}")
    with pytest.raises(ConnectError, match=deploy.MIGRATE_COMMAND):
        await check(new_database_url)


async def test_a_database_that_there_is_not_is_refused_by_its_name(new_database_url: str) -> None:
    with pytest.raises(ConnectError, match=urlsplit(new_database_url).path[1:]):
        await check(new_database_url)


async def test_a_database_that_there_is_not_is_not_current(new_database_url: str) -> None:
    assert not await deploy.is_current(new_database_url)


# Users that are no superusers, on a server of their own, because roles belong to a whole server


@pytest.fixture(scope="module")
async def bare_server() -> AsyncIterator[EmbeddedPostgres]:
    """A server on which nothing was ever deployed."""
    directory = Path(tempfile.mkdtemp(prefix="wallets-bare-"))
    directory.chmod(0o755)  # noqa: ASYNC240 -- nothing else runs yet
    try:
        server = EmbeddedPostgres(directory, {"fsync": "off", "shared_buffers": "16MB"})
        await server.start()
    except EmbeddedError as exc:
        shutil.rmtree(directory)
        pytest.skip(str(exc))
    try:
        yield server
    finally:
        await server.stop()
        shutil.rmtree(directory)


@pytest.fixture
async def administrator(bare_server: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    """The superuser of the bare server, which is bare again afterwards."""
    connection = await asyncpg.connect(renamed(bare_server.url, "postgres"))
    yield connection
    for name in await connection.fetch("select datname from pg_database where datname like 'wallets_%'"):
        await connection.execute(f"drop database {name['datname']} with (force)")
    for name in await connection.fetch("select rolname from pg_roles where not rolsuper and rolname !~ '^pg_'"):
        await connection.execute(f"drop role {name['rolname']}")
    await connection.close()


def url_of(server: EmbeddedPostgres, user: str) -> str:
    """Where a user finds the database that is its own."""
    parts = urlsplit(renamed(server.url, "wallets_own"))
    return urlunsplit(parts._replace(netloc=f"{user}@"))


async def test_a_user_who_may_create_roles_and_databases_needs_no_administrator(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createrole createdb")
    url = url_of(bare_server, "deployer")
    await deploy.migrate(url)
    await check(url)
    assert await deploy.is_current(url)


async def test_the_user_who_migrated_serves_with_the_rights_of_the_application_alone(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createrole createdb")
    url = url_of(bare_server, "deployer")
    await deploy.migrate(url)
    connection = await connect(url)
    try:
        wallet_id = await connection.fetchval("select id from wallet.create_wallet()")
        await connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 100)", wallet_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update wallet.wallets set balance = 1000")
        assert await connection.fetchval("select wallet.get_balance($1)", wallet_id) == 100
    finally:
        await connection.close()


async def test_a_user_who_may_not_create_roles_is_told_what_an_administrator_has_to_run(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createdb")
    url = url_of(bare_server, "deployer")
    with pytest.raises(deploy.DeployError) as refusal:
        await deploy.migrate(url)
    _, _, advice = str(refusal.value).partition("an administrator can: ")
    await administrator.execute(advice.rpartition(";")[0])
    await deploy.migrate(url)
    await check(url)


async def test_a_user_who_may_not_grant_the_roles_is_told_what_an_administrator_has_to_run(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    for role in ("wallet_owner", "wallet_app", "wallet_reader"):
        await administrator.execute(f"create role {role}")
    await administrator.execute("create role deployer login createrole createdb")
    url = url_of(bare_server, "deployer")
    with pytest.raises(deploy.DeployError, match=r"grant wallet_owner, wallet_app, wallet_reader to deployer;"):
        await deploy.migrate(url)


async def test_a_user_with_no_right_to_the_application_is_refused(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createrole createdb")
    await administrator.execute("create role stranger login")
    await deploy.migrate(url_of(bare_server, "deployer"))
    with pytest.raises(ConnectError, match="wallet_app"):
        await check(url_of(bare_server, "stranger"))


async def test_a_user_of_the_application_role_can_serve(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createrole createdb")
    await deploy.migrate(url_of(bare_server, "deployer"))
    await administrator.execute("create role server login in role wallet_app")
    await check(url_of(bare_server, "server"))


async def test_two_databases_of_a_bare_server_can_be_migrated_at_once(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    urls = [renamed(bare_server.url, name) for name in ("wallets_one", "wallets_two")]
    await asyncio.gather(*(deploy.migrate(url) for url in urls))
    assert await administrator.fetchval("select count(*) from pg_roles where rolname ~ '^wallet_'") == 3
    for url in urls:
        assert await deploy.is_current(url)
