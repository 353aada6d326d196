"""`wallets verify`: the whole ledger, a thousand wallets at a time, with a bar at a terminal."""

import asyncio
import sys
import time

import asyncpg
import msgspec
from tqdm import tqdm

from service.database.connection import FAILURES, ConnectError, connect

_TRIES = 30
_RETRY_SECONDS = 1.0


class VerificationError(Exception):
    """The verification could not be finished; the text says why, and how to go on."""


async def run(url: str, *, is_resumed: bool) -> int:
    """Verifies every wallet, and prints what is wrong. Answers 2 when anything is. Raises VerificationError."""
    began_at = time.monotonic()
    connection = await _connect(url)
    begun = await connection.fetchrow("select * from wallet.begin_verification($1)", is_resumed)
    if is_resumed:
        print(_resumption(begun), file=sys.stderr)
    wallets, operations, broken = begun["wallets"], begun["operations"], begun["broken"]
    # None: only where somebody looks at it, not in the mail of a cron job.
    with tqdm(
        total=begun["estimated_operations"], initial=operations, unit=" operations", unit_scale=True, disable=None
    ) as bar:
        failures = 0
        while True:
            try:
                rows = await connection.fetch("select * from wallet.verify_next($1)", begun["run_id"])
            except FAILURES as exc:
                # What was done is kept: only the last thousand wallets have to be done again.
                failures += 1
                if failures >= _TRIES:
                    raise VerificationError(
                        f"{exc or type(exc).__name__}; go on with: wallets verify --resume"
                    ) from exc
                await asyncio.sleep(_RETRY_SECONDS)
                connection = await _reconnect(url, connection)
                continue
            failures = 0
            if not rows:
                break
            for row in rows:
                if row["findings"] != "[]":
                    broken += 1
                    for line in _lines(row):
                        bar.write(line, file=sys.stdout)
            wallets += len(rows)
            done = sum(row["operations"] for row in rows)
            operations += done
            bar.update(done)
    await connection.close()
    rate = (operations - begun["operations"]) / max(time.monotonic() - began_at, 0.001)
    print(f"wallets verified: {wallets:,}, operations: {operations:,} ({rate:,.0f} a second), broken: {broken:,}")
    return 2 if broken else 0


def _resumption(begun: asyncpg.Record) -> str:
    if not begun["is_resumed"]:
        return "There is no verification to go on with: this one begins at the first wallet."
    return (
        f"Going on with the verification of {begun['started_at']:%Y-%m-%d %H:%M} UTC, "
        f"after {begun['wallets']:,} wallets, {begun['broken']:,} of them broken."
    )


def _lines(row: asyncpg.Record) -> list[str]:
    lines = []
    for finding in msgspec.json.decode(row["findings"]):
        seq = "" if finding["seq"] is None else f" at seq {finding['seq']}"
        lines.append(
            f"{row['wallet_id']}: {finding['invariant']}{seq}: expected {finding['expected']}, found {finding['found']}"
        )
    return lines


async def _connect(url: str) -> asyncpg.Connection:
    connection = await connect(url)
    # One wallet may have more operations than can be verified within the limit of a request.
    await connection.execute("set statement_timeout = 0")
    return connection


async def _reconnect(url: str, lost: asyncpg.Connection) -> asyncpg.Connection:
    lost.terminate()
    try:
        return await _connect(url)
    except ConnectError:
        return lost  # of no use: the next attempt fails, and counts
