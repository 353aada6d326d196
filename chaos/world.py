"""The target of the faults: services as processes, a PostgreSQL, and a network between them."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from signal import Signals

import aiohttp
import asyncpg

from chaos.clients import Client, Journal, Outcome
from service import deploy
from service.embedded import EmbeddedPostgres

_WALLETS = 50
_START_SECONDS = 60.0
_STOP_SECONDS = 60.0


class Service:
    """`wallets serve` as a process, which can be killed and started again at the same address."""

    def __init__(self, **configuration: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self._port}"
        self._environment = {**os.environ, **configuration, "PORT": str(self._port), "LOG_LEVEL": "error"}
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it is ready."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "serve"),
            env=self._environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(_START_SECONDS), aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(OSError, aiohttp.ClientError):
                    async with session.get(f"{self.address}/health/ready") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def terminate(self) -> bool:
        """SIGTERM; whether it ended in time with status 0."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.terminate()
        try:
            return await asyncio.wait_for(self.process.wait(), _STOP_SECONDS) == 0
        except TimeoutError:
            await self.kill()
            return False

    def descriptors(self) -> int:
        """The number of its open files and sockets."""
        assert self.process is not None
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def memory(self) -> int:
        """Bytes."""
        assert self.process is not None
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


class Network:
    """A proxy between services and a PostgreSQL: it delays, cuts, and swallows what is sent."""

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self.delay = 0.0
        self.is_black_hole = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> int:
        """Returns its port."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self, share: float = 1.0) -> None:
        """Resets connections."""
        for writer in list(self._writers):
            if random.random() < share:
                writer.transport.abort()

    async def stop(self) -> None:
        """Ends all connections."""
        if self._server is not None:
            self._server.close()
            self.cut()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there_reader, there_writer = await asyncio.open_unix_connection(self.socket_path)
            self._writers.add(there_writer)
            try:
                await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))
            finally:
                there_writer.transport.abort()
                self._writers.discard(there_writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Latency, not bandwidth: what is in flight does not delay what follows.
        arriving: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arrival = asyncio.create_task(self._arrive(arriving, writer))
        with contextlib.suppress(OSError):
            while content := await reader.read(65536):
                arriving.put_nowait((time.monotonic() + self.delay, content))
        arrival.cancel()
        writer.transport.abort()

    async def _arrive(self, arriving: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, content = await arriving.get()
                if (seconds := due - time.monotonic()) > 0:
                    await asyncio.sleep(seconds)
                if not self.is_black_hole:
                    writer.write(content)
                    await writer.drain()


class Database(EmbeddedPostgres):
    """A PostgreSQL that can be signalled, lost and replicated. It restarts when it dies."""

    @property
    def socket_path(self) -> str:
        """The path of its socket."""
        return str(self._socket_dir / ".s.PGSQL.5432")

    @property
    def postmaster(self) -> int:
        """The pid of the server."""
        return int((self.data_dir / "postgres/postmaster.pid").read_text().split()[0])

    def send(self, number: Signals) -> None:
        """Sends a signal to the server alone."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(self.postmaster, number)

    def send_to_all(self, number: Signals) -> None:
        """Sends a signal to the server and to all of its processes."""
        server = self.postmaster
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                if stat.read_text().rpartition(")")[2].split()[1] == str(server):
                    os.kill(int(stat.parent.name), number)
        os.kill(server, number)

    async def lose(self) -> None:
        """kill -9, without a restart."""
        if self._supervisor is not None:
            self._supervisor.cancel()
        self.send(Signals.SIGKILL)

    async def replicate(self, directory: Path) -> "Database":
        """A replica that streams from this one; from now on, commits wait for it."""
        replica = Database(directory, {"primary_conninfo": f"host={self._socket_dir} user=postgres"})
        cluster = directory / "postgres"
        cluster.mkdir(parents=True, mode=0o700)
        directory.chmod(0o755)
        os.chown(cluster, self._user, self._group)
        await self.run("pg_basebackup", "--pgdata", str(cluster), "--write-recovery-conf", "--checkpoint", "fast")
        await replica.start()
        connection = await asyncpg.connect(self.url)
        await connection.execute("alter system set synchronous_standby_names = '*'")
        await connection.execute("select pg_reload_conf()")
        following = "select exists (select from pg_stat_replication where sync_state = 'sync')"
        while not await connection.fetchval(following):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await connection.close()
        return replica

    async def run(self, program: str, *arguments: str, database: str = "") -> None:
        """Runs a program of PostgreSQL against this server. Raises RuntimeError with its output."""
        process = await asyncio.create_subprocess_exec(
            *self._as_server_user(),
            self._bin / program,
            *("--host", str(self._socket_dir), "--username", "postgres", *([database] if database else [])),
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.data_dir,
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise RuntimeError(f"{program}: {output.decode(errors='replace')}")


class World:
    """Databases, services, network and clients of one scenario."""

    def __init__(self, directory: Path, seconds: float) -> None:
        self.directory = directory
        self.seconds = seconds
        self.journal = Journal()
        self.faults = 0
        self.failed_requests_are_findings = False
        self.findings: Counter[str] = Counter()
        self.remarks: list[str] = []
        self.at_end: list[Callable[[], object]] = []
        self.database = Database(directory / "data")
        self.network: Network | None = None
        self.services: list[Service] = []
        self.wallets: list[str] = []
        self.before: tuple[int, int] | None = None
        self._stopping: list[Database] = []
        self._relay: asyncio.subprocess.Process | None = None

    async def start(
        self,
        services: int = 1,
        *,
        data_dir: Path | None = None,
        settings: dict[str, str] | None = None,
        has_network: bool = False,
        has_relay: bool = False,
    ) -> None:
        """Starts a PostgreSQL, optionally a network before it, and services.

        A relay is a network in another process, for scenarios that keep this one busy.
        """
        self.database = Database(data_dir or self.directory / "data", settings)
        await self.database.start()
        self._stopping.append(self.database)
        await deploy.migrate(self.database.url)
        url = self.database.url
        if has_network:
            self.network = Network(self.database.socket_path)
            url = f"postgres://postgres@127.0.0.1:{await self.network.start()}/wallets"
        if has_relay:
            self._relay = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "chaos.relay", self.database.socket_path),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            self.at_end.append(self._relay.kill)
            assert self._relay.stdout is not None
            url = f"postgres://postgres@127.0.0.1:{int(await self._relay.stdout.readline())}/wallets"
        await self.start_services(services, DATABASE_URL=url)

    async def start_services(self, count: int, **configuration: str) -> None:
        """Starts services and creates wallets."""
        for _ in range(count):
            service = Service(**configuration)
            self.services.append(service)
            await service.start()
        async with aiohttp.ClientSession(self.services[0].address) as session:
            for _ in range(_WALLETS):
                async with session.post("/api/wallets/", json={}) as response:
                    self.wallets.append((await response.json())["id"])

    def watch(self, database: Database) -> None:
        """Stops a database with the world."""
        self._stopping.append(database)

    @contextlib.asynccontextmanager
    async def load(self, clients: int = 32) -> AsyncIterator[Client]:
        """Clients at work, and one more for the scenario; at the end the outcome of every operation is known."""
        stopped = asyncio.Event()
        addresses = [service.address for service in self.services]
        async with aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=30)
        ) as session:
            client = Client(session, addresses, self.wallets, self.journal)
            tasks = [asyncio.create_task(client.work(stopped)) for _ in range(clients)]
            try:
                # Measurements start once the service has warmed up.
                await asyncio.sleep(min(1.0, self.seconds / 4))
                if self.before is None:
                    self.mark()
                yield client
            finally:
                stopped.set()
                await asyncio.gather(*tasks)

    async def delay(self, seconds: float) -> None:
        """Sets the delay of the relay in both directions."""
        assert self._relay is not None
        assert self._relay.stdin is not None
        self._relay.stdin.write(f"{seconds}\n".encode())
        await self._relay.stdin.drain()

    async def overload(self, connections: int, share: float) -> list[float]:
        """Overloads the first service for a share of the time; gives the seconds of each accepted request."""
        clients = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chaos.overload", self.services[0].address, str(connections)),
            *(str(self.seconds * share), *self.wallets),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(self.seconds * share + _START_SECONDS):
                outcomes = json.loads((await clients.communicate())[0])
        finally:
            if clients.returncode is None:
                clients.kill()
        # Shed requests must move nothing: they do not count as requested.
        acknowledged = {key: Outcome(201, *response) for key, response in outcomes["acknowledged"].items()}
        self.journal.requested |= acknowledged.keys()
        self.journal.outcomes |= acknowledged
        self.journal.shed += outcomes["shed_seconds"]
        seconds: list[float] = outcomes["accepted_seconds"]
        return seconds

    def mark(self) -> None:
        """Records what the first service holds now; it may not hold more at the end."""
        self.before = (self.services[0].descriptors(), self.services[0].memory())

    async def pause(self, share: float) -> None:
        """Waits for a share of the scenario's time."""
        await asyncio.sleep(self.seconds * share)

    async def stop(self) -> None:
        """Stops the services, which must end with status 0, and then the databases."""
        for service in self.services:
            self.findings["did not stop cleanly"] += not await service.terminate()
        if self.network is not None:
            await self.network.stop()
        for database in reversed(self._stopping):
            await database.stop()
        for undo in self.at_end:
            undo()
        shutil.rmtree(self.directory, ignore_errors=True)


def new_directory() -> Path:
    """A temporary one, open to the user that PostgreSQL runs as."""
    directory = Path(tempfile.mkdtemp(prefix="wallets-chaos-"))
    directory.chmod(0o755)
    return directory
