"""Deploying the database: dbmate applies the migrations, then the functions and views are replayed in one transaction.

A migration runs once. Functions and views are better replaced as a whole, so that each has one file that says what it
is now. A deployment is safe to repeat, from several machines at once, and under load: calls that run go on with the
definition that they began with.
"""

from pathlib import Path

import asyncpg

from service.deploy import dbmate, session
from service.deploy.drift import DB, MIGRATE_COMMAND, drift, is_migrated, source_digest
from service.deploy.errors import DeployError
from service.deploy.replay import replay
from service.deploy.session import SEARCH_PATH

__all__ = [
    "MIGRATE_COMMAND",
    "SEARCH_PATH",
    "DeployError",
    "drift",
    "is_current",
    "is_migrated",
    "migrate",
    "source_digest",
]

_FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


async def is_current(url: str) -> bool:
    """Whether a database needs no deployment."""
    try:
        connection = await session.connect(url)
    except asyncpg.InvalidCatalogNameError:
        return False
    try:
        return await drift(connection) is None
    finally:
        await connection.close()


async def migrate(url: str, db: Path = DB) -> None:
    """Creates the database if it is missing, migrates it and replays functions and views. Raises DeployError."""
    try:
        connection = await session.connect_or_create(url)
    except (*_FAILURES, ValueError) as exc:  # ValueError: a port or host name that cannot be
        raise DeployError(f"cannot connect to the database: {_line(exc)}") from exc
    try:
        await dbmate.run(url, connection, db / "migrations")
        await replay(connection, db)
    except _FAILURES as exc:
        reason = "the connection was lost" if connection.is_closed() else _line(exc)
        raise DeployError(f"cannot migrate the database: {reason}") from exc
    finally:
        await connection.close()


def _line(exc: Exception) -> str:
    return " ".join(str(exc).split()) or type(exc).__name__
