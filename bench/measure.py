"""How each kind of figure is taken: over HTTP with wrk, in SQL with pgbench, on one connection with asyncpg.

wrk, because a load generator that shares two cores with the service must cost little: it needs an eighth of the
service's processor time, and keeps a histogram of latencies.
"""

import asyncio
import json
import os
import random
import re
import secrets
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import asyncpg

from service import embedded

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Figure:
    """Operations (or reads) per second; latencies in milliseconds, of the request that carried them."""

    per_second: float
    p50: float
    p99: float
    p999: float
    errors: int = 0


def median(figures: Sequence[Figure]) -> Figure:
    """The medians of several takes; errors are added."""

    def middle(name: str) -> float:
        return float(statistics.median(getattr(figure, name) for figure in figures))

    return Figure(
        middle("per_second"), middle("p50"), middle("p99"), middle("p999"), sum(figure.errors for figure in figures)
    )


async def http(address: str, wallets: Path, connections: int, seconds: int, **options: str) -> Figure:
    """wrk against the service, one request at a time on each connection; load.lua says what the options are."""
    printed = await _run(
        *("wrk", "--threads", "1", "--connections", str(connections), "--duration", f"{seconds}s"),
        *("--timeout", "10s", "--script", str(_HERE / "load.lua"), address),
        environment={"WALLETS": str(wallets), "READS": "0", "KEY": "", **options},
    )
    found = re.search(r"^RESULT (.*)$", printed, re.MULTILINE)
    assert found, printed
    result = json.loads(found[1])
    return Figure(
        result["requests"] / result["seconds"], result["p50"], result["p99"], result["p999"], result["errors"]
    )


async def pgbench(url: str, script: str, clients: int, seconds: int) -> Figure:
    """pgbench with a script, prepared; latencies from its log of every transaction."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "script.sql").write_text(script)
        await _run(
            *(str(embedded.binaries() / "pgbench"), "--no-vacuum", "--protocol", "prepared"),
            *("--client", str(clients), "--jobs", "1", "--time", str(seconds)),
            *("--log", "--log-prefix", f"{directory}/log", "--file", f"{directory}/script.sql", url),
        )
        micros = sorted(
            int(line.split()[2]) for log in Path(directory).glob("log*") for line in log.read_text().splitlines()
        )
    return figure([micro / 1e6 for micro in micros], len(micros) / seconds)


async def batches(connection: asyncpg.Connection, wallets: Sequence[UUID], size: int, seconds: float) -> Figure:
    """apply_operations on one connection, one call after the other."""
    taken: list[float] = []
    while sum(taken) < seconds:
        chosen = random.choices(wallets, k=size)
        keys = [secrets.token_urlsafe(16) for _ in chosen]
        began = time.perf_counter()
        rows = await connection.fetch(
            "select status from wallet.apply_operations($1, $2, $3, $4)",
            *(chosen, ["DEPOSIT"] * size, [100] * size, keys),
        )
        taken.append(time.perf_counter() - began)
        assert all(row["status"] == "SUCCESS" for row in rows)
    return figure(taken, size * len(taken) / sum(taken))


async def calls(connection: asyncpg.Connection, statement: str, arguments: Sequence[object], seconds: float) -> Figure:
    """One statement on one connection, again and again."""
    taken: list[float] = []
    while sum(taken) < seconds:
        began = time.perf_counter()
        await connection.fetch(statement, *arguments)
        taken.append(time.perf_counter() - began)
    return figure(taken, len(taken) / sum(taken))


def figure(seconds: Sequence[float], per_second: float) -> Figure:
    """A figure of the seconds that each call took."""
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1e3

    return Figure(per_second, at(0.5), at(0.99), at(0.999))


async def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    process = await asyncio.create_subprocess_exec(
        *command,
        env={**os.environ, **(environment or {})},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed = (await process.communicate())[0].decode()
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} failed:\n{printed}")
    return printed
