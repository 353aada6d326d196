"""The embedded PostgreSQL: what it finds in its directory, whose it is, and what it rejects."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from service import embedded
from service.embedded import DataDirectoryInUseError, EmbeddedError, EmbeddedPostgres

DEADLINE = 90.0

if "TEST_DATABASE_URL" in os.environ:
    pytest.skip("the run without TEST_DATABASE_URL tests the embedded PostgreSQL", allow_module_level=True)
if sys.platform != "linux":
    pytest.skip("looks into /proc", allow_module_level=True)


@pytest.fixture(scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose server is stopped."""
    directory = tmp_path_factory.mktemp("embedded") / "data"
    server = EmbeddedPostgres(directory)
    await server.start()
    assert server.is_new
    await server.stop()
    return directory


@pytest.fixture
def data_dir(cluster: Path, tmp_path: Path) -> Path:
    """A copy of it, with its owner: as root, the server runs as another user."""
    subprocess.run(["cp", "-a", cluster, tmp_path / "data"], check=True)
    return tmp_path / "data"


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """The server of that directory, not started, but stopped at the end."""
    server = EmbeddedPostgres(data_dir)
    yield server
    await server.stop()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can enter."""
    with tempfile.TemporaryDirectory(prefix="wallets-embedded-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


async def query(server: EmbeddedPostgres, statement: str = "select true") -> Any:
    connection = await asyncpg.connect(server.url, database="postgres")
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def pid_file(server: EmbeddedPostgres) -> Path:
    return server.data_dir / "postgres" / "postmaster.pid"


def status_of(server: EmbeddedPostgres) -> dict[str, list[str]]:
    """What the kernel says of its process: `Uid`, `CapEff`."""
    pid = pid_file(server).read_text().split("\n", 1)[0]
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: values.split() for name, _, values in (line.partition(":") for line in lines)}


def lose(server: EmbeddedPostgres) -> asyncio.subprocess.Process:
    """Forgets a running server, as a service does that dies without its server noticing."""
    assert server._supervisor is not None
    assert server._process is not None
    assert server._lock is not None
    server._supervisor.cancel()
    os.close(server._lock)
    process = server._process
    server._supervisor = server._process = server._lock = None
    return process


async def crash(server: EmbeddedPostgres) -> None:
    """Starts a server and kills it, without a restart."""
    await server.start()
    process = lose(server)
    process.kill()
    await process.wait()
    assert pid_file(server).exists()


async def test_it_keeps_its_data_from_start_to_start(server: EmbeddedPostgres) -> None:
    for _ in range(2):
        await server.start()
        assert not server.is_new
        assert await query(server)
        await server.stop()
        assert not pid_file(server).exists()


async def test_it_has_no_network_and_a_quarter_of_the_memory(server: EmbeddedPostgres) -> None:
    await server.start()
    assert await query(server, "show listen_addresses") == ""
    buffers = await query(server, "select pg_size_bytes(current_setting('shared_buffers'))")
    assert buffers == min(embedded.usable_memory() // 4, 4 << 30) >> 20 << 20


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        pytest.param("0::/a/b\n", {"a/memory.max": "268435456", "a/b/memory.max": "max\n"}, 256 << 20, id="of a unit"),
        pytest.param("0::/\n", {"memory.max": "134217728\n"}, 128 << 20, id="of a container"),
        pytest.param(
            "5:cpu:/x\n4:memory:/docker/c\n",
            {"memory/memory.limit_in_bytes": "134217728\n", "memory.max": "1\n"},
            128 << 20,
            id="version 1",
        ),
        pytest.param("0::/\n", {"memory.max": str(1 << 62)}, None, id="more than there is"),
        pytest.param("0::/a\n", {"a/memory.max": "max\n"}, None, id="none"),
        pytest.param(None, {}, None, id="no cgroups"),
    ],
)
def test_memory_is_what_the_process_may_use(
    tmp_path: Path, groups: str | None, limits: dict[str, str], expected: int | None
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    if groups is not None:
        (tmp_path / "proc/self/cgroup").write_text(groups)
    for name, limit in limits.items():
        file = tmp_path / "cgroups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(limit)
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert embedded.usable_memory(tmp_path / "proc", tmp_path / "cgroups") == (expected or machine)


async def test_only_one_service_uses_it_and_commands_join_it(server: EmbeddedPostgres) -> None:
    await server.start()
    with pytest.raises(DataDirectoryInUseError, match=f"in use by another service .process {os.getpid()}"):
        await EmbeddedPostgres(server.data_dir).start()
    async with embedded.running(server.data_dir) as used:
        assert await query(used)
    assert await query(server)
    await server.stop()
    async with embedded.running(server.data_dir) as used:
        assert await query(used)
    assert not pid_file(used).exists()


async def test_it_ends_a_server_that_outlived_its_service(server: EmbeddedPostgres) -> None:
    await server.start()
    outlived = lose(server)
    await server.start()
    assert outlived.returncode == 0
    assert await query(server)


async def test_after_a_crash_its_old_pid_may_be_another_process(server: EmbeddedPostgres, cluster: Path) -> None:
    with subprocess.Popen(["sleep", "infinity"]) as other:  # noqa: ASYNC220
        await crash(server)
        _, rest = pid_file(server).read_text().split("\n", 1)
        pid_file(server).write_text(f"{other.pid}\n{rest}")
        await server.start()
        assert await query(server)
        assert other.poll() is None
        other.kill()
    await server.stop()
    async with embedded.running(cluster) as postgres:  # or even another PostgreSQL
        other_pid = pid_file(postgres).read_text().split("\n", 1)[0]
        await crash(server)
        _, rest = pid_file(server).read_text().split("\n", 1)
        pid_file(server).write_text(f"{other_pid}\n{rest}")
        await server.start()
        assert await query(server)
        assert await query(postgres)
        assert pid_file(postgres).read_text().startswith(f"{other_pid}\n")


async def test_after_a_power_loss_its_pid_file_may_be_empty(server: EmbeddedPostgres) -> None:
    for content in (b"", b"\0" * 100):
        await crash(server)
        pid_file(server).write_bytes(content)
        await server.start()
        assert await query(server)
        await server.stop()


async def test_it_waits_for_a_query_that_survives_its_server(server: EmbeddedPostgres) -> None:
    await server.start()
    connection = await asyncpg.connect(server.url, database="postgres")
    await connection.execute("set statement_timeout = '1s'")
    busy = asyncio.create_task(connection.execute("do $$ begin loop end loop; end $$"))
    async with asyncio.timeout(DEADLINE):
        while not await query(server, "select count(*) from pg_stat_activity where query like 'do %'"):
            pass
    os.kill(int(pid_file(server).read_text().split("\n", 1)[0]), signal.SIGKILL)
    with pytest.raises((asyncpg.QueryCanceledError, asyncpg.PostgresConnectionError, OSError)):
        await busy
    connection.terminate()
    async with asyncio.timeout(DEADLINE):
        while True:
            with contextlib.suppress(asyncpg.PostgresError, OSError):
                assert await query(server)
                break
            await asyncio.sleep(0.01)
    assert "pre-existing shared memory block" in (server.data_dir / "postgres.log").read_text()


async def test_an_interrupted_initdb_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres.unfinished" / "base").mkdir(parents=True)
    async with embedded.running(tmp_path / "data") as server:
        assert server.is_new
        assert await query(server)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["lock", "postgres", "postgres.log"]


async def test_a_failed_start_says_why_and_can_be_repeated(server: EmbeddedPostgres, data_dir: Path) -> None:
    control = data_dir / "postgres" / "global" / "pg_control"
    control.rename(control.with_name("away"))
    for _ in range(2):
        with pytest.raises(EmbeddedError, match="could not find the database system"):
            await server.start()
    control.with_name("away").rename(control)
    await server.start()
    assert await query(server)


async def test_a_file_in_place_of_a_directory_is_reported(tmp_path: Path) -> None:
    for name in ("data", "data/run"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.touch()
        with pytest.raises(EmbeddedError, match=f"{file} "):
            await EmbeddedPostgres(tmp_path / "data").start()
        file.unlink()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_directory_without_write_permission_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)  # noqa: ASYNC240
    with pytest.raises(EmbeddedError, match="Permission denied"):
        await EmbeddedPostgres(tmp_path / "data").start()


@as_root
async def test_in_an_open_directory_root_gives_it_no_rights(open_directory: Path, cluster: Path) -> None:
    subprocess.run(["cp", "-a", cluster, open_directory / "data"], check=True)  # noqa: ASYNC221
    async with embedded.running(open_directory / "data") as server:
        assert await query(server)
        assert "0" not in status_of(server)["Uid"]
        if all(embedded._is_open_to_others(path) for path in (server._bin, server._bin / "postgres")):
            assert int(status_of(server)["CapEff"][0], 16) == 0


@as_root
async def test_in_a_closed_directory_root_gives_it_one_right(server: EmbeddedPostgres, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)  # noqa: ASYNC240
    # The owner of the data needs no name.
    subprocess.run(["chown", "-R", "54321:54321", server.data_dir / "postgres"], check=True)  # noqa: ASYNC221
    await server.start()
    assert await query(server)
    assert status_of(server)["Uid"] == ["54321"] * 4
    assert int(status_of(server)["CapEff"][0], 16) == 1 << 1  # CAP_DAC_OVERRIDE


@as_root
async def test_root_uses_no_socket_directory_of_another_user(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("x" * 120))
    server._socket_dir.mkdir()
    try:
        os.chown(server._socket_dir, 54321, 54321)
        with pytest.raises(EmbeddedError, match="belongs to another user"):
            await server.start()
    finally:
        server._socket_dir.rmdir()


async def test_it_works_under_the_strictest_umask(open_directory: Path) -> None:
    umask = os.umask(0o077)
    try:
        async with embedded.running(open_directory / "parent" / "data") as server:
            assert server.is_new
            assert await query(server)
    finally:
        os.umask(umask)
