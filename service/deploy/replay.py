"""Replaying the files of `db/` that say what a function or a view is now: rules, then views, then other functions.

Each object is replaced where it is, if PostgreSQL can do that. One that it cannot replace, because columns, argument
names or a result have changed, is created again, with all of ours that depends on it. What no file defines any more is
dropped. What somebody else owns is never dropped: a deployment that would need it fails. Grants to other
roles survive, except those on single columns of a view.
"""

import asyncio
import logging
import re
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import asyncpg

from service.deploy.catalogue import DEPENDENTS, GRANTS, OBJECTS, RUNNING, VIEW
from service.deploy.drift import MIGRATE_COMMAND, drift, source_digest
from service.deploy.errors import DeployError
from service.deploy.session import lock

log = logging.getLogger(__name__)

_OWNER = "wallet_owner"
_GRANTEES = "public, wallet_app, wallet_reader"
# While we wait for the lock on a view, its readers wait behind us.
_LOCK_TIMEOUT = "3s"
_SET_ASIDE = "_replaced_"
_POLL_SECONDS = 0.02
_POLLS = 750  # longer than a statement of the service may take


@dataclass(frozen=True)
class File:
    """A file, and the object that it defines, which has the file's name."""

    path: Path
    kind: str

    @property
    def name(self) -> str:
        return self.path.stem


async def replay(connection: asyncpg.Connection, db: Path) -> None:
    """Makes functions and views what the files say, in one transaction. Raises DeployError."""
    await _replay_files(connection, db)
    await _drop_set_aside(connection)


async def _replay_files(connection: asyncpg.Connection, db: Path) -> None:
    async with connection.transaction():
        # Without this, two replays at once fail with "tuple concurrently updated".
        await lock(connection)
        if await drift(connection, db) is None:
            return
        await connection.execute(
            f"set local role {_OWNER}; set local lock_timeout = '{_LOCK_TIMEOUT}';"
            # Functions may then call each other in whatever order their files come.
            "set local check_function_bodies = off"
        )
        replayed = files(db)
        grants = await connection.fetch(GRANTS)
        await _drop_strays(connection, replayed)
        await connection.execute(f"revoke all on all routines in schema wallet from {_GRANTEES}")
        await _replay(connection, replayed)
        await connection.execute("revoke all on all routines in schema wallet from public")
        await _restore(connection, grants, {file.name for file in replayed})
        await connection.execute(
            "insert into wallet.deployments (source_digest, functions_digest) select $1, wallet._functions_digest()",
            source_digest(db),
        )


def files(db: Path) -> list[File]:
    """The files in the order in which each finds what it needs."""
    functions = sorted(db.glob("functions/**/*.sql"))
    rules = [path for path in functions if path.is_relative_to(db / "functions" / "rules")]
    return [
        *(File(path, "routine") for path in rules),
        *(File(path, "view") for path in _by_dependency(sorted(db.glob("views/**/*.sql")))),
        *(File(path, "routine") for path in functions if path not in rules),
    ]


def _by_dependency(views: list[Path]) -> Iterator[Path]:
    """Each view after those that it reads."""
    texts = {path: re.sub("--.*", "", path.read_text()) for path in views}
    reads = {
        path: [other for other in views if other != path and re.search(rf"\bwallet\.{other.stem}\b", text)]
        for path, text in texts.items()
    }
    return iter(TopologicalSorter(reads).static_order())


async def _drop_strays(connection: asyncpg.Connection, replayed: list[File]) -> None:
    """Leaves at most one object of each file's name, and none of ours without a file."""
    defined = {(file.kind, file.name) for file in replayed}
    objects = await connection.fetch(OBJECTS, _OWNER)
    overloads = Counter((found["kind"], found["name"]) for found in objects)
    for found in objects:
        name = found["kind"], found["name"]
        if name in defined:
            # Overloads make calls ambiguous, and what another role owns cannot be replaced.
            is_stray = overloads[name] > 1 or not found["is_ours"]
        else:
            # Migrations create the functions of triggers, with the tables.
            is_stray = found["is_ours"] and not found["is_trigger"]
        if is_stray:
            await _drop(connection, found)


async def _replay(connection: asyncpg.Connection, replayed: list[File]) -> None:
    pending = deque(replayed)
    while pending:
        file = pending.popleft()
        try:
            dropped = await _replace(connection, file)
        except asyncpg.PostgresError as exc:
            reason = " ".join(str(exc).split())
            raise DeployError(f"cannot replay {file.path.name}: {reason}; nothing was replayed") from exc
        pending.extend(other for other in replayed if other.name in dropped and other not in pending and other != file)


async def _replace(connection: asyncpg.Connection, file: File) -> set[str]:
    """Executes a file, and returns the names of what had to be dropped for that."""
    text = file.path.read_text()
    olds = await _named(connection, file)
    if file.kind == "view" and olds:
        if await _is_unchanged(connection, file, text):
            return set()
        await connection.execute(f"revoke all on wallet.{file.name} from {_GRANTEES}")
    dropped: set[str] = set()
    if not await _replace_in_place(connection, file, text):
        for old in olds:
            if file.kind == "view":
                dropped |= await _drop(connection, old)
            else:
                dropped |= await _drop_dependents(connection, old)
                # Not dropped yet: calls that run would fail when they return.
                await connection.execute(f"alter routine {old['identity']} rename to {_SET_ASIDE}{old['oid']}")
        await connection.execute(text)
    return dropped


async def _replace_in_place(connection: asyncpg.Connection, file: File, text: str) -> bool:
    savepoint = connection.transaction()
    await savepoint.start()
    try:
        await connection.execute(text)
    except (asyncpg.InvalidFunctionDefinitionError, asyncpg.InvalidTableDefinitionError):
        await savepoint.rollback()
        return False
    # With other arguments, a second function of the name was created.
    if len(await _named(connection, file)) > 1:
        await savepoint.rollback()
        return False
    await savepoint.commit()
    return True


async def _named(connection: asyncpg.Connection, file: File) -> list[asyncpg.Record]:
    objects: list[asyncpg.Record] = await connection.fetch(
        f"{OBJECTS} where o.kind = $2 and o.name = $3", _OWNER, file.kind, file.name
    )
    return objects


async def _is_unchanged(connection: asyncpg.Connection, file: File, text: str) -> bool:
    """Whether a view is what its file says. To replace it takes a lock that every reader of the view waits for."""
    trial = f"_{file.name}_of_this_release"
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(re.sub(rf"\bwallet\.{file.name}\b", f"wallet.{trial}", text))
        views = [await connection.fetchrow(VIEW, f"wallet.{name}") for name in (file.name, trial)]
        return bool(views[0] == views[1])
    finally:
        await transaction.rollback()


async def _drop(connection: asyncpg.Connection, dropped: asyncpg.Record) -> set[str]:
    """Drops an object, after all of ours that depends on it, and returns their names. Raises DeployError."""
    names = await _drop_dependents(connection, dropped)
    log.info("dropping %s %s", dropped["kind"], dropped["identity"])
    await connection.execute(f"drop {dropped['kind']} if exists {dropped['identity']}")
    return names | {str(dropped["name"])}


async def _drop_dependents(connection: asyncpg.Connection, dropped: asyncpg.Record) -> set[str]:
    names: set[str] = set()
    for dependent in await connection.fetch(DEPENDENTS, dropped["catalogue"], dropped["oid"]):
        ours = await connection.fetch(
            f"{OBJECTS} where o.catalogue = $2 and o.oid = $3", _OWNER, dependent["catalogue"], dependent["oid"]
        )
        if not ours or not ours[0]["is_ours"]:
            description = dependent["description"]
            raise DeployError(
                f"{description} depends on {dropped['kind']} {dropped['identity']}, which this release changes; "
                f"drop {description}, run {MIGRATE_COMMAND}, and create it again"
            )
        names |= await _drop(connection, ours[0])
    return names


async def _drop_set_aside(connection: asyncpg.Connection) -> None:
    """Drops the functions that others have replaced, once the calls that were running at that time have returned."""
    set_aside = [found for found in await connection.fetch(OBJECTS, _OWNER) if found["name"].startswith(_SET_ASIDE)]
    if not set_aside:
        return
    running = [row["virtualtransaction"] for row in await connection.fetch(RUNNING)]
    for _ in range(_POLLS):
        if not await connection.fetch(f"{RUNNING} and l.virtualtransaction = any ($1)", running):
            break
        await asyncio.sleep(_POLL_SECONDS)
    else:
        return  # a query of minutes: the next deployment drops them
    async with connection.transaction():
        await lock(connection)
        await connection.execute(f"set local role {_OWNER}")
        for found in set_aside:
            await _drop(connection, found)


async def _restore(connection: asyncpg.Connection, grants: list[asyncpg.Record], names: set[str]) -> None:
    left = set(await connection.fetch(GRANTS))
    for grant in grants:
        if grant not in left and grant["name"] in names:
            await connection.execute(grant["statement"])
