"""Connections with the rights of wallet_app only, for any login, and why one cannot be opened."""

import logging
from urllib.parse import urlsplit

import asyncpg

from service import deploy

log = logging.getLogger(__name__)

APP_ROLE = "wallet_app"

CONNECT_SECONDS = 5.0
STATEMENT_SECONDS = 10
_LOCK_MILLISECONDS = 100

FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class ConnectError(Exception):
    """The database cannot be served; the text says why."""


def session_settings(url: str) -> dict[str, str]:
    """The settings that a session of the service begins with."""
    settings = {
        **deploy.SEARCH_PATH,
        "application_name": "wallets",
        # The batcher then retries the operations of a wallet that stays locked apart from the others.
        "lock_timeout": f"{_LOCK_MILLISECONDS}ms",
        "statement_timeout": f"{STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
        # Compiling these small statements costs more than running them.
        "jit": "off",
    }
    if urlsplit(url).username != APP_ROLE:
        settings["role"] = APP_ROLE
    return settings


async def connect(url: str, **settings: str) -> asyncpg.Connection:
    """One connection with the rights of wallet_app; `settings` replace those of a session. Raises ConnectError."""
    try:
        return await asyncpg.connect(url, server_settings=session_settings(url) | settings, timeout=CONNECT_SECONDS)
    except (*FAILURES, ValueError) as exc:  # ValueError: a port or host name that cannot be
        raise _explain(url, exc) from exc


async def check(url: str) -> None:
    """Raises ConnectError when a database cannot be served; logs an error when its functions differ."""
    try:
        connection = await asyncpg.connect(url, server_settings=deploy.SEARCH_PATH, timeout=CONNECT_SECONDS)
    except (*FAILURES, ValueError) as exc:
        raise _explain(url, exc) from exc
    try:
        if not await deploy.is_migrated(connection):
            raise ConnectError(f"the database is not migrated; run: {deploy.MIGRATE_COMMAND}")
    finally:
        await connection.close()
    connection = await connect(url)
    try:
        if drift := await deploy.drift(connection):
            log.error("%s; run: %s", drift, deploy.MIGRATE_COMMAND)
    finally:
        await connection.close()


def _explain(url: str, exc: Exception) -> ConnectError:
    parts = urlsplit(url)
    where = f"{parts.hostname or 'a local socket'}{f':{parts.port}' if parts.port else ''}, {parts.path.lstrip('/')}"
    # An OSError or a TimeoutError may have no text.
    return ConnectError(f"cannot connect to the database ({where}): {str(exc) or type(exc).__name__}")
