"""Who may do what in the database: the functions are the only way to the tables."""

from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest

pytestmark = pytest.mark.shared_database

ROLES = ("wallet_owner", "wallet_app", "wallet_reader")
TABLE_PRIVILEGES = ("select", "insert", "update", "delete", "truncate", "references", "trigger")
VIEWS = {"wallet_details", "operation_details", "rejection_details", "currency_totals"}
# Statements by which the application must not get around the functions.
BYPASSES = (
    "select * from wallet.wallets",
    "select * from wallet.wallet_details",
    "insert into wallet.operations default values",
    "update wallet.wallets set balance = 1",
    "delete from wallet.operations",
    "truncate wallet.wallets",
    "create table wallet.mine (id integer)",
    "select wallet._functions_digest()",
    "set role wallet_owner",
    "alter function wallet.get_balance(uuid) security invoker",
)
# Statements by which the owner itself would rewrite history.
REWRITES = (
    "update wallet.operations set amount = 1",
    "update wallet.operations set idempotency_key = idempotency_key where false",
    "delete from wallet.operations",
    "truncate wallet.operations",
    "insert into wallet.operations select * from wallet.operations"
    " on conflict on constraint operations_pkey do update set amount = 1",
    "merge into wallet.operations as o using wallet.wallets as w on w.id = o.wallet_id when matched then delete",
    "delete from wallet.wallets",
    "truncate wallet.wallets",
    "truncate wallet.currencies cascade",
    "update wallet.wallets set id = gen_random_uuid()",
    "update wallet.wallets set currency = 'EUR'",
    "update wallet.wallets set created_at = created_at - interval '1 day'",
)


# What breaks each rule.
BREACHES = {
    "other roles can execute nothing": """
        select p.oid::regprocedure
        from pg_proc as p
        cross join aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) as a
        where p.pronamespace = 'wallet'::regnamespace
            and a.grantee not in ('wallet_owner'::regrole, 'wallet_app'::regrole, 'wallet_reader'::regrole)
    """,
    "everything belongs to wallet_owner": """
        select oid::regclass::text from pg_class
        where relnamespace = 'wallet'::regnamespace and relowner <> 'wallet_owner'::regrole
        union all
        select oid::regprocedure::text from pg_proc
        where pronamespace = 'wallet'::regnamespace and proowner <> 'wallet_owner'::regrole
    """,
    "public functions run as the owner in its schema": """
        select oid::regprocedure from pg_proc
        where pronamespace = 'wallet'::regnamespace
            and proname !~ '^_'
            and not (prosecdef and 'search_path=wallet, pg_temp' = any (proconfig))
    """,
    "private functions run as their caller": """
        select oid::regprocedure from pg_proc
        where pronamespace = 'wallet'::regnamespace and proname ~ '^_' and prosecdef
    """,
}


@pytest.fixture
async def login_of_the_application(
    maintenance: asyncpg.Connection, database_url: str
) -> AsyncIterator[asyncpg.Connection]:
    """A session that logged in with the rights of wallet_app and no others."""
    name, password = f"login_{uuid4().hex}", uuid4().hex
    await maintenance.execute(f"create role {name} login password '{password}' in role wallet_app")
    connection = await asyncpg.connect(database_url, user=name, password=password)
    yield connection
    await connection.close()
    await maintenance.execute(f"drop role {name}")


async def executable_by(connection: asyncpg.Connection, role: str) -> set[str]:
    rows = await connection.fetch(
        "select proname from pg_proc where pronamespace = 'wallet'::regnamespace"
        " and has_function_privilege($1, oid, 'execute')",
        role,
    )
    return {row["proname"] for row in rows}


async def relations_open_to(connection: asyncpg.Connection, role: str) -> set[tuple[str, str]]:
    """Each relation of the schema with each privilege that the role has on it, or on a column of it."""
    rows = await connection.fetch(
        """
        select c.relname, p.privilege
        from pg_class as c
        cross join unnest($2::text[]) as p (privilege)
        where c.relnamespace = 'wallet'::regnamespace
            and c.relkind in ('r', 'v', 'm', 'p', 'f')
            and (
                has_table_privilege($1, c.oid, p.privilege)
                or p.privilege in ('select', 'insert', 'update', 'references')
                and has_any_column_privilege($1, c.oid, p.privilege)
            )
        """,
        role,
        TABLE_PRIVILEGES,
    )
    return {(row["relname"], row["privilege"]) for row in rows}


@pytest.fixture
async def public_functions(owner_connection: asyncpg.Connection) -> dict[str, bool]:
    """Each function without a leading underscore, and whether it only reads."""
    rows = await owner_connection.fetch(
        "select proname, provolatile = 's' as reads from pg_proc"
        " where pronamespace = 'wallet'::regnamespace and proname !~ '^_'"
    )
    assert rows
    return {row["proname"]: row["reads"] for row in rows}


async def test_the_application_can_touch_no_table_and_no_view(owner_connection: asyncpg.Connection) -> None:
    assert await relations_open_to(owner_connection, "wallet_app") == set()


async def test_a_reader_can_select_from_the_views_and_nothing_more(owner_connection: asyncpg.Connection) -> None:
    assert await relations_open_to(owner_connection, "wallet_reader") == {(view, "select") for view in VIEWS}


async def test_the_application_cannot_bypass_the_functions(login_of_the_application: asyncpg.Connection) -> None:
    for statement in BYPASSES:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await login_of_the_application.execute(statement)


async def test_the_application_can_execute_the_public_functions(
    owner_connection: asyncpg.Connection, public_functions: dict[str, bool]
) -> None:
    assert await executable_by(owner_connection, "wallet_app") == set(public_functions)


async def test_a_reader_can_execute_what_reads(
    owner_connection: asyncpg.Connection, public_functions: dict[str, bool]
) -> None:
    assert await executable_by(owner_connection, "wallet_reader") == {
        *(name for name, reads in public_functions.items() if reads),
        "_operation_sign",  # which a view calls with the rights of its reader
    }


async def test_what_is_created_later_is_open_to_nobody_else(own_owner_connection: asyncpg.Connection) -> None:
    before = {role: await relations_open_to(own_owner_connection, role) for role in ROLES[1:]}
    await own_owner_connection.execute("create function wallet.later() returns integer language sql return 1")
    await own_owner_connection.execute("create table wallet.later (id integer)")
    for role in ROLES[1:]:
        assert "later" not in await executable_by(own_owner_connection, role)
        assert await relations_open_to(own_owner_connection, role) == before[role]


async def test_a_role_is_for_its_rights_alone(owner_connection: asyncpg.Connection) -> None:
    attributes = await owner_connection.fetch(
        "select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls"
        " from pg_roles where rolname = any ($1)",
        ROLES,
    )
    assert [set(role.values()) for role in attributes] == [{False}] * len(ROLES)


async def test_no_role_has_the_rights_of_another(owner_connection: asyncpg.Connection) -> None:
    pairs = [
        (role, other)
        for role in ROLES
        for other in ROLES
        if role != other and await owner_connection.fetchval("select pg_has_role($1, $2, 'member')", role, other)
    ]
    assert pairs == []


async def test_ownership_and_rights_break_no_rule(owner_connection: asyncpg.Connection) -> None:
    for rule, query in BREACHES.items():
        assert await owner_connection.fetch(query) == [], rule


async def test_the_owner_cannot_rewrite_history(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection
) -> None:
    wallet_id = await app_connection.fetchval("select id from wallet.create_wallet()")
    await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 100)", wallet_id)
    everything = "select w, o from wallet.wallets as w join wallet.operations as o on o.wallet_id = w.id"
    before = await owner_connection.fetch(everything)
    for statement in REWRITES:
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner_connection.execute(statement)
    assert await owner_connection.fetch(everything) == before
