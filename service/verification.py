"""`wallets verify`: checks the whole ledger, a thousand wallets at a time, with a progress bar."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
import msgspec
from tqdm import tqdm

from service.database import calls
from service.database.connection import FAILURES, ConnectError, connect

_TRIES = 30
_RETRY_SECONDS = 1.0
_NO_FINDINGS = "[]"


class VerificationError(Exception):
    """The verification was not finished; the text says why, and how to resume it."""


async def run(url: str, *, is_resumed: bool) -> int:
    """Verifies every wallet, and prints what is wrong. Returns 2 if anything is, 0 if not. Raises VerificationError."""
    began_at = time.monotonic()
    connection = await _connect(url)
    begun = await calls.begin_verification(connection, is_resumed)
    if is_resumed:
        print(_resumption(begun), file=sys.stderr)
    wallets, operations, broken = begun["wallets"], begun["operations"], begun["broken"]
    # disable=None: a bar at a terminal only, not in the mail of a cron job.
    with tqdm(
        total=begun["estimated_operations"], initial=operations, unit=" operations", unit_scale=True, disable=None
    ) as bar:
        async for rows in _verified(url, connection, begun["run_id"]):
            for row in rows:
                for line in _findings(row):
                    bar.write(line, file=sys.stdout)
            wallets += len(rows)
            broken += sum(row["findings"] != _NO_FINDINGS for row in rows)
            done = sum(row["operations"] for row in rows)
            operations += done
            bar.update(done)
    rate = (operations - begun["operations"]) / max(time.monotonic() - began_at, 0.001)
    print(f"wallets verified: {wallets:,}, operations: {operations:,} ({rate:,.0f} per second), broken: {broken:,}")
    return 2 if broken else 0


async def _verified(url: str, connection: asyncpg.Connection, run_id: int) -> AsyncIterator[list[asyncpg.Record]]:
    """The wallets of a run, as they are verified. A lost connection is replaced: only its last call is repeated."""
    failures = 0
    while True:
        try:
            rows = await calls.verify_next(connection, run_id)
        except FAILURES as exc:
            failures += 1
            if failures >= _TRIES:
                reason = str(exc) or type(exc).__name__
                raise VerificationError(f"{reason}; resume with: wallets verify --resume") from exc
            await asyncio.sleep(_RETRY_SECONDS)
            connection = await _reconnect(url, connection)
            continue
        failures = 0
        if not rows:
            break
        yield rows
    await connection.close()


def _resumption(begun: asyncpg.Record) -> str:
    if not begun["is_resumed"]:
        return "No verification to resume: this one begins at the first wallet."
    return (
        f"Resuming the verification of {begun['started_at']:%Y-%m-%d %H:%M} UTC, "
        f"after {begun['wallets']:,} wallets, {begun['broken']:,} of them broken."
    )


def _findings(row: asyncpg.Record) -> Iterator[str]:
    for finding in msgspec.json.decode(row["findings"]):
        seq = "" if finding["seq"] is None else f" at seq {finding['seq']}"
        yield (
            f"{row['wallet_id']}: {finding['invariant']}{seq}: expected {finding['expected']}, found {finding['found']}"
        )


async def _connect(url: str) -> asyncpg.Connection:
    # One wallet may have more operations than can be verified within the time limit of a request.
    return await connect(url, statement_timeout="0")


async def _reconnect(url: str, lost: asyncpg.Connection) -> asyncpg.Connection:
    lost.terminate()
    try:
        return await _connect(url)
    except ConnectError:
        return lost  # the next call fails, and counts
