"""The schema keeps the rules of the house: names, comments, files, search_path, and a way back."""

import os
import re
import shutil
import subprocess
import sys
from http import HTTPStatus
from pathlib import Path

import asyncpg
import pytest
from catalogue import catalogue

from service import deploy, errors

pytestmark = pytest.mark.shared_database

DB = Path(__file__).parents[1] / "db"
MIGRATIONS = sorted((DB / "migrations").glob("*.sql"))
PATHS = {path.stem: path for path in (DB / "functions").rglob("*.sql")}
FILES = {name: path.read_text() for name, path in PATHS.items()}
VIEWS = {path.stem for path in (DB / "views").rglob("*.sql")}
# Migrations up to here landed before search_path was pinned in each; the deployment pins it for all.
LAST_WITHOUT_PIN = "20261124110000"
# What breaks each rule.
BREACHES = {
    # Of a primary key PostgreSQL's name is the same; "not null" needs none.
    "every constraint has a name of its own": r"""
        select conname from pg_constraint
        where connamespace = 'wallet'::regnamespace
            and contype not in ('p', 'n')
            and conname ~ '_(check|key|fkey|excl)\d*$'
    """,
    "everything unique is unique within a wallet": """
        select i.indexrelid::regclass
        from pg_index as i
        where i.indisunique
            and i.indrelid in ('wallet.wallets'::regclass, 'wallet.operations'::regclass)
            and not exists (
                select from pg_attribute as a
                where a.attrelid = i.indrelid
                    and a.attnum = any (i.indkey)
                    and a.attname = case i.indrelid when 'wallet.wallets'::regclass then 'id' else 'wallet_id' end
            )
    """,
    "money is bigint": """
        select attrelid::regclass, attname from pg_attribute
        where attrelid in ('wallet.wallets'::regclass, 'wallet.operations'::regclass)
            and attname in ('balance', 'held', 'amount', 'balance_after')
            and atttypid <> 'bigint'::regtype
    """,
    "everything has a comment": """
        select oid::regprocedure::text from pg_proc
        where pronamespace = 'wallet'::regnamespace and obj_description(oid, 'pg_proc') is null
        union all
        select oid::regclass::text from pg_class
        where relnamespace = 'wallet'::regnamespace
            and relkind in ('r', 'v')
            and obj_description(oid, 'pg_class') is null
    """,
}
CODE = re.compile(r"\bWA\d{3}\b")


def header_of(text: str) -> str:
    """The comment that a file begins with."""
    return text.partition("create or replace")[0]


def raised_in(name: str) -> set[str]:
    return set(re.findall(r"(?:errcode =|:=|then|else) '(WA\d{3})'", FILES[name]))


def called_from(name: str) -> set[str]:
    """The functions that one calls, those that they call included."""
    body = FILES[name].partition("as $$")[2].partition("\n$$;")[0]
    called = {other for other in FILES if other != name and re.search(rf"\b{other}\(", body)}
    return called.union(*(called_from(other) for other in called))


async def test_the_catalogue_breaks_no_rule(owner_connection: asyncpg.Connection) -> None:
    for rule, query in BREACHES.items():
        assert await owner_connection.fetch(query) == [], rule


async def test_functions_and_views_have_a_file_each(owner_connection: asyncpg.Connection) -> None:
    functions = await owner_connection.fetch(
        "select proname from pg_proc where pronamespace = 'wallet'::regnamespace and prorettype <> 'trigger'::regtype"
    )
    views = await owner_connection.fetch(
        "select relname from pg_class where relnamespace = 'wallet'::regnamespace and relkind = 'v'"
    )
    assert sorted(function["proname"] for function in functions) == sorted(FILES)
    assert {view["relname"] for view in views} == VIEWS


def test_a_file_in_its_subjects_folder_creates_one_function() -> None:
    for name, path in PATHS.items():
        assert path.parent.parent == DB / "functions", path
        assert re.findall(r"create or replace function wallet\.(\w+)", FILES[name]) == [name], path


def test_a_header_says_what_a_function_does_and_locks() -> None:
    for name, text in FILES.items():
        header = header_of(text)
        assert re.match(r"-- [A-Z]|-- sha256", header), name
        assert name.startswith("_") or "\n-- Locks: " in header, name
        assert name.startswith("_") or not raised_in(name) or "\n-- Raises: " in header or "Rejects: " in header, name


def test_rules_are_sql_expressions_that_can_be_inlined() -> None:
    rules = {name: text for name, text in FILES.items() if PATHS[name].parent.name == "rules"}
    assert rules
    for name, text in rules.items():
        attributes = text.partition("returns ")[2].partition("as $$")[0]
        assert "language sql" in attributes, name
        assert not re.search(r"^set |security definer", attributes, re.MULTILINE), name


def test_a_new_migration_pins_search_path() -> None:
    for path in MIGRATIONS:
        if path.stem.partition("_")[0] > LAST_WITHOUT_PIN:
            for part in re.split(r"-- migrate:(?:up|down)\n", path.read_text())[1:]:
                assert part.strip().startswith("set local search_path = pg_catalog;"), path.name


def test_the_codes_that_functions_raise_are_the_catalogue() -> None:
    assert set().union(*(raised_in(name) for name in FILES)) == set(errors.BY_SQLSTATE)


def test_a_header_names_the_codes_that_can_be_raised() -> None:
    for name, text in FILES.items():
        named = set(CODE.findall(header_of(text)))
        possible = raised_in(name).union(*(raised_in(other) for other in called_from(name)))
        assert raised_in(name) <= named <= possible, name
        codes = dict(re.findall(r"\b(WA\d{3}) ([a-z_]+)\b", header_of(text)))
        assert codes == {sqlstate: errors.BY_SQLSTATE[sqlstate].code for sqlstate in codes}, name


def test_every_code_is_a_problem_of_the_caller() -> None:
    statuses = {entry.status for entry in errors.BY_SQLSTATE.values()}
    assert all(HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR for status in statuses)


def roll_back(url: str, steps: int) -> None:
    dbmate = shutil.which("dbmate", path=Path(sys.executable).parent)
    assert dbmate
    for _ in range(steps):
        subprocess.run(
            [
                *(dbmate, "--migrations-dir", DB / "migrations", "--migrations-table", "public.schema_migrations"),
                *("--no-dump-schema", "rollback"),
            ],
            env={"PGSSLMODE": "disable", **os.environ, "DATABASE_URL": url},
            check=True,
            capture_output=True,
        )


async def test_a_rollback_can_be_migrated_again(own_database_url: str) -> None:
    before = await catalogue(own_database_url)
    for steps in (1, 2, 4, 8):
        roll_back(own_database_url, steps)
        await deploy.migrate(own_database_url)
        assert await catalogue(own_database_url) == before, steps


async def test_a_full_rollback_leaves_nothing_behind(own_database_url: str) -> None:
    before = await catalogue(own_database_url)
    roll_back(own_database_url, len(MIGRATIONS))
    connection = await asyncpg.connect(own_database_url)
    try:
        left = await connection.fetch(
            "select nspname::text from pg_namespace where nspname = 'wallet'"
            " union all select defaclacl::text from pg_default_acl"
        )
    finally:
        await connection.close()
    assert left == []
    await deploy.migrate(own_database_url)
    assert await catalogue(own_database_url) == before
