"""`wallets createsuperuser`, in a process of its own: for a script, and at a terminal."""

import asyncio
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from service import superuser
from service.admin.passwords import Passwords
from service.embedded import EmbeddedPostgres
from service.superuser import SuperuserError

from . import PASSWORD
from .conftest import Open

pytestmark = pytest.mark.shared_database

DEADLINE = 60.0
CREATED = "Admin {} created; sign in at /admin/."

Run = Callable[..., Awaitable[tuple[int, str, str]]]
Start = Callable[..., "Terminal"]


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    """The environment of the command: a database, and no password."""
    own = {name: text for name, text in os.environ.items() if "POSTGRES" not in name}
    return own | {"DATABASE_URL": database_url, "ADMIN_PASSWORD": ""}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs the command without a terminal: its status, standard output and standard error."""

    async def execute(*arguments: str, given: bytes = b"", **more: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "createsuperuser", *arguments),
            env=environment | more,
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        output, errors = await asyncio.wait_for(process.communicate(given), DEADLINE)
        assert process.returncode is not None
        return process.returncode, output.decode(), errors.decode()

    return execute


class Terminal:
    """The command at a terminal, and what it shows there."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str], directory: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "service", "createsuperuser", *arguments],
            env=environment,
            cwd=directory,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    def reply(self, question: str, text: str) -> None:
        """Waits for a question, and types."""
        self.wait_for(question)
        os.write(self._ours, f"{text}\n".encode())

    def wait_for(self, text: str) -> None:
        new = ""
        while text not in new:
            read = self._read()
            assert read, self.seen
            new += read
        assert new.endswith(text), new

    def end(self) -> int:
        """Its status, once it has ended."""
        while self._read():
            pass
        return self.process.wait(DEADLINE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self) -> str:
        assert select.select([self._ours], [], [], DEADLINE)[0], self.seen
        try:
            read = os.read(self._ours, 1).decode()
        except OSError:  # the other side is closed
            return ""
        self.seen += read
        return read


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts the command at a terminal."""
    opened: list[Terminal] = []

    def begin(*arguments: str, **more: str) -> Terminal:
        opened.append(Terminal(arguments, environment | more, tmp_path))
        return opened[-1]

    yield begin
    for terminal in opened:
        terminal.close()


async def admins(connection: asyncpg.Connection) -> list[str]:
    return [row["username"] for row in await connection.fetch("select username from wallet.admins order by 1")]


async def test_a_script_creates_admins_who_can_sign_in(run: Run, open_browser: Open) -> None:
    how: dict[str, Any]
    for username, how in (("ann", {"ADMIN_PASSWORD": PASSWORD}), ("bob", {"given": f"{PASSWORD}\nmore\n".encode()})):
        assert await run("--username", username, **how) == (0, f"{CREATED.format(username)}\n", "")
        assert (await open_browser().sign_in(username, PASSWORD)).status == 303


@pytest.mark.usefixtures("admin")
async def test_wrong_input_of_a_script_is_explained(
    app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for username, password, text in (
        ("ALICE", PASSWORD, "admin already exists: ALICE"),
        ("a b", PASSWORD, "username must be 1 to 150 letters, digits and @ . + - _"),
        ("", PASSWORD, "username must be 1 to 150 letters, digits and @ . + - _"),
        ("\udcff", PASSWORD, "the username must be UTF-8"),
        ("bob", "short", "This password is too short: it must have at least 10 characters."),
        ("bob", "password123", "This password is too easy to guess: "),
        ("bob", "\udcff" * 20, "ADMIN_PASSWORD must be UTF-8"),
    ):
        monkeypatch.setenv("ADMIN_PASSWORD", password)
        with pytest.raises(SuperuserError, match=re.escape(text)):
            await superuser.create(app_connection, username)
    assert await admins(owner_connection) == ["alice"]
    assert await owner_connection.fetchval("select count(*) from wallet.audit") == 1


async def test_an_error_of_a_script_is_one_line(run: Run) -> None:
    for arguments, given, text in (
        ([], PASSWORD.encode(), "no terminal: give --username NAME"),
        (["--username", "bob"], b"\xff" * 20, "the password must be UTF-8"),
        (["--username", "bob"], b"", "This password is too short"),
    ):
        status, output, errors = await run(*arguments, given=given)
        assert (status, output, errors.count("\n")) == (1, "", 1)
        assert errors.startswith(f"wallets: {text}")


async def test_an_unreachable_database_is_one_line(run: Run) -> None:
    status, _, errors = await run("--username", "bob", DATABASE_URL="postgres://ann:hunter2@127.0.0.1:1/wallets")
    assert (status, errors.count("\n")) == (1, 1)
    assert errors.startswith("wallets: cannot connect to the database")
    assert "hunter2" not in errors


async def test_a_terminal_is_asked_until_the_input_is_right(
    start: Start, admin: str, owner_connection: asyncpg.Connection
) -> None:
    terminal = start()

    def talk() -> int:
        terminal.reply("Username: ", admin)
        terminal.reply("admin already exists: alice\r\nUsername: ", "b b")
        terminal.reply("digits and @ . + - _\r\nUsername: ", "bob")
        terminal.reply("Password: ", PASSWORD)
        terminal.reply("Password (again): ", "another")
        terminal.reply("The two passwords are not the same.\r\nPassword: ", "short")
        terminal.reply("Password (again): ", "short")
        terminal.reply("it must have at least 10 characters.\r\nPassword: ", PASSWORD)
        terminal.reply("Password (again): ", PASSWORD)
        return terminal.end()

    assert await asyncio.to_thread(talk) == 0
    assert PASSWORD not in terminal.seen
    assert terminal.seen.endswith(f"{CREATED.format('bob')}\r\n")
    stored = await owner_connection.fetchval("select password_hash from wallet.admins where username = 'bob'")
    assert await Passwords().verify(stored, PASSWORD)


async def test_a_given_username_is_not_asked_for(start: Start, owner_connection: asyncpg.Connection) -> None:
    terminal = start("--username", "bob")

    def talk() -> int:
        terminal.reply("Password: ", PASSWORD)
        terminal.reply("Password (again): ", PASSWORD)
        return terminal.end()

    assert await asyncio.to_thread(talk) == 0
    assert "Username" not in terminal.seen
    assert await admins(owner_connection) == ["bob"]


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (lambda terminal: os.write(terminal._ours, b"\x04"), 1, "wallets: no admin was created"),
        (lambda terminal: terminal.process.send_signal(signal.SIGINT), 130, ""),
    ],
    ids=["Ctrl+D", "Ctrl+C"],
)
async def test_a_terminal_can_cancel(
    start: Start, owner_connection: asyncpg.Connection, given: Callable[[Terminal], None], status: int, said: str
) -> None:
    terminal = start("--username", "bob")

    def talk() -> int:
        terminal.wait_for("Password: ")
        given(terminal)
        return terminal.end()

    assert await asyncio.to_thread(talk) == status
    assert said in terminal.seen
    assert "Traceback" not in terminal.seen
    assert await admins(owner_connection) == []


async def test_a_lost_database_is_one_line(
    start: Start, maintenance: asyncpg.Connection, own_database_url: str
) -> None:
    terminal = start("--username", "bob", DATABASE_URL=own_database_url)
    await asyncio.to_thread(terminal.wait_for, "Password: ")
    await maintenance.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'wallets'",
        urlsplit(own_database_url).path.strip("/"),
    )

    def talk() -> int:
        os.write(terminal._ours, f"{PASSWORD}\n".encode())
        terminal.reply("Password (again): ", PASSWORD)
        return terminal.end()

    assert await asyncio.to_thread(talk) == 1
    assert "\r\nwallets: database error: " in terminal.seen
    assert "Traceback" not in terminal.seen


async def test_the_embedded_database_may_run_or_not(run: Run, tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    how = {"DATABASE_URL": "", "DATA_DIR": str(data_dir), "ADMIN_PASSWORD": PASSWORD}
    assert (await run("--username", "alice", **how))[0] == 0
    server = EmbeddedPostgres(data_dir)
    await server.start()
    try:
        assert (await run("--username", "bob", **how))[0] == 0
        connection = await asyncpg.connect(server.url)
        assert await admins(connection) == ["alice", "bob"]
        await connection.close()
    finally:
        await server.stop()
