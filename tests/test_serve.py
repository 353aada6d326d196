"""The service in processes of its own on the embedded PostgreSQL: started, stopped, killed, and started again."""

import asyncio
import contextlib
import inspect
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from conftest import renamed

from service.config import Config
from service.embedded import EmbeddedPostgres

_T = TypeVar("_T")
DEADLINE = 90.0
CONFIGURATION = {field.name.upper() for field in fields(Config)} | {"AUTH", "OTEL_EXPORTER_OTLP_ENDPOINT"}

Wallets = Callable[..., Awaitable[tuple[int, str, str]]]
Launch = Callable[..., Awaitable["Service"]]


@dataclass
class Service:
    """A process of `wallets serve`, and its address once it is known."""

    process: asyncio.subprocess.Process
    data_dir: Path
    address: str = ""

    def client(self) -> aiohttp.ClientSession:
        # A connection per request: a kept one would belong to one worker.
        return aiohttp.ClientSession(self.address, connector=aiohttp.TCPConnector(force_close=True, limit=0))

    async def connect(self) -> asyncpg.Connection:
        """A connection of the superuser to its database."""
        return await asyncpg.connect(EmbeddedPostgres(self.data_dir).url)

    def postgres(self) -> int:
        return int((self.data_dir / "postgres" / "postmaster.pid").read_text().split("\n", 1)[0])

    def children(self) -> set[int]:
        pids = (int(directory.name) for directory in Path("/proc").glob("[0-9]*"))
        return {pid for pid in pids if _stat(pid)[1:2] == [str(self.process.pid)]}

    def workers(self) -> set[int]:
        """Its live worker processes."""
        return {pid for pid in self.children() if b"spawn_main" in _command(pid)}

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stops it; gives its exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        return await within(self.process.wait())

    async def kill(self) -> None:
        """Kills it, and waits until its children have ended by themselves."""
        self.process.send_signal(signal.SIGSTOP)  # so that it starts no more children
        await until(lambda: (_stat(self.process.pid) or "Z")[0] in "TZ")  # or it has just ended
        children = self.children()
        self.process.kill()
        await within(self.process.wait())
        for pid in children:
            await has_ended(pid)


def _stat(pid: int) -> list[str]:
    """A process's state and its parent's pid; empty when it is gone."""
    try:
        # The program's name comes first, in parentheses, and may contain anything.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:
        return []


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def within(awaited: Awaitable[_T]) -> _T:
    return await asyncio.wait_for(awaited, DEADLINE)


async def until(condition: Callable[[], Awaitable[object] | object]) -> None:
    """Returns once a condition holds."""
    async with asyncio.timeout(DEADLINE):
        while not (await seen if inspect.isawaitable(seen := condition()) else seen):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def has_ended(pid: int) -> None:
    await until(lambda: _stat(pid)[:1] in ([], ["Z"]))


def environment(**given: object) -> dict[str, str]:
    """The environment of this process, with the given configuration of the service and no other."""
    own = {name: text for name, text in os.environ.items() if name not in CONFIGURATION and "POSTGRES" not in name}
    return own | {name: str(value) for name, value in given.items()}


@pytest.fixture
def wallets(tmp_path: Path) -> Wallets:
    """Runs a command to its end: `await wallets("verify", DATA_DIR=…)`; gives its status, output and errors."""

    async def run(*arguments: str, **configuration: object) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", *arguments),
            cwd=tmp_path,  # where no .env is
            env=environment(**configuration),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            output, errors = await within(process.communicate())
        except BaseException:
            process.kill()
            raise
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return run


@contextlib.asynccontextmanager
async def launching(data_dir: Path) -> AsyncIterator[Launch]:
    launched: list[Service] = []

    async def start(is_awaited: bool = True, **configuration: object) -> Service:
        with (data_dir.parent / "service.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                # A killed run must leave no service behind.
                *("setpriv", "--pdeathsig", "KILL", sys.executable, "-m", "service", "serve"),
                cwd=data_dir.parent,
                env=environment(**({"DATA_DIR": data_dir, "PORT": 0} | configuration)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        service = Service(process, Path(str(configuration.get("DATA_DIR", data_dir))))
        launched.append(service)
        if is_awaited:
            assert process.stderr is not None
            greeting = (await within(process.stderr.readline())).decode()
            assert " serving on " in greeting, greeting + (await process.stderr.read()).decode()
            service.address = greeting.split(" serving on ")[1].split(",")[0]
        return service

    yield start
    for service in launched:
        if service.process.returncode is None:
            await service.kill()


@pytest.fixture
async def serve(data_dir: Path) -> AsyncIterator[Launch]:
    """Starts the service on a directory, on a free port, and waits until it serves: `await serve(WORKERS=2)`."""
    async with launching(data_dir) as start:
        yield start


@pytest.fixture(scope="module")
async def running(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """A service with two workers that requires API keys, for tests that do not stop it."""
    async with launching(copied(migrated, tmp_path_factory.mktemp("running"))) as start:
        yield await start(AUTH="required", WORKERS=2)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose PostgreSQL is migrated and stopped."""
    if "TEST_DATABASE_URL" in os.environ:
        pytest.skip("tests the embedded PostgreSQL, which the run without TEST_DATABASE_URL does")
    if sys.platform != "linux":
        pytest.skip("looks into /proc")
    directory = tmp_path_factory.mktemp("migrated") / "data"
    subprocess.run(
        [sys.executable, "-m", "service", "migrate"],
        cwd=directory.parent,
        env=environment(DATA_DIR=directory),
        timeout=DEADLINE,
        check=True,
    )
    return directory


@pytest.fixture
def data_dir(migrated: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(migrated, tmp_path)


def copied(data_dir: Path, parent: Path) -> Path:
    directory = parent / "my 'wallets' – 100% ü?&#"
    # With its owner: as root, the server runs as another user.
    subprocess.run(["cp", "-a", data_dir, directory], check=True)
    return directory


async def create_wallet(client: aiohttp.ClientSession, **options: Any) -> str:
    async with client.post("/api/wallets/", json={}, **options) as response:
        wallet: dict[str, Any] = await response.json()
        assert response.status == 201, wallet
        return str(wallet["id"])


async def verified(wallets: Wallets, data_dir: Path) -> tuple[int, int]:
    """Runs `wallets verify`, which must find nothing; gives its status and the number of wallets."""
    status, output, errors = await wallets("verify", DATA_DIR=data_dir)
    found = re.fullmatch(r"wallets verified: ([\d,]+), operations: [\d,]+ \([\d,]+ per second\), broken: 0\n", output)
    assert found, output + errors
    assert errors == ""
    return status, int(found[1].replace(",", ""))


async def deposit(
    client: aiohttp.ClientSession, wallet_id: str, key: str | None = None, headers: dict[str, str] | None = None
) -> tuple[int, dict[str, Any]]:
    async with client.post(
        f"/api/wallets/{wallet_id}/operation",
        json={"operation_type": "DEPOSIT", "amount": 1},
        headers={"Idempotency-Key": key or uuid4().hex} | (headers or {}),
    ) as response:
        return response.status, await response.json()


async def ledger(client: aiohttp.ClientSession, wallet_id: str) -> dict[str, str]:
    """All operations of a wallet: the id of each by its key."""
    found: dict[str, str] = {}
    cursor: dict[str, str] | None = {}
    while cursor is not None:
        async with client.get(f"/api/wallets/{wallet_id}/operations/", params={"limit": "1000", **cursor}) as response:
            page = await response.json()
        found |= {item["idempotency_key"]: item["operation_id"] for item in page["items"]}
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    return found


async def printed_no_error(service: Service) -> None:
    assert service.process.stderr is not None
    printed = (await service.process.stderr.read()).splitlines()
    assert [line.split()[0] for line in printed] == [b"Try:", b"Keys:", b"Admin:", b"Stop:"]


@pytest.mark.parametrize(("number", "workers"), [("SIGINT", 1), ("SIGTERM", 2)])
async def test_a_signal_lets_the_request_in_flight_finish(serve: Launch, number: str, workers: int) -> None:
    service = await serve(WORKERS=workers)
    postgres = service.postgres()
    async with service.client() as client:
        wallet_id = await create_wallet(client)
        other = await service.connect()
        async with other.transaction():
            await other.execute("select from wallet.wallets where id = $1 for no key update", wallet_id)
            response = asyncio.create_task(deposit(client, wallet_id))
            await until(lambda: other.fetchval("select exists (select from pg_locks where not granted)"))
            send = os.killpg if number == "SIGINT" else os.kill  # Ctrl-C reaches the whole group
            send(service.process.pid, signal.Signals[number])

            async def is_closed() -> bool:
                try:
                    async with client.get("/health/live"):
                        return False
                except aiohttp.ClientConnectorError:
                    return True
                except aiohttp.ClientError:  # not accepted yet when the socket was closed
                    return False

            await until(is_closed)
            assert service.process.returncode is None
        other.terminate()  # the server may have ended it already
        status, operation = await within(response)
    assert (status, operation["new_balance"]) == (201, "1")
    assert await within(service.process.wait()) == 0
    await printed_no_error(service)
    await has_ended(postgres)
    assert not (service.data_dir / "postgres" / "postmaster.pid").exists()
    assert "database system is shut down" in (service.data_dir / "postgres.log").read_text()


async def test_a_signal_stops_it_while_it_starts(serve: Launch, data_dir: Path) -> None:
    service = await serve(is_awaited=False)
    await until(service.children)
    assert await service.stop() == 0
    assert not (data_dir / "postgres" / "postmaster.pid").exists()


async def test_killed_while_it_starts_it_can_start_again(serve: Launch) -> None:
    for moment in range(3):
        service = await serve(is_awaited=False)
        await until(service.children)
        await asyncio.sleep(moment * 0.007)
        await service.kill()
    assert await (await serve()).stop() == 0  # it also removes the shared memory that a killed PostgreSQL leaves


async def test_ctrl_c_stops_starting_workers_without_output(serve: Launch) -> None:
    service = await serve(WORKERS=2)
    await until(lambda: len(service.workers()) == 2)
    os.killpg(service.process.pid, signal.SIGINT)
    assert await within(service.process.wait()) == 0
    await printed_no_error(service)


async def test_killed_it_leaves_no_process_and_loses_no_operation(serve: Launch) -> None:
    service = await serve(WORKERS=2)
    async with service.client() as client:
        wallet_id = await create_wallet(client)
        keys = [f"key-{number}" for number in range(20)]
        responses = await asyncio.gather(*(deposit(client, wallet_id, key) for key in keys))
    await until(lambda: len(service.children()) == 4)  # PostgreSQL, two workers, multiprocessing's resource tracker
    await service.kill()

    service = await serve()
    async with service.client() as client:
        assert await ledger(client, wallet_id) == {
            key: operation["operation_id"] for key, (_, operation) in zip(keys, responses, strict=True)
        }
    assert "automatic recovery in progress" not in (service.data_dir / "postgres.log").read_text()


async def test_a_killed_postgresql_is_started_again(serve: Launch) -> None:
    service = await serve()
    async with service.client() as client:
        wallet_id = await create_wallet(client)
        assert (await deposit(client, wallet_id, "before"))[0] == 201
        for _ in range(2):
            killed = service.postgres()
            os.kill(killed, signal.SIGKILL)
            await has_ended(killed)

            async def is_applied() -> bool:
                status, body = await deposit(client, wallet_id, "after")
                assert (status, body.get("code")) in ((201, None), (503, "database_unavailable")), body
                return status == 201

            await until(is_applied)
            assert service.postgres() != killed
            async with client.get("/health/ready") as response:
                assert response.status == 200
        assert set(await ledger(client, wallet_id)) == {"before", "after"}
    assert await service.stop() == 0


async def test_both_killed_under_load_lose_no_operation(serve: Launch, wallets: Wallets) -> None:
    service = await serve()
    acknowledged: dict[str, tuple[str, str]] = {}
    unanswered: dict[str, str] = {}
    enough = asyncio.Event()

    async def load(client: aiohttp.ClientSession, depositor: int, wallet_id: str) -> None:
        for number in itertools.count():
            key = f"{depositor}-{number}"
            unanswered[key] = wallet_id
            try:
                status, body = await deposit(client, wallet_id, key)
            except (aiohttp.ClientError, OSError):
                return
            assert status in (201, 503), body
            if status == 201:
                del unanswered[key]
                acknowledged[key] = (wallet_id, body["operation_id"])
                if len(acknowledged) == 500:
                    enough.set()

    async with service.client() as client:
        wallet_ids = [await create_wallet(client) for _ in range(3)]
        depositors = [asyncio.create_task(load(client, number, wallet_ids[number % 3])) for number in range(24)]
        await within(enough.wait())
        os.kill(service.postgres(), signal.SIGKILL)
        await service.kill()
        await within(asyncio.gather(*depositors))

    service = await serve()
    assert "automatic recovery in progress" in (service.data_dir / "postgres.log").read_text()
    async with service.client() as client:
        found = {wallet_id: await ledger(client, wallet_id) for wallet_id in wallet_ids}
        assert all(found[wallet_id].get(key) == given for key, (wallet_id, given) in acknowledged.items())
        for key, wallet_id in unanswered.items():
            # Retried under the same idempotency key: applied once, then or now.
            status, body = await deposit(client, wallet_id, key)
            assert (status, found[wallet_id].get(key, body["operation_id"])) == (201, body["operation_id"])
        for wallet_id in wallet_ids:
            async with client.get(f"/api/wallets/{wallet_id}/") as response:
                keys = {key for key, (owner, _) in acknowledged.items() if owner == wallet_id}
                keys |= {key for key, owner in unanswered.items() if owner == wallet_id}
                assert await response.json() == {"balance": len(keys)}
    assert await verified(wallets, service.data_dir) == (0, 3)


async def test_every_worker_serves_and_a_killed_one_is_replaced(running: Service) -> None:
    async def serves_without(worker: int) -> None:
        os.kill(worker, signal.SIGSTOP)
        await until(lambda: _stat(worker)[0] == "T")
        async with running.client() as client, client.get("/health/ready") as response:
            assert response.status == 200
        os.kill(worker, signal.SIGCONT)

    await until(lambda: len(running.workers()) == 2)
    first, second = running.workers()
    await serves_without(first)
    await serves_without(second)
    os.kill(first, signal.SIGKILL)
    await until(lambda: len(running.workers() - {first}) == 2)
    await serves_without(second)


async def test_any_worker_shows_what_all_have_counted(running: Service, wallets: Wallets) -> None:
    await until(lambda: len(running.workers()) == 2)
    headers = {"Authorization": f"Bearer {await create_key(wallets, running, 'counted')}"}

    async def counted(client: aiohttp.ClientSession) -> float:
        async with client.get("/metrics", headers=headers) as response:
            assert response.status == 200
            lines = (await response.text()).splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("wallets_operations_total{"))

    async with running.client() as client:
        wallet_id = await create_wallet(client, headers=headers)
        before = await counted(client)
        for _ in range(20):
            assert (await deposit(client, wallet_id, headers=headers))[0] == 201
        assert {await counted(client) for _ in range(20)} == {before + 20}
        killed = min(running.workers())
        os.kill(killed, signal.SIGKILL)
        await until(lambda: len(running.workers() - {killed}) == 2)
        assert {await counted(client) for _ in range(20)} == {before + 20}


async def create_key(wallets: Wallets, service: Service, name: str) -> str:
    status, output, errors = await wallets("createkey", name, "--scope", "manage", DATA_DIR=service.data_dir)
    assert (status, "shown only once" in errors) == (0, True), errors
    return output.strip()


async def test_a_revoked_key_is_rejected_by_every_worker(running: Service, wallets: Wallets) -> None:
    headers = {"Authorization": f"Bearer {await create_key(wallets, running, 'shop')}"}
    async with running.client() as client:
        await create_wallet(client, headers=headers)
        async with client.post("/api/wallets/", json={}) as response:
            assert response.status == 401

        async def status() -> int:
            async with client.get("/api/wallets/", headers=headers) as response:
                return response.status

        async def is_rejected() -> bool:
            return {await status() for _ in range(10)} == {401}

        assert (await wallets("revokekey", "shop", DATA_DIR=running.data_dir))[::2] == (0, "")
        await until(is_rejected)


async def test_commands_work_beside_a_running_service(running: Service, wallets: Wallets) -> None:
    assert await wallets("serve", DATA_DIR=running.data_dir, PORT=0) == (
        1,
        "",
        f"wallets: {running.data_dir} is in use by another service (process {running.process.pid})\n",
    )
    assert await wallets("migrate", DATA_DIR=running.data_dir) == (0, "The database is up to date.\n", "")
    status, number = await verified(wallets, running.data_dir)
    statement = "select count(*) from wallet.list_wallets()"
    assert await wallets("psql", "--", "-Atc", statement, DATA_DIR=running.data_dir) == (status, f"{number}\n", "")
    assert running.process.returncode is None
    async with running.client() as client, client.get("/health/ready") as response:
        assert response.status == 200


async def test_commands_work_without_a_running_service(wallets: Wallets, data_dir: Path, tmp_path: Path) -> None:
    failing = ("psql", "--", "-v", "ON_ERROR_STOP=1", "-c", "select oops")
    status, _, errors = await wallets(*failing, DATA_DIR=data_dir)
    assert (status, "oops" in errors) == (1, True)
    assert not (data_dir / "postgres" / "postmaster.pid").exists()
    assert await verified(wallets, tmp_path / "new") == (0, 0)


async def test_verify_reports_a_tampered_ledger(wallets: Wallets, database_url: str) -> None:
    superuser = await asyncpg.connect(database_url)
    wallet_id = await superuser.fetchval("select id from wallet.create_wallet()")
    await superuser.execute("select wallet.apply_operation($1, 'DEPOSIT', 1)", wallet_id)
    await superuser.execute("set session_replication_role = replica")  # no triggers
    await superuser.execute("update wallet.wallets set balance = 1000000")
    await superuser.close()
    status, output, errors = await wallets("verify", DATABASE_URL=database_url)
    assert (status, errors) == (2, "")
    finding, summary = output.splitlines()
    assert finding == f"{wallet_id}: balance_exact: expected 1, found 1000000"
    assert re.fullmatch(r"wallets verified: 1, operations: 1 \([\d,]+ per second\), broken: 1", summary)


async def test_a_verification_resumes_where_it_was_interrupted(
    wallets: Wallets, database_url: str, owner_connection: asyncpg.Connection
) -> None:
    for _ in range(5):
        await owner_connection.execute("select wallet.apply_operation((wallet.create_wallet()).id, 'DEPOSIT', 1)")
    status, _, errors = await wallets("verify", "--resume", DATABASE_URL=database_url)
    assert (status, "begins at the first wallet" in errors) == (0, True)
    run = await owner_connection.fetchval("select run_id from wallet.begin_verification()")
    await owner_connection.execute("select wallet.verify_next($1, 3)", run)

    status, output, errors = await wallets("verify", "--resume", DATABASE_URL=database_url)
    assert (status, "after 3 wallets, 0 of them broken" in errors) == (0, True)
    assert output.startswith("wallets verified: 5, operations: 5 ")


async def test_a_verification_survives_its_connection(
    wallets: Wallets, database_url: str, owner_connection: asyncpg.Connection, maintenance: asyncpg.Connection
) -> None:
    await owner_connection.execute("select wallet.apply_operation((wallet.create_wallet()).id, 'DEPOSIT', 1)")
    await owner_connection.execute("select wallet.begin_verification()")
    ended = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and wait_event_type = 'Lock'"
    async with owner_connection.transaction():
        await owner_connection.execute("select from wallet.verification_runs for update")
        verification = asyncio.ensure_future(wallets("verify", "--resume", DATABASE_URL=database_url))
        await until(lambda: maintenance.fetchval(ended, urlsplit(database_url).path.strip("/")))
    status, output, errors = await verification
    assert (status, len(errors.splitlines())) == (0, 1), errors
    assert output.startswith("wallets verified: 1, operations: 1 ")


async def test_a_path_too_long_for_a_socket_works(serve: Launch, data_dir: Path) -> None:
    long = data_dir.with_name("x" * 120)
    shutil.move(data_dir, long)
    service = await serve(DATA_DIR=long)
    async with service.client() as client:
        await create_wallet(client)
    socket_dir = Path(parse_qs(urlsplit(EmbeddedPostgres(long).url).query)["host"][0])
    assert socket_dir.parent == Path(tempfile.gettempdir())
    assert os.access(socket_dir, os.F_OK)
    assert await service.stop() == 0
    assert not os.access(socket_dir, os.F_OK)


async def test_a_failed_start_is_reported_in_one_line(wallets: Wallets, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        taken = listener.getsockname()[1]
        for configuration, *expected in (
            ({"PORT": "http"}, "PORT", "'http'"),
            ({"PORT": taken}, f"cannot listen on 127.0.0.1 port {taken}: Address already in use"),
            ({"HOST": "a..b"}, "a..b"),
            ({"HOST": "no-such-host.invalid"}, "no-such-host.invalid"),
            ({"HOST": "0.0.0.0"}, "AUTH=required", "AUTH=off"),  # noqa: S104
            ({"HOST": "::"}, "AUTH=required", "AUTH=off"),
            ({"DATA_DIR": "/dev/null/data"}, "/dev/null/data"),
        ):
            given: dict[str, object] = {"PORT": 0, "DATA_DIR": tmp_path / "new", **configuration}
            status, output, errors = await wallets("serve", **given)
            assert (status, output, len(errors.splitlines())) == (1, "", 1), errors
            assert errors.startswith("wallets: ")
            assert [part for part in expected if part not in errors] == [], errors
    assert not (tmp_path / "new").exists()


async def test_a_key_that_cannot_be_created_is_explained(wallets: Wallets, database_url: str) -> None:
    for arguments, expected in (
        (("createkey", "shop", "--scope", "read", "--rate-limit", "0"), "--rate-limit"),
        (("createkey", " ", "--scope", "read"), "wallets: name "),
        (("revokekey", "nobody"), "API key"),
    ):
        status, output, errors = await wallets(*arguments, DATABASE_URL=database_url)
        assert (status in (1, 2), output) == (True, "")
        assert expected in errors
        assert "Traceback" not in errors


async def test_an_unreachable_database_is_reported_in_one_line(wallets: Wallets) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    for command in ("serve", "migrate", "verify"):
        url = f"postgres://someone:secret@127.0.0.1:{port}/wallets"
        status, output, errors = await wallets(command, DATABASE_URL=url, PORT=0)
        assert (status, output, len(errors.splitlines())) == (1, "", 1), errors
        assert "refused" in errors
        assert "secret" not in errors


async def test_a_database_that_is_not_migrated_is_rejected(
    wallets: Wallets, server_url: str, maintenance: asyncpg.Connection
) -> None:
    name = f"wallets_test_{uuid4().hex}"
    await maintenance.execute(f"create database {name}")
    for command in ("serve", "verify"):
        printed = await wallets(command, DATABASE_URL=renamed(server_url, name), PORT=0)
        assert printed == (1, "", "wallets: the database is not migrated; run: wallets migrate\n")
    await maintenance.execute(f"drop database {name} with (force)")
