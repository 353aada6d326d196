"""The schema keeps the rules of the house: names, comments, files, and a way back."""

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

DB = Path(__file__).parents[1] / "db"
FILES = {path.stem: path.read_text() for path in (DB / "functions").rglob("*.sql")}
MIGRATIONS = sorted((DB / "migrations").glob("*.sql"))
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


async def test_every_constraint_has_a_name_of_its_own(owner_connection: asyncpg.Connection) -> None:
    named_by_postgresql = await owner_connection.fetch(
        "select conname from pg_constraint where connamespace = 'wallet'::regnamespace"
        # Of a primary key the name is the same either way; "not null" needs none.
        r" and contype not in ('p', 'n') and conname ~ '_(check|key|fkey|excl)\d*$'"
    )
    assert named_by_postgresql == []


async def test_everything_unique_is_unique_within_a_wallet(owner_connection: asyncpg.Connection) -> None:
    across_wallets = await owner_connection.fetch(
        """
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
        """
    )
    assert across_wallets == []


async def test_money_is_bigint(owner_connection: asyncpg.Connection) -> None:
    others = await owner_connection.fetch(
        "select attrelid::regclass, attname from pg_attribute"
        " where attrelid in ('wallet.wallets'::regclass, 'wallet.operations'::regclass) and attnum > 0"
        " and attname in ('balance', 'held', 'amount', 'balance_after') and atttypid <> 'bigint'::regtype"
    )
    assert others == []


async def test_every_function_has_a_file_and_every_file_is_one_function(owner_connection: asyncpg.Connection) -> None:
    functions = await owner_connection.fetch(
        "select proname from pg_proc where pronamespace = 'wallet'::regnamespace and proname <> '_refuse_rewrite'"
    )
    assert sorted(function["proname"] for function in functions) == sorted(FILES)


async def test_every_function_has_a_comment(owner_connection: asyncpg.Connection) -> None:
    uncommented = await owner_connection.fetch(
        "select oid::regprocedure from pg_proc"
        " where pronamespace = 'wallet'::regnamespace and obj_description(oid, 'pg_proc') is null"
    )
    assert uncommented == []


async def test_every_table_and_view_has_a_comment(owner_connection: asyncpg.Connection) -> None:
    uncommented = await owner_connection.fetch(
        "select oid::regclass from pg_class where relnamespace = 'wallet'::regnamespace and relkind in ('r', 'v')"
        " and obj_description(oid, 'pg_class') is null"
    )
    assert uncommented == []


def test_every_code_that_a_function_raises_is_in_the_catalogue_and_the_other_way_round() -> None:
    assert set().union(*(raised_in(name) for name in FILES)) == set(errors.BY_SQLSTATE)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_header_names_every_code_that_the_body_raises(name: str) -> None:
    assert raised_in(name) <= set(CODE.findall(header_of(FILES[name])))


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_header_names_no_code_that_cannot_be_raised(name: str) -> None:
    possible = raised_in(name).union(*(raised_in(other) for other in called_from(name)))
    assert set(CODE.findall(header_of(FILES[name]))) <= possible


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_header_calls_each_code_as_the_catalogue_does(name: str) -> None:
    named = dict(re.findall(r"\b(WA\d{3}) ([a-z_]+)\b", header_of(FILES[name])))
    assert named == {sqlstate: errors.BY_SQLSTATE[sqlstate].code for sqlstate in named}


def test_every_code_is_a_refusal_to_a_caller_and_no_failure_of_ours() -> None:
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


async def test_all_migrations_can_be_rolled_back_and_applied_again(database_url: str) -> None:
    before = await catalogue(database_url)
    roll_back(database_url, len(MIGRATIONS))
    await deploy.migrate(database_url)
    assert await catalogue(database_url) == before


async def test_nothing_is_left_behind_a_full_rollback(database_url: str) -> None:
    roll_back(database_url, len(MIGRATIONS))
    connection = await asyncpg.connect(database_url)
    try:
        left = await connection.fetch(
            "select nspname::text from pg_namespace where nspname = 'wallet'"
            " union all select defaclacl::text from pg_default_acl"
        )
    finally:
        await connection.close()
    assert left == []


@pytest.mark.parametrize("steps", range(1, len(MIGRATIONS)))
async def test_a_partial_rollback_can_be_migrated_again(database_url: str, steps: int) -> None:
    before = await catalogue(database_url)
    roll_back(database_url, steps)
    await deploy.migrate(database_url)
    assert await catalogue(database_url) == before
