"""The embedded PostgreSQL: what it finds in its directory, whose it is, and what it refuses."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

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
    """A copy of it."""
    # As root, it belongs to another user, and has to go on doing so.
    subprocess.run(["cp", "-a", cluster, tmp_path / "data"], check=True)
    return tmp_path / "data"


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """The one of that directory, not started, but stopped in the end."""
    server = EmbeddedPostgres(data_dir)
    yield server
    await server.stop()


@pytest.fixture
def another_process() -> Iterator[int]:
    """The pid of a process that has nothing to do with all this."""
    with subprocess.Popen(["sleep", "infinity"]) as process:
        yield process.pid
        assert process.poll() is None
        process.kill()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user can enter."""
    directory = Path(tempfile.mkdtemp(prefix="wallets-test-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server as another user")


async def connect(server: EmbeddedPostgres) -> asyncpg.Connection:
    return await asyncpg.connect(server.url, database="postgres")


async def answers(server: EmbeddedPostgres) -> bool:
    connection = await connect(server)
    try:
        return bool(await connection.fetchval("select true"))
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
    """Forgets a server that runs, as a service does that dies without its server noticing."""
    assert server._supervisor is not None
    assert server._process is not None
    assert server._lock is not None
    server._supervisor.cancel()
    os.close(server._lock)
    process = server._process
    server._supervisor = server._process = server._lock = None
    return process


async def crash(server: EmbeddedPostgres) -> None:
    """Starts a server and kills it, along with who would start it again."""
    await server.start()
    process = lose(server)
    process.kill()
    await process.wait()
    assert pid_file(server).exists()


async def test_it_keeps_its_data_from_start_to_start(server: EmbeddedPostgres) -> None:
    for _ in range(2):
        await server.start()
        assert not server.is_new
        assert await answers(server)
        await server.stop()
        assert not pid_file(server).exists()


async def test_it_does_not_listen_on_the_network(server: EmbeddedPostgres) -> None:
    await server.start()
    connection = await connect(server)
    assert await connection.fetchval("show listen_addresses") == ""
    await connection.close()


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


async def test_it_caches_in_a_quarter_of_the_memory(server: EmbeddedPostgres) -> None:
    await server.start()
    connection = await connect(server)
    buffers = await connection.fetchval("select pg_size_bytes(current_setting('shared_buffers'))")
    assert buffers == min(embedded.usable_memory() // 4, 4 << 30) >> 20 << 20
    await connection.close()


async def test_it_can_be_used_by_one_service_only(server: EmbeddedPostgres) -> None:
    await server.start()
    with pytest.raises(DataDirectoryInUseError, match=f"in use by another service .process {os.getpid()}"):
        await EmbeddedPostgres(server.data_dir).start()
    assert await answers(server)


async def test_a_command_uses_the_server_that_runs(server: EmbeddedPostgres) -> None:
    await server.start()
    async with embedded.running(server.data_dir) as used:
        assert await answers(used)
    assert await answers(server)


async def test_a_command_runs_a_server_where_there_is_none(data_dir: Path) -> None:
    async with embedded.running(data_dir) as used:
        assert await answers(used)
    assert not pid_file(used).exists()


async def test_it_ends_a_server_that_outlived_its_service(server: EmbeddedPostgres) -> None:
    await server.start()
    outlived = lose(server)
    await server.start()
    assert outlived.returncode == 0
    assert await answers(server)


async def test_it_starts_after_a_crash_though_its_old_pid_is_another_process_by_now(
    server: EmbeddedPostgres, another_process: int
) -> None:
    await crash(server)
    _, rest = pid_file(server).read_text().split("\n", 1)
    pid_file(server).write_text(f"{another_process}\n{rest}")
    await server.start()
    assert await answers(server)


async def test_it_starts_after_a_crash_though_its_old_pid_is_another_postgresql_by_now(
    server: EmbeddedPostgres, cluster: Path
) -> None:
    await crash(server)
    async with embedded.running(cluster) as other:
        other_pid = pid_file(other).read_text().split("\n", 1)[0]
        _, rest = pid_file(server).read_text().split("\n", 1)
        pid_file(server).write_text(f"{other_pid}\n{rest}")
        await server.start()
        assert await answers(server)
        assert await answers(other)
        assert pid_file(other).read_text().startswith(f"{other_pid}\n")


@pytest.mark.parametrize("content", [b"", b"\0" * 100], ids=["empty", "zeros"])
async def test_it_starts_though_a_lost_machine_left_an_empty_pid_file(server: EmbeddedPostgres, content: bytes) -> None:
    await crash(server)
    pid_file(server).write_bytes(content)
    await server.start()
    assert await answers(server)


async def test_a_query_that_survives_the_killed_server_is_waited_for(server: EmbeddedPostgres) -> None:
    await server.start()
    connection = await connect(server)
    await connection.execute("set statement_timeout = '1s'")
    busy = asyncio.create_task(connection.execute("do $$ begin loop end loop; end $$"))
    other = await connect(server)
    try:
        async with asyncio.timeout(DEADLINE):
            while not await other.fetchval("select count(*) from pg_stat_activity where query like 'do %'"):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    finally:
        await other.close()
    killed = pid_file(server).read_text().split("\n", 1)[0]
    os.kill(int(killed), signal.SIGKILL)
    with pytest.raises((asyncpg.QueryCanceledError, asyncpg.PostgresConnectionError, OSError)):
        await busy
    connection.terminate()
    async with asyncio.timeout(DEADLINE):
        while True:
            try:
                assert await answers(server)
                break
            except (asyncpg.PostgresError, OSError):
                await asyncio.sleep(0.01)
    assert "pre-existing shared memory block" in (server.data_dir / "postgres.log").read_text()


async def test_what_an_interrupted_initdb_left_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres.unfinished" / "base").mkdir(parents=True)
    async with embedded.running(tmp_path / "data") as server:
        assert server.is_new
        assert await answers(server)
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["lock", "postgres", "postgres.log"]


async def test_a_server_that_cannot_start_says_why_and_leaves_the_directory_free(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    control = data_dir / "postgres" / "global" / "pg_control"
    control.rename(control.with_name("away"))
    for _ in range(2):
        with pytest.raises(EmbeddedError, match="could not find the database system"):
            await server.start()
    control.with_name("away").rename(control)
    await server.start()
    assert await answers(server)


@pytest.mark.parametrize("name", ["data", "data/run"])
async def test_a_file_in_its_way_is_said(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    with pytest.raises(EmbeddedError, match=f"{file} is not a directory"):
        await EmbeddedPostgres(tmp_path / "data").start()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_directory_that_is_not_ours_to_write_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)  # noqa: ASYNC240
    with pytest.raises(EmbeddedError, match="Permission denied"):
        await EmbeddedPostgres(tmp_path / "data").start()


@as_root
async def test_as_root_in_an_open_directory_it_has_no_rights_of_root(open_directory: Path, cluster: Path) -> None:
    subprocess.run(["cp", "-a", cluster, open_directory / "data"], check=True)  # noqa: ASYNC221
    async with embedded.running(open_directory / "data") as server:
        assert await answers(server)
        assert "0" not in status_of(server)["Uid"]
        if all(embedded._is_open_to_others(path) for path in (server._bin, server._bin / "postgres")):
            assert int(status_of(server)["CapEff"][0], 16) == 0


@as_root
async def test_as_root_in_a_closed_directory_it_may_pass_it_and_nothing_else(
    server: EmbeddedPostgres, tmp_path: Path
) -> None:
    tmp_path.chmod(0o700)  # noqa: ASYNC240
    await server.start()
    assert await answers(server)
    assert "0" not in status_of(server)["Uid"]
    assert int(status_of(server)["CapEff"][0], 16) == 1 << 1  # CAP_DAC_OVERRIDE


@as_root
async def test_as_root_it_runs_as_the_owner_of_the_data_though_he_has_no_name(
    server: EmbeddedPostgres, data_dir: Path
) -> None:
    subprocess.run(["chown", "-R", "54321:54321", data_dir / "postgres"], check=True)  # noqa: ASYNC221
    await server.start()
    assert await answers(server)
    assert status_of(server)["Uid"] == ["54321"] * 4


@as_root
async def test_as_root_it_takes_no_socket_directory_of_somebody_else(tmp_path: Path) -> None:
    server = EmbeddedPostgres(tmp_path / ("x" * 120))
    server._socket_dir.mkdir()
    try:
        os.chown(server._socket_dir, 54321, 54321)
        with pytest.raises(EmbeddedError, match="belongs to another user"):
            await server.start()
    finally:
        server._socket_dir.rmdir()


async def test_it_works_under_a_umask_that_closes_everything(open_directory: Path) -> None:
    umask = os.umask(0o077)
    try:
        async with embedded.running(open_directory / "parent" / "data") as server:
            assert server.is_new
            assert await answers(server)
    finally:
        os.umask(umask)
