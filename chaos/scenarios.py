"""The faults, one scenario each: a few seconds of load with a fault in the middle."""

import asyncio
import contextlib
import os
import random
import secrets
import shutil
import signal
import subprocess
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import aiohttp
import asyncpg

from chaos.clients import percentile
from chaos.world import Database, Service, World
from service import deploy

Scenario = Callable[[World], Awaitable[None]]
ALL: dict[str, Scenario] = {}

_MANY_CONNECTIONS = 2_000
# More than may queue for a database this slow.
_OVERLOADING_CONNECTIONS = 3_000
_DELAY_SECONDS = 1.5


class SkippedError(Exception):
    """The scenario cannot run here; the text says why."""


def _scenario(function: Scenario) -> Scenario:
    ALL[function.__name__] = function
    return function


@_scenario
async def kills(world: World) -> None:
    """PostgreSQL killed (-9) five times, and the service, which runs it, twice."""
    await world.start_services(1, DATA_DIR=str(world.directory / "data"))
    async with world.load(64):
        for fault in ("postgres", "postgres", "service", "postgres", "postgres", "service", "postgres"):
            await world.pause(1 / 8)
            world.faults += 1
            if fault == "postgres":
                world.database.send(signal.SIGKILL)
            else:
                await world.services[0].kill()
                await world.services[0].start()
        await world.pause(1 / 8)


@_scenario
async def restarts(world: World) -> None:
    """PostgreSQL stopped (fast) and started again, four times."""
    await world.start()
    async with world.load():
        for _ in range(4):
            await world.pause(1 / 5)
            world.faults += 1
            world.database.send(signal.SIGINT)
        await world.pause(1 / 5)


@_scenario
async def frozen(world: World) -> None:
    """PostgreSQL and all its processes are stopped (SIGSTOP) for 10 seconds."""
    await world.start()
    async with world.load():
        world.faults += 1
        world.database.send_to_all(signal.SIGSTOP)
        await asyncio.sleep(10)
        world.database.send_to_all(signal.SIGCONT)
        await world.pause(1 / 2)


@_scenario
async def no_connections(world: World) -> None:
    """Others take every connection of PostgreSQL, the service's too, and release them later."""
    await world.start(settings={"max_connections": "20"})
    async with world.load():
        taken: list[asyncpg.Connection] = []
        for _ in range(3):
            world.faults += 1
            taken.append(await asyncpg.connect(world.database.url))
            await taken[0].execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'wallets'"
            )
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                while True:
                    taken.append(await asyncpg.connect(world.database.url))
            await world.pause(1 / 6)
            for connection in taken:
                await connection.close()
            taken.clear()
            await world.pause(1 / 6)


@_scenario
async def disk_full(world: World) -> None:
    """PostgreSQL's disk (a small tmpfs) fills up and is freed later."""
    disk = world.directory / "disk"
    disk.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=300m", "tmpfs", disk)
    if subprocess.run(mount, check=False).returncode:  # noqa: ASYNC221 -- nothing else runs yet
        raise SkippedError("a small file system cannot be mounted by this user")
    world.at_end.append(lambda: subprocess.run(["umount", disk], check=True))
    disk.chmod(0o755)
    await world.start(data_dir=disk / "data", settings={"shared_buffers": "32MB", "max_wal_size": "64MB"})
    async with world.load():
        for _ in range(2):
            world.faults += 1
            rubbish = disk / "rubbish"
            with contextlib.suppress(OSError), rubbish.open("wb", buffering=0) as file:
                while True:
                    file.write(bytes(1 << 20))
            # The WAL files that already exist are soon used up.
            await world.pause(1 / 2)
            rubbish.unlink()
            await world.pause(1 / 4)


@_scenario
async def failover(world: World) -> None:
    """The primary is lost, and its synchronous replica promoted; the service reaches it at the same address."""
    # The lost primary cannot remove its shared memory: it must lie in the directory.
    await world.start(has_network=True, settings={"dynamic_shared_memory_type": "mmap"})
    assert world.network is not None
    replica = await world.database.replicate(world.directory / "replica")
    world.watch(replica)
    async with world.load():
        await world.pause(1 / 3)
        world.faults += 1
        await world.database.lose()
        connection = await asyncpg.connect(replica.url)
        await connection.execute("select pg_promote()")
        await connection.close()
        world.network.socket_path = replica.socket_path
        world.network.cut()
        world.database = replica
        await world.pause(1 / 3)


@_scenario
async def network(world: World) -> None:
    """The network between service and database delays, cuts, and swallows."""
    await world.start(has_network=True)
    wire = world.network
    assert wire is not None
    async with world.load():
        for _ in range(6):
            world.faults += 1
            match random.choice(["delay", "cut", "swallow"]):
                case "delay":
                    wire.delay = 0.2
                    await world.pause(1 / 8)
                    wire.delay = 0
                case "cut":
                    wire.cut(0.7)
                case _:
                    # Neither side learns of the loss until the connection is cut.
                    wire.is_black_hole = True
                    await world.pause(1 / 8)
                    wire.is_black_hole = False
                    wire.cut()
            await world.pause(1 / 16)


@_scenario
async def terminations(world: World) -> None:
    """The service is stopped (SIGTERM) under load and started again, three times."""
    await world.start()
    async with world.load():
        for _ in range(3):
            await world.pause(1 / 4)
            world.faults += 1
            world.findings["did not stop cleanly"] += not await world.services[0].terminate()
            await world.services[0].start()
        await world.pause(1 / 4)


@_scenario
async def two_services(world: World) -> None:
    """Two services on one database, one of which is killed (-9) twice."""
    await world.start(2)
    async with world.load():
        for _ in range(2):
            await world.pause(1 / 3)
            world.faults += 1
            await world.services[1].kill()
            await world.services[1].start()
        await world.pause(1 / 3)


@_scenario
async def crowd(world: World) -> None:
    """2,000 connections at once."""
    await world.start()
    world.faults += 1
    async with world.load(_MANY_CONNECTIONS):
        await world.pause(3 / 4)


@_scenario
async def overload(world: World) -> None:
    """Ten times what a slow database can do: most are rejected at once, the others wait for at most one more call."""
    await world.start(has_relay=True)
    async with world.load(64):
        # Once its connections are open: each needs several round trips.
        await world.delay(_DELAY_SECONDS)
        await asyncio.sleep(4 * _DELAY_SECONDS)
        world.journal.accepted.clear()
        await asyncio.sleep(world.seconds + 4 * _DELAY_SECONDS)
        usual = percentile(world.journal.accepted, 0.99)
        world.journal.accepted.clear()
        # Twice: the memory that so many connections need the first time is kept for the next, and is no leak.
        world.faults += 2
        await world.overload(_OVERLOADING_CONNECTIONS, 1 / 8)
        world.mark()
        before = len(world.journal.shed)
        accepted = await world.overload(_OVERLOADING_CONNECTIONS, 2) + world.journal.accepted
        await world.delay(0)
    at_most, shed = percentile(accepted, 0.99), percentile(world.journal.shed, 0.99)
    times = 1 + (len(world.journal.shed) - before) / len(accepted)
    world.findings["accepted and delayed too long"] = int(at_most > usual + 1.2 * 2000 * _DELAY_SECONDS)
    world.remarks.append(
        f"p99 {usual:,.0f} ms with 64 clients; with {_OVERLOADING_CONNECTIONS:,} and {times:.1f} times the load, "
        f"{at_most:,.0f} ms if accepted, {shed:,.0f} ms if shed"
    )


@_scenario
async def slow_clients(world: World) -> None:
    """150 clients that send a byte at a time, or never read; the others are not affected."""
    await world.start()
    async with world.load():
        await world.pause(1 / 4)
        usual = percentile(world.journal.accepted, 0.99)
        world.journal.accepted.clear()
        slow = [asyncio.create_task(_slow_client(world, kind)) for kind in ("headers", "body", "never reads") * 50]
        world.faults += len(slow)
        await world.pause(3 / 4)
        beside = percentile(world.journal.accepted, 0.99)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
    world.remarks.append(f"p99 of the others {usual:.0f} ms before, {beside:.0f} ms with slow clients")


@_scenario
async def disconnects(world: World) -> None:
    """Clients that disconnect before the response and retry with the same idempotency key."""
    await world.start()
    address = urlsplit(world.services[0].address)

    async def disconnect(attempts: int) -> None:
        for _ in range(attempts):
            wallet, key = random.choice(world.wallets), secrets.token_urlsafe(12)
            body = b'{"operation_type":"DEPOSIT","amount":5}'
            request = (
                f"POST /api/wallets/{wallet}/operation HTTP/1.1\r\nHost: wallets\r\nContent-Type: application/json\r\n"
                f"Idempotency-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n"
            ).encode() + body
            _, writer = await asyncio.open_connection(address.hostname, address.port)
            writer.write(request[: random.choice([len(request), len(request) - 5])])
            await writer.drain()
            await asyncio.sleep(random.choice([0, 0.001, 0.003]))
            writer.transport.abort()
            world.faults += 1
            world.journal.requested.add(key)
            await client.until_final(wallet, {"operation_type": "DEPOSIT", "amount": 5}, key)

    async with world.load() as client:
        await asyncio.gather(*(disconnect(30) for _ in range(10)))


@_scenario
async def clock(world: World) -> None:
    """The clock steps back by an hour: to the ledger, every wallet was changed an hour in the future."""
    await world.start()
    async with world.load():
        await world.pause(1 / 3)
        connection = await asyncpg.connect(world.database.url)
        await connection.execute("update wallet.wallets set updated_at = clock_timestamp() + interval '1 hour'")
        world.faults += 1
        await connection.close()
        await world.pause(1 / 3)


@_scenario
async def deployments(world: World) -> None:
    """The migrations and all functions are deployed again and again; no request may fail."""
    await world.start()
    world.failed_requests_are_findings = True
    async with world.load():
        for _ in range(5):
            connection = await asyncpg.connect(world.database.url)
            # As if another release were deployed.
            await connection.execute("update wallet.deployments set source_digest = 'of another release'")
            await connection.close()
            await deploy.migrate(world.database.url)
            world.faults += 1
            await world.pause(1 / 8)


@_scenario
async def restore(world: World) -> None:
    """pg_dump under load, restored into a new server, on which a service continues."""
    await world.start()
    dump = world.directory / "data" / "dump"
    async with world.load():
        await world.pause(1 / 3)
        before = set(world.journal.acknowledged)
        dump.touch()
        owner = (world.directory / "data/postgres").stat()
        os.chown(dump, owner.st_uid, owner.st_gid)
        await world.database.run("pg_dump", "--format", "custom", "--file", str(dump), database="wallets")
        world.faults += 1
        await world.pause(1 / 3)

    copy = Database(world.directory / "copy")
    await copy.start()
    world.watch(copy)
    shutil.move(dump, world.directory / "copy/dump")
    # Roles are not in a dump: the migrations create them.
    await deploy.migrate(copy.url)
    connection = await asyncpg.connect(copy.url)
    await connection.execute("drop schema wallet cascade")
    await connection.execute("drop table public.schema_migrations")
    await connection.close()
    await copy.run("pg_restore", "--exit-on-error", "--dbname", "wallets", str(world.directory / "copy/dump"))

    service = Service(DATABASE_URL=copy.url)
    world.services.append(service)
    await service.start()
    connection = await asyncpg.connect(copy.url)
    ledger = {row["idempotency_key"] for row in await connection.fetch("select * from wallet.operation_details")}
    world.findings["acknowledged before the dump and not in the copy"] = len(before - ledger)
    await _deposit(service.address, world.wallets[0])
    world.findings["invariants broken in the copy"] = await connection.fetchval(
        "select count(*) from wallet.wallet_details as w cross join lateral wallet.verify_wallet(w.id)"
    )
    await connection.close()
    world.remarks.append(f"the copy has {len(ledger):,} operations")


async def _deposit(address: str, wallet: str) -> None:
    body = {"operation_type": "DEPOSIT", "amount": 1}
    async with (
        aiohttp.ClientSession(address, raise_for_status=True) as session,
        session.post(f"/api/wallets/{wallet}/operation", json=body),
    ):
        pass


async def _slow_client(world: World, kind: str) -> None:
    address = urlsplit(world.services[0].address)
    while True:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        try:
            with contextlib.suppress(OSError):
                if kind == "never reads":
                    writer.write(b"GET /api/openapi.json HTTP/1.1\r\nHost: wallets\r\n\r\n" * 100)
                    await asyncio.sleep(3600)
                head = f"POST /api/wallets/{world.wallets[0]}/operation HTTP/1.1\r\nHost: wallets\r\n"
                if kind == "body":
                    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n".encode())
                    head = " " * 5000
                for character in head:
                    writer.write(character.encode())
                    await writer.drain()
                    await asyncio.sleep(0.1)
                await reader.read()
        finally:
            writer.transport.abort()
