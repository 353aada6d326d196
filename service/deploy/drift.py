"""Whether a database has what this release was written for: its migrations, and its functions and views unaltered."""

from hashlib import sha256
from pathlib import Path

import asyncpg

DB = Path(__file__).resolve().parents[2] / "db"
MIGRATE_COMMAND = "wallets migrate"


def source_digest(db: Path = DB) -> str:
    """What a release expects of the database: sha256 over its SQL files."""
    digest = sha256()
    for path in sorted(db.rglob("*.sql")):
        digest.update(f"{path.relative_to(db).as_posix()}\0".encode())
        digest.update(path.read_bytes())
        digest.update(b"\0")
    return digest.hexdigest()


async def is_migrated(connection: asyncpg.Connection) -> bool:
    """Whether a database was ever deployed to, by this release or another."""
    # From the catalogue: to look up a name takes rights on the schema, which a login may lack.
    return bool(
        await connection.fetchval(
            "select exists (select from pg_proc as p join pg_namespace as n on n.oid = p.pronamespace"
            " where n.nspname = 'wallet' and p.proname = 'get_deployment')"
        )
    )


async def drift(connection: asyncpg.Connection, db: Path = DB) -> str | None:
    """In words, how a database differs from what a release expects; None when it does not."""
    if not await is_migrated(connection):
        return "the database is not migrated"
    deployment = await connection.fetchrow("select * from wallet.get_deployment()")
    if deployment is None:
        return "the database has no functions deployed since it was last migrated"
    if deployment["source_digest"] != source_digest(db):
        return "the database has the functions of another release"
    if not deployment["is_intact"]:
        return f"functions were altered in the database since it was deployed at {deployment['deployed_at']}"
    return None
