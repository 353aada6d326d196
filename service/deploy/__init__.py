"""Deploying the database: dbmate applies the migrations, then the functions and views are replayed in one transaction.

A migration runs once. Functions and views are better replaced as a whole, so that each has one file that says what it
is now. A deployment is safe to repeat, from several machines at once, and under load: calls that run go on with the
definition that they began with.
"""

from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from service.deploy import dbmate
from service.deploy.drift import DB, MIGRATE_COMMAND, drift, is_migrated, source_digest
from service.deploy.errors import DeployError
from service.deploy.replay import replay

__all__ = ["MIGRATE_COMMAND", "DeployError", "drift", "is_current", "is_migrated", "migrate", "source_digest"]

_CONNECT_SECONDS = 10.0


async def is_current(url: str) -> bool:
    """Whether a database needs no deployment."""
    try:
        connection = await _connect(url)
    except asyncpg.InvalidCatalogNameError:
        return False
    try:
        return await drift(connection) is None
    finally:
        await connection.close()


async def migrate(url: str, db: Path = DB) -> None:
    """Creates the database if it is missing, migrates it and replays functions and views. Raises DeployError."""
    try:
        connection = await _connect_or_create(url)
        try:
            await dbmate.run(url, connection, db / "migrations")
            await replay(connection, db)
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise DeployError(f"cannot migrate the database: {exc}") from exc


async def _connect(url: str) -> asyncpg.Connection:
    # We may be a superuser, and others may create functions in public, which must never be called in our name.
    return await asyncpg.connect(url, timeout=_CONNECT_SECONDS, server_settings={"search_path": "pg_catalog"})


async def _connect_or_create(url: str) -> asyncpg.Connection:
    try:
        return await _connect(url)
    except asyncpg.InvalidCatalogNameError:
        parts = urlsplit(url)
        name = unquote(parts.path.removeprefix("/"))
        maintenance = await _connect(urlunsplit(parts._replace(path="/postgres")))
        try:
            quoted = await maintenance.fetchval("select quote_ident($1)", name)
            await maintenance.execute(f"create database {quoted}")
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass  # another machine was faster
        finally:
            await maintenance.close()
        return await _connect(url)
