"""The connection of a deployment, and the lock that lets one deployment at a time change a database."""

from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

# We may be a superuser: no function that another login has created in public may run with our rights.
SEARCH_PATH = {"search_path": "pg_catalog"}

_CONNECT_SECONDS = 10.0
_LOCK = 0x77616C6C6574  # "wallet": any number that no other advisory lock of this database uses


async def connect(url: str) -> asyncpg.Connection:
    """A connection with the rights of the URL's user."""
    return await asyncpg.connect(url, timeout=_CONNECT_SECONDS, server_settings=SEARCH_PATH)


async def connect_or_create(url: str) -> asyncpg.Connection:
    """The same, to a database that is created if it is missing."""
    try:
        return await connect(url)
    except asyncpg.InvalidCatalogNameError:
        parts = urlsplit(url)
        name = unquote(parts.path.removeprefix("/"))
        maintenance = await connect(urlunsplit(parts._replace(path="/postgres")))
        try:
            quoted = await maintenance.fetchval("select quote_ident($1)", name)
            await maintenance.execute(f"create database {quoted}")
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass  # another machine was faster
        finally:
            await maintenance.close()
        return await connect(url)


async def lock(connection: asyncpg.Connection) -> None:
    """Waits for other deployments; until the transaction ends, they wait for this one."""
    await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
