"""A database of an earlier commit is upgraded, and goes on working.

Each commit that changed db/ is a state that somebody may have deployed. The newest ones are upgraded in every run, all
of them where EVERY_UPGRADE is set, as .ci/run does.
"""

import io
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from catalogue import catalogue
from conftest import connect_directly, renamed

from service import deploy
from service.deploy import dbmate
from service.deploy.replay import files

ROOT = Path(__file__).parents[1]
NEWEST = 4
EVERY_UPGRADE = bool(os.environ.get("EVERY_UPGRADE"))
# The migration of two indexes was edited after these commits: databases of theirs keep the indexes as they were.
EDITED_AFTER = {"2eadef5", "f32db16"}
EDITED = {"wallet.wallets_currency_name_idx", "wallet.wallets_name_id_idx"}
KEY_HASH = bytes(32)


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True).stdout


def commits() -> list[Any]:
    """The commits to upgrade from, newest first."""
    try:
        top, is_shallow = git("rev-parse", "--show-toplevel", "--is-shallow-repository").decode().splitlines()
    except (OSError, subprocess.CalledProcessError):
        top, is_shallow = "", "true"
    if Path(top).resolve() != ROOT or is_shallow == "true":
        assert not EVERY_UPGRADE, "EVERY_UPGRADE needs the whole git history"
        return [pytest.param("", marks=pytest.mark.skip("no git history: a tarball or a shallow clone"))]
    found = git("log", "--abbrev=7", "--format=%h", "--", "db").decode().split()
    return found if EVERY_UPGRADE else found[:NEWEST]


@pytest.fixture(params=commits())
def old_commit(request: pytest.FixtureRequest) -> str:
    commit: str = request.param
    return commit


@pytest.fixture
async def old_url(
    old_commit: str, server_url: str, maintenance: asyncpg.Connection, tmp_path: Path
) -> AsyncIterator[str]:
    """A database as an earlier commit deployed it."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", old_commit, "db"))) as archive:
        archive.extractall(tmp_path, filter="data")
    db = tmp_path / "db"
    name = f"wallets_of_{old_commit}_{uuid4().hex}"
    await maintenance.execute(f"create database {name}")
    url = renamed(server_url, name)
    connection = await asyncpg.connect(url)
    try:
        await dbmate.run(url, connection, db / "migrations")
        await connection.execute("set role wallet_owner; set check_function_bodies = off")
        for file in files(db):
            await connection.execute(file.path.read_text())
    finally:
        await connection.close()
    yield url
    await maintenance.execute(f"drop database {name} with (force)")


@dataclass
class Past:
    """What was done in a database before its upgrade."""

    wallet_id: UUID
    operations: list[dict[str, Any]]
    bulk: list[dict[str, Any]]
    has_admin: bool
    has_key: bool


async def live(connection: asyncpg.Connection) -> Past:
    """Uses whatever an earlier commit has."""

    async def has(function: str) -> bool:
        return bool(await connection.fetchval("select to_regproc($1) is not null", f"wallet.{function}"))

    wallet_id = await connection.fetchval("select id from wallet.create_wallet()")
    past = Past(
        wallet_id,
        await operate(connection, wallet_id, "old"),
        await operate_in_bulk(connection, wallet_id, "old") if await has("apply_operations") else [],
        await has("create_admin"),
        await has("create_api_key"),
    )
    if past.has_admin:
        await connection.execute("select wallet.create_admin('ann', 'hash')")
    if past.has_key:
        await connection.execute("select wallet.create_api_key('shop', 'operate', $1)", KEY_HASH)
    return past


async def operate(connection: asyncpg.Connection, wallet_id: UUID, key: str) -> list[dict[str, Any]]:
    call = "select * from wallet.apply_operation($1, $2, $3, $4)"
    operations = (("DEPOSIT", 1000, f"{key}-deposit"), ("WITHDRAW", 300, f"{key}-withdrawal"))
    return [dict(await connection.fetchrow(call, wallet_id, *operation)) for operation in operations]


async def operate_in_bulk(connection: asyncpg.Connection, wallet_id: UUID, key: str) -> list[dict[str, Any]]:
    """Applies one operation and has one rejected."""
    call = "select * from wallet.apply_operations($1, $2, $3, $4)"
    keys = [f"{key}-bulk", f"{key}-too-much"]
    return [dict(row) for row in await connection.fetch(call, [wallet_id] * 2, ["WITHDRAW"] * 2, [100, 10**9], keys)]


def replayed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "replayed": True} for row in rows]


async def test_an_upgraded_database_keeps_its_money_and_works(old_commit: str, old_url: str, database_url: str) -> None:
    connection = await connect_directly(old_url)
    try:
        past = await live(connection)
        before = await connection.fetchval("select wallet.get_balance($1)", past.wallet_id)
        await deploy.migrate(old_url)

        assert await deploy.drift(connection) is None
        left = set(await catalogue(old_url)) ^ set(await catalogue(database_url))
        assert {name.removesuffix(".name") for name, _ in left} == (EDITED if old_commit in EDITED_AFTER else set())

        assert before == (600 if past.bulk else 700)
        assert await connection.fetchval("select wallet.get_balance($1)", past.wallet_id) == before
        assert await operate(connection, past.wallet_id, "old") == replayed(past.operations)
        if past.bulk:
            assert await operate_in_bulk(connection, past.wallet_id, "old") == replayed(past.bulk)
        assert await connection.fetchval("select wallet.get_balance($1)", past.wallet_id) == before

        await operate(connection, past.wallet_id, "new")
        bulk = await operate_in_bulk(connection, past.wallet_id, "new")
        assert [row["status"] for row in bulk] == ["SUCCESS", "REJECTED"]
        assert await connection.fetchval("select wallet.get_balance($1)", past.wallet_id) == before + 600
        assert await connection.fetch("select * from wallet.verify_wallet($1)", past.wallet_id) == []

        keys = await connection.fetch("select name from wallet.check_api_keys($1)", [KEY_HASH])
        assert [key["name"] for key in keys] == ["shop" if past.has_key else None]
        if past.has_admin:
            assert await connection.fetchval("select wallet.begin_login('ann', null)") == "hash"
    finally:
        await connection.close()
