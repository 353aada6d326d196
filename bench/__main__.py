"""Runs the benchmark: prints the table, writes it to `bench/results.json` and as a chart to `bench/results.svg`.

A closed loop, all on one machine. Compared figures are taken in turns, and the median of the rounds counts, because the
speed of a shared machine varies.
"""

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import aiohttp
import asyncpg

from bench import chart, databases, measure
from bench.measure import Figure
from service import api_keys, deploy, eventloop
from service.embedded import EmbeddedPostgres

_HERE = Path(__file__).parent
_CONNECTIONS = (1, 32, 128, 512)
_SIZES = (100, 1_000, 10_000)
_CLIENTS = 32

Row = dict[str, object]


class Results:
    """The figures, by name, and what they are compared with."""

    def __init__(self) -> None:
        self.takes: dict[str, list[Figure]] = {}

    def add(self, name: str, figure: Figure) -> None:
        """Adds a take and prints it."""
        self.takes.setdefault(name, []).append(figure)
        print(f"  {name:<52}{figure.per_second:>10,.0f}/s  p50 {figure.p50:.2f} ms", file=sys.stderr, flush=True)

    def of(self, name: str) -> Figure:
        """The median of a figure's takes."""
        return measure.median(self.takes[name])

    def ratios(self, targets: list[tuple[str, str, str, float]]) -> list[Row]:
        """Each figure of the targets divided by its baseline: throughputs, or for `p50` latencies."""
        rows: list[Row] = []
        for what, name, baseline, target in targets:
            latency = what.startswith("p50")
            figure, other = ((f.p50 if latency else f.per_second) for f in (self.of(name), self.of(baseline)))
            reached = figure / other
            met = reached <= target if latency else reached >= target
            rows.append({"what": what, "ratio": reached, "target": target, "at_most": latency, "met": met})
        return rows


async def main() -> None:
    """Runs all rounds."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="of each take")
    parser.add_argument("--wallets", type=int, default=1_000_000, help="of the large database")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("bench: wrk is missing (on Debian: apt install wrk)")

    results = Results()
    directory = Path(tempfile.mkdtemp(prefix="wallets-bench-"))
    directory.chmod(0o755)
    postgres = EmbeddedPostgres(directory)
    await postgres.start()
    try:
        facts = await _measure(postgres.url, directory, results, options)
    finally:
        await postgres.stop()
        shutil.rmtree(directory)

    report = _report(results, facts, options.rounds)
    (_HERE / "results.json").write_text(json.dumps(report, indent=2) + "\n")
    (_HERE / "results.svg").write_text(chart.draw(report))
    _print(report)


async def _measure(url: str, directory: Path, results: Results, options: argparse.Namespace) -> Row:
    small = await _database(url, "small", 10_000, 10)
    spread, hot = directory / "spread", directory / "hot"
    connection = await asyncpg.connect(small)
    await databases.create_bare_tables(connection)
    await databases.write_ids(connection, spread, 10_000)
    await databases.write_ids(connection, hot, 1)
    facts: Row = {
        "postgresql": await connection.fetchval("show server_version"),
        "fsync": await connection.fetchval("show fsync"),
        "synchronous_commit": await connection.fetchval("show synchronous_commit"),
        "bytes_per_operation": await databases.bytes_per_operation(connection),
    }
    for _ in range(options.rounds):
        await _over_http(small, {"spread": spread, "hot": hot}, results, options.seconds)
        await _with_keys(small, spread, results, options.seconds)
        await _in_pgbench(small, results, options.seconds)
        await _in_batches(small, results, options.seconds)
    await connection.close()

    began = time.perf_counter()
    large = await _database(url, "large", options.wallets - 1, 9, deep=options.wallets)
    print(f"  loaded the large database in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    large_ids = directory / "large"
    connection = await asyncpg.connect(large)
    await databases.write_ids(connection, large_ids, options.wallets)
    # After a checkpoint, the first write to each page of a table or an index goes to the WAL as the whole page. A large
    # ledger has many: that is measured separately, and the rest between checkpoints.
    async with _service(large) as address:
        figure = await measure.http(address, large_ids, 128, 2 * options.seconds)
        results.add("growth: deposits, large database, right after a checkpoint", figure)
        await measure.http(address, large_ids, 128, 8 * options.seconds)
    for _ in range(options.rounds):
        for name, database, ids in (("small", small, spread), ("large", large, large_ids)):
            async with _service(database) as address:
                figure = await measure.http(address, ids, 128, 2 * options.seconds)
                results.add(f"growth: deposits, {name} database", figure)
    await _pages(connection, results)
    facts["large_operations"] = await connection.fetchval("select count(*) from wallet.operations")
    facts["large_bytes_per_operation"] = await databases.bytes_per_operation(connection)
    await connection.close()
    return facts


async def _over_http(url: str, ids: dict[str, Path], results: Results, seconds: int) -> None:
    for connections in _CONNECTIONS:
        async with _process("bench.upper_bound") as address:
            results.add(
                f"upper bound, {connections} connections",
                await measure.http(address, ids["spread"], connections, seconds),
            )
        async with _service(url) as address:
            for kind, wallets in ids.items():
                figure = await measure.http(address, wallets, connections, seconds)
                results.add(f"deposits, {connections} connections, {kind}", figure)
    async with _service(url) as address:
        figure = await measure.http(address, ids["spread"], 128, seconds, READS="0.8")
        results.add("80% reads, 128 connections, spread", figure)
        results.add("bulk endpoint, 1,000 a request", await _bulk(address, ids["spread"], seconds))


async def _with_keys(url: str, ids: Path, results: Results, seconds: int) -> None:
    key = api_keys.generate()
    connection = await asyncpg.connect(url)
    await connection.execute("select wallet.create_api_key($1, 'operate', $2)", key[-8:], api_keys.digest(key))
    await connection.close()
    # Both orders: what changes with time affects both alike.
    for name in ("without", "with", "with", "without"):
        async with _service(url, AUTH="required" if name == "with" else "off") as address:
            figure = await measure.http(address, ids, 128, seconds, KEY=key)
            results.add(f"deposits, 128 connections, {name} keys", figure)


async def _in_pgbench(url: str, results: Results, seconds: int) -> None:
    for kind, wallets in (("spread", 10_000), ("hot", 1)):
        for name, script in (("bare statement", databases.BARE_SCRIPT), ("apply_operation", databases.APPLY_SCRIPT)):
            figure = await measure.pgbench(url, script.format(wallets=wallets), _CLIENTS, seconds)
            results.add(f"pgbench {name}, {_CLIENTS} clients, {kind}", figure)
    figure = await measure.pgbench(url, databases.APPLY_SCRIPT.format(wallets=10_000), 1, seconds)
    results.add("pgbench apply_operation, 1 client, spread", figure)


async def _in_batches(url: str, results: Results, seconds: int) -> None:
    connection = await asyncpg.connect(url)
    ids = [row["id"] for row in await connection.fetch("select id from bench.wallets order by n")]
    for kind, wallets in (("spread", ids), ("hot", ids[:1])):
        single = "select * from wallet.apply_operation($1, 'DEPOSIT', 100)"
        figure = await measure.calls(connection, single, [wallets[0]], seconds / 2)
        results.add(f"one connection, apply_operation, {kind}", figure)
        for size in _SIZES:
            figure = await measure.batches(connection, wallets, size, seconds / 2)
            results.add(f"one connection, apply_operations, {size:,} a call, {kind}", figure)
    await connection.close()


async def _bulk(address: str, ids: Path, seconds: int) -> Figure:
    wallets = ids.read_text().split()[:1_000]
    operations = [{"wallet_id": wallet, "operation_type": "DEPOSIT", "amount": 100} for wallet in wallets]
    body = json.dumps({"operations": operations}).encode()
    taken: list[float] = []
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        while sum(taken) < seconds:
            began = time.perf_counter()
            async with session.post(f"{address}/api/operations/", data=body) as response:
                results = (await response.json())["results"]
            taken.append(time.perf_counter() - began)
            assert all(result["status"] == "SUCCESS" for result in results)
    return measure.figure(taken, len(wallets) * len(taken) / sum(taken))


async def _pages(connection: asyncpg.Connection, results: Results) -> None:
    deep = await connection.fetchval("select id from wallet.wallets order by last_seq desc limit 1")
    newest = "select * from wallet.list_operations($1, 50)"
    results.add("page of 50 operations, depth 1", await measure.calls(connection, newest, [deep], 1))
    oldest = "select * from wallet.list_operations($1, 50, 51)"
    results.add("page of 50 operations, depth 1,000,000", await measure.calls(connection, oldest, [deep], 1))


async def _database(server_url: str, name: str, wallets: int, operations_each: int, deep: int = 0) -> str:
    url = urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))
    await deploy.migrate(url)
    connection = await asyncpg.connect(url)
    await databases.load(connection, wallets, operations_each, deep)
    await connection.close()
    return url


@contextlib.asynccontextmanager
async def _service(url: str, **configuration: str) -> AsyncIterator[str]:
    environment = {"DATABASE_URL": url, "LOG_LEVEL": "warning", **configuration}
    async with _process("service", "serve", environment=environment) as address:
        yield address


@contextlib.asynccontextmanager
async def _process(module: str, *arguments: str, environment: dict[str, str] | None = None) -> AsyncIterator[str]:
    """A server process that accepts connections, until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *(arguments or (str(port),))),
        env={**os.environ, **(environment or {}), "PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                break
            except OSError:
                if process.returncode is not None:
                    raise RuntimeError(f"{module} ended with {process.returncode}") from None
                await asyncio.sleep(0.05)
        writer.close()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


def _report(results: Results, facts: Row, rounds: int) -> Row:
    figures = [{"name": name, **vars(results.of(name))} for name in results.takes]
    http, pgbench, batch = "deposits, 128 connections, {}", "pgbench {}, 32 clients, {}", "one connection, {}, {}"
    thousand = "apply_operations, 1,000 a call"
    ratios = results.ratios(
        [
            ("deposits spread ÷ upper bound", http.format("spread"), "upper bound, 128 connections", 0.65),
            ("deposits hot ÷ upper bound", http.format("hot"), "upper bound, 128 connections", 0.70),
            ("deposits spread ÷ pgbench", http.format("spread"), pgbench.format("apply_operation", "spread"), 1.0),
            ("deposits hot ÷ pgbench", http.format("hot"), pgbench.format("apply_operation", "hot"), 4.0),
            (
                "AUTH=required ÷ AUTH=off",
                "deposits, 128 connections, with keys",
                "deposits, 128 connections, without keys",
                0.95,
            ),
            ("deposits hot ÷ spread", http.format("hot"), http.format("spread"), 1.0),
            (
                "apply_operation ÷ bare update and insert",
                pgbench.format("apply_operation", "spread"),
                pgbench.format("bare statement", "spread"),
                0.8,
            ),
            (
                "1,000 a call spread ÷ one a call",
                batch.format(thousand, "spread"),
                batch.format("apply_operation", "spread"),
                12,
            ),
            (
                "1,000 a call hot ÷ one a call",
                batch.format(thousand, "hot"),
                batch.format("apply_operation", "hot"),
                25,
            ),
            (
                "10,000,000 operations ÷ 100,000",
                "growth: deposits, large database",
                "growth: deposits, small database",
                0.85,
            ),
            (
                "p50 of a lone request ÷ pgbench, one client",
                "deposits, 1 connections, spread",
                "pgbench apply_operation, 1 client, spread",
                2,
            ),
        ]
    )
    return {"machine": {"cores": os.cpu_count(), **facts}, "rounds": rounds, "figures": figures, "ratios": ratios}


def _print(report: Row) -> None:
    print(f"\n{'':<56}{'per second':>12}{'p50 ms':>10}{'p99 ms':>10}{'p99.9 ms':>10}{'errors':>8}")
    for row in report["figures"]:  # type: ignore[attr-defined]
        print(
            f"{row['name']:<56}{row['per_second']:>12,.0f}{row['p50']:>10.2f}{row['p99']:>10.2f}"
            f"{row['p999']:>10.2f}{row['errors']:>8}"
        )
    print(f"\n{'':<56}{'ratio':>12}{'target':>12}")
    for row in report["ratios"]:  # type: ignore[attr-defined]
        bound = f"{'≤' if row['at_most'] else '≥'} {row['target']}"
        print(f"{row['what']:<56}{row['ratio']:>12.2f}{bound:>12}{'' if row['met'] else '   missed'}")
    for name, value in report["machine"].items():  # type: ignore[attr-defined]
        print(f"{name:<56}{value:>12,.1f}" if isinstance(value, float) else f"{name:<56}{value:>12}")


if __name__ == "__main__":
    eventloop.run(main())
