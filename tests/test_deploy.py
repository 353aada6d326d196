"""Deploying to a database: repeatable, concurrent, under load, and whatever has changed since the last release."""

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
from catalogue import catalogue
from conftest import connect_directly, renamed

from service import deploy
from service.database.connection import ConnectError, check, connect
from service.deploy.drift import DB
from service.embedded import EmbeddedError, EmbeddedPostgres

ALTERATIONS = (
    "create or replace function wallet.get_balance(p_wallet_id uuid) returns bigint language sql return 1",
    "alter function wallet.get_balance(uuid) reset search_path",
    "drop function wallet.get_balance(uuid)",
    "revoke execute on function wallet.get_balance(uuid) from wallet_app",
    "grant execute on function wallet.get_balance(uuid) to public",
    "create function wallet.get_balance(p_wallet_id uuid, p_more integer default 0) returns bigint"
    " language sql return 1",
    "create function wallet.of_no_file() returns integer language sql return 1",
    "create view wallet.of_no_file as select 1 as one",
    "create or replace view wallet.currency_totals as select 'EUR' as currency, 2::smallint as decimals,"
    " 0::bigint as wallets, 0::numeric as balance",
    "revoke select on wallet.wallet_details from wallet_reader",
    "grant select on wallet.wallet_details to wallet_app",
)


async def deployments(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Every deployment so far."""
    rows: list[asyncpg.Record] = await connection.fetch("select * from wallet.deployments order by deployed_at")
    return rows


@pytest.fixture
async def superuser(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection of the superuser to the test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def empty_database_url(new_database_url: str, maintenance: asyncpg.Connection) -> str:
    """The URL of a database on which nothing was deployed."""
    await maintenance.execute(f"create database {urlsplit(new_database_url).path[1:]}")
    return new_database_url


@pytest.fixture
async def new_database_url(server_url: str, maintenance: asyncpg.Connection) -> AsyncIterator[str]:
    """Where no database is yet."""
    name = f"wallets_new_{uuid4().hex}"
    yield renamed(server_url, name)
    await maintenance.execute(f"drop database if exists {name} with (force)")


@pytest.fixture
def db(tmp_path: Path) -> Path:
    """A copy of db/, for a test to make the next release of."""
    return Path(shutil.copytree(DB, tmp_path / "db"))


# Once, twice, at once


async def test_migrating_again_and_replaying_change_nothing(
    database_url: str, owner_connection: asyncpg.Connection
) -> None:
    functions, before = await catalogue(database_url), await deployments(owner_connection)
    await deploy.migrate(database_url)
    assert (await catalogue(database_url), await deployments(owner_connection)) == (functions, before)
    await owner_connection.execute("delete from wallet.deployments")
    await deploy.migrate(database_url)
    assert await catalogue(database_url) == functions
    assert (await deployments(owner_connection))[0]["functions_digest"] == before[0]["functions_digest"]


async def test_of_two_deployments_at_once_one_does_the_work(new_database_url: str) -> None:
    await asyncio.gather(deploy.migrate(new_database_url), deploy.migrate(new_database_url))
    connection = await asyncpg.connect(new_database_url)
    try:
        assert await deploy.drift(connection) is None
        assert len(await deployments(connection)) == 1
    finally:
        await connection.close()


async def test_a_database_of_an_awkward_name_is_created(server_url: str, maintenance: asyncpg.Connection) -> None:
    name = f'Wallets-{uuid4().hex} "of" a\'b'
    url = renamed(server_url, name.replace(" ", "%20").replace('"', "%22"))
    try:
        await deploy.migrate(url)
        assert await deploy.is_current(url)
    finally:
        quoted = await maintenance.fetchval("select quote_ident($1)", name)
        await maintenance.execute(f"drop database if exists {quoted} with (force)")


async def test_replays_under_load_lose_no_operation_and_fail_none(
    database_url: str, owner_connection: asyncpg.Connection, db: Path
) -> None:
    operation = db / "functions" / "operations" / "apply_operation.sql"
    text = operation.read_text()
    before = await deployments(owner_connection)
    callers = [await connect_directly(database_url) for _ in range(3)]
    wallet_id = await callers[0].fetchval("select id from wallet.create_wallet()")
    applied = [0] * len(callers)
    is_over = asyncio.Event()

    async def deposit(index: int) -> None:
        while not is_over.is_set():
            await callers[index].execute("select wallet.apply_operation($1, 'DEPOSIT', 1)", wallet_id)
            applied[index] += 1

    async def goes_on() -> None:
        """Returns once every caller has applied a further operation; raises if one has failed."""
        before = list(applied)
        async with asyncio.timeout(10):
            while any(now == then for now, then in zip(applied, before, strict=True)):
                for load in loads:
                    if load.done():
                        load.result()
                await asyncio.sleep(0.001)

    loads = [asyncio.create_task(deposit(index)) for index, _ in enumerate(callers)]
    try:
        for name in ("p_a", "p_b", "p_c"):
            await goes_on()
            # With another argument name it cannot be replaced.
            operation.write_text(text.replace("p_amount", name))
            await deploy.migrate(database_url, db)
            await goes_on()
        is_over.set()
        await asyncio.gather(*loads)
        assert len(await deployments(owner_connection)) == len(before) + 3
        assert await callers[0].fetchval("select wallet.get_balance($1)", wallet_id) == sum(applied)
        assert await callers[0].fetch("select * from wallet.verify_wallet($1)", wallet_id) == []
    finally:
        is_over.set()
        await asyncio.gather(*loads, return_exceptions=True)
        for caller in callers:
            await caller.close()


async def test_a_replay_does_not_wait_for_a_locked_wallet(
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


async def test_an_alteration_is_drift_until_the_next_deployment(
    database_url: str, owner_connection: asyncpg.Connection
) -> None:
    before = await catalogue(database_url)
    for alteration in ALTERATIONS:
        await owner_connection.execute(alteration)
        drift = await deploy.drift(owner_connection)
        assert drift is not None, alteration
        assert "were altered" in drift
        await deploy.migrate(database_url)
        assert await catalogue(database_url) == before, alteration


async def test_only_our_functions_are_taken_back_from_another_owner(
    database_url: str, superuser: asyncpg.Connection
) -> None:
    before = await catalogue(database_url)
    await superuser.execute("alter function wallet.get_balance(uuid) owner to current_user")
    await deploy.migrate(database_url)
    assert await catalogue(database_url) == before
    await superuser.execute("create function wallet.of_a_dba() returns integer language sql return 1")
    await deploy.migrate(database_url)
    assert await superuser.fetchval("select wallet.of_a_dba()") == 1


async def test_the_service_is_not_ready_until_drift_is_migrated_away(
    database_url: str, owner_connection: asyncpg.Connection, client: aiohttp.ClientSession
) -> None:
    await owner_connection.execute(ALTERATIONS[0])
    async with client.get("/health/ready") as response:
        assert response.status == 503
        assert deploy.MIGRATE_COMMAND in (await response.json())["detail"]
    await deploy.migrate(database_url)
    async with client.get("/health/ready") as response:
        assert response.status == 200


async def test_the_functions_of_another_release_are_drift(app_connection: asyncpg.Connection, db: Path) -> None:
    (db / "migrations" / "20991231000000_later.sql").write_text("-- migrate:up\n")
    assert await deploy.drift(app_connection, db) == "the database has the functions of another release"


async def test_a_file_that_does_not_compile_changes_nothing(
    database_url: str,
    owner_connection: asyncpg.Connection,
    app_connection: asyncpg.Connection,
    db: Path,
) -> None:
    before = await catalogue(database_url), await deployments(owner_connection)
    broken = "create or replace function wallet.verify_wallet(;"
    (db / "functions" / "verification" / "verify_wallet.sql").write_text(broken)
    with pytest.raises(deploy.DeployError, match=r"verify_wallet\.sql"):
        await deploy.migrate(database_url, db)
    assert (await catalogue(database_url), await deployments(owner_connection)) == before
    assert await app_connection.fetchval("select is_intact from wallet.get_deployment()")


# What cannot be replaced


VIEW, BALANCE = "views/wallet_details.sql", "functions/wallets/get_balance.sql"
# A file, and what becomes of a text in it.
CHANGES = {
    "a view's columns": (VIEW, "    w.last_seq,\n", ""),
    "arguments": (BALANCE, "uuid)", "uuid, integer)"),
    "an argument's name": (BALANCE, "p_wallet_id", "p_wallet"),
    "a result": (BALANCE, "returns bigint", "returns numeric"),
}


def change(db: Path, what: str) -> None:
    name, old, new = CHANGES[what]
    text = (DB / name).read_text()
    assert old in text
    (db / name).write_text(text.replace(old, new))


async def test_any_change_of_a_signature_can_be_deployed(database_url: str, db: Path) -> None:
    before = await catalogue(database_url)
    for what, (name, _, _) in CHANGES.items():
        change(db, what)
        await deploy.migrate(database_url, db)
        assert await catalogue(database_url) != before, what
        shutil.copy(DB / name, db / name)
        await deploy.migrate(database_url)
        assert await catalogue(database_url) == before, what


async def test_grants_to_other_roles_survive(
    database_url: str, maintenance: asyncpg.Connection, owner_connection: asyncpg.Connection, db: Path
) -> None:
    analyst = f"analyst_{uuid4().hex}"
    await maintenance.execute(f"create role {analyst}")
    try:
        await owner_connection.execute(f"grant select on wallet.wallet_details to {analyst}")
        await owner_connection.execute(f"grant execute on function wallet.list_wallets to {analyst}")
        change(db, "a view's columns")
        await deploy.migrate(database_url, db)
        assert await owner_connection.fetchval(
            "select has_table_privilege($1, 'wallet.wallet_details', 'select')"
            " and has_function_privilege($1, 'wallet.list_wallets'::regproc, 'execute')",
            analyst,
        )
    finally:
        await owner_connection.execute(f"set role none; drop owned by {analyst}; drop role {analyst}")


async def test_it_drops_nothing_of_anybody_else(database_url: str, superuser: asyncpg.Connection, db: Path) -> None:
    change(db, "a view's columns")
    for name, create, drop in (
        ("view public.report", "create view public.report as select id from wallet.wallet_details", "drop view"),
        ("view wallet.report", "create view wallet.report as select id from wallet.wallet_details", "drop view"),
        ("column w of table public.t", "create table public.t (w wallet.wallet_details)", "drop table public.t --"),
    ):
        await superuser.execute(create)
        before = await catalogue(database_url)
        with pytest.raises(deploy.DeployError) as error:
            await deploy.migrate(database_url, db)
        assert str(error.value).startswith(f"{name} depends on view wallet.wallet_details, ")
        assert "\n" not in str(error.value)
        assert await catalogue(database_url) == before
        await superuser.execute(f"{drop} {name.removeprefix('view ')}")
    await deploy.migrate(database_url, db)


async def test_a_view_in_use_is_waited_for_only_if_it_changes(
    database_url: str, owner_connection: asyncpg.Connection, db: Path
) -> None:
    async with owner_connection.transaction():
        await owner_connection.execute("lock table wallet.wallet_details in access share mode")
        change(db, "a result")
        await deploy.migrate(database_url, db)
        change(db, "a view's columns")
        with pytest.raises(deploy.DeployError, match=r"wallet_details\.sql: .*lock timeout"):
            await deploy.migrate(database_url, db)
    await deploy.migrate(database_url, db)


# What a stranger has put into public

PLANTED = (
    "format(text, text)",
    "format(text, name)",
    "format(text, text, name)",
    "format(text, text, text)",
    "format(text, anyelement)",
    "concat(text, text)",
    "quote_ident(name)",
    "array_to_string(text[], varchar)",
)


async def test_no_function_of_a_stranger_is_executed(empty_database_url: str) -> None:
    superuser = await asyncpg.connect(empty_database_url)
    try:
        for signature in PLANTED:
            await superuser.execute(
                f"create function public.{signature} returns text language plpgsql as $$ begin raise 'planted'; end $$"
            )
        await deploy.migrate(empty_database_url)
        await superuser.execute("delete from wallet.deployments")
        await deploy.migrate(empty_database_url)
        await check(empty_database_url)
        assert await deploy.is_current(empty_database_url)
    finally:
        await superuser.close()


async def test_no_trigger_of_a_stranger_is_executed(empty_database_url: str, maintenance: asyncpg.Connection) -> None:
    stranger = f"stranger_{uuid4().hex}"
    await maintenance.execute(f"create role {stranger}")
    superuser = await asyncpg.connect(empty_database_url)
    try:
        await superuser.execute(f"grant create on schema public to {stranger}; set role {stranger}")
        await superuser.execute(
            "create table public.schema_migrations (version varchar primary key);"
            "create function public.planted() returns trigger language plpgsql as $$ begin raise 'planted'; end $$;"
            "create trigger planted before insert on public.schema_migrations execute function public.planted()"
        )
        with pytest.raises(deploy.DeployError, match=f"belongs to {stranger}, who may not deploy"):
            await deploy.migrate(empty_database_url)
    finally:
        await superuser.execute(f"set role none; drop owned by {stranger}; drop role {stranger}")
        await superuser.close()


# What cannot be served, and what to do about it


async def test_an_unmigrated_database_is_rejected_with_the_command(empty_database_url: str) -> None:
    with pytest.raises(ConnectError, match=deploy.MIGRATE_COMMAND):
        await check(empty_database_url)


async def test_a_missing_database_is_named(new_database_url: str) -> None:
    with pytest.raises(ConnectError, match=urlsplit(new_database_url).path[1:]):
        await check(new_database_url)
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


async def test_createrole_and_createdb_are_enough_to_deploy(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createrole createdb")
    url = url_of(bare_server, "deployer")
    await deploy.migrate(url)
    await check(url)
    assert await deploy.is_current(url)
    connection = await connect(url)
    try:
        wallet_id = await connection.fetchval("select id from wallet.create_wallet()")
        await connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 100)", wallet_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("update wallet.wallets set balance = 1000")
    finally:
        await connection.close()


async def test_who_may_not_create_roles_learns_what_to_have_run(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createdb")
    url = url_of(bare_server, "deployer")
    with pytest.raises(deploy.DeployError) as error:
        await deploy.migrate(url)
    _, _, advice = str(error.value).partition("an administrator can: ")
    await administrator.execute(advice.rpartition(";")[0])
    await deploy.migrate(url)
    await check(url)


async def test_who_may_not_grant_the_roles_learns_what_to_have_run(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    for role in ("wallet_owner", "wallet_app", "wallet_reader"):
        await administrator.execute(f"create role {role}")
    await administrator.execute("create role deployer login createrole createdb")
    url = url_of(bare_server, "deployer")
    with pytest.raises(deploy.DeployError, match=r"grant wallet_owner, wallet_app, wallet_reader to deployer;"):
        await deploy.migrate(url)


async def test_only_members_of_the_application_role_can_serve(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    await administrator.execute("create role deployer login createrole createdb")
    await deploy.migrate(url_of(bare_server, "deployer"))
    await administrator.execute("create role stranger login; create role server login in role wallet_app")
    with pytest.raises(ConnectError, match="wallet_app"):
        await check(url_of(bare_server, "stranger"))
    await check(url_of(bare_server, "server"))


async def test_two_databases_of_a_bare_server_migrate_at_once(
    bare_server: EmbeddedPostgres, administrator: asyncpg.Connection
) -> None:
    urls = [renamed(bare_server.url, name) for name in ("wallets_one", "wallets_two")]
    await asyncio.gather(*(deploy.migrate(url) for url in urls))
    assert await administrator.fetchval("select count(*) from pg_roles where rolname ~ '^wallet_'") == 3
    for url in urls:
        assert await deploy.is_current(url)
