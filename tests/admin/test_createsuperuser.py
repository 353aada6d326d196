"""`wallets createsuperuser`, in a process of its own: for a script, and at a terminal."""

import asyncio
import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from ledger import Database

from service import superuser
from service.admin.passwords import Passwords
from service.embedded import EmbeddedPostgres
from service.superuser import SuperuserError

from . import PASSWORD
from .conftest import Open

COMMAND = (sys.executable, "-m", "service", "createsuperuser")
DEADLINE = 60.0
CREATED = "Admin {} created; sign in at /admin/."

Run = Callable[..., Awaitable[tuple[int, str, str]]]
Start = Callable[..., "Terminal"]


@pytest.fixture
def environment(database: Database) -> dict[str, str]:
    """The environment of the command: a database, and no password."""
    own = {name: text for name, text in os.environ.items() if "POSTGRES" not in name}
    return own | {"DATABASE_URL": database.url, "ADMIN_PASSWORD": ""}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs the command without a terminal: its status, standard output and standard error."""

    async def execute(*arguments: str, given: str = "", **more: str) -> tuple[int, str, str]:
        ended = await asyncio.to_thread(
            subprocess.run,
            [*COMMAND, *arguments],
            env=environment | more,
            cwd=tmp_path,
            input=os.fsencode(given),
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        return ended.returncode, ended.stdout.decode(), ended.stderr.decode()

    return execute


class Terminal:
    """The command at a terminal, and what it shows there."""

    def __init__(self, arguments: tuple[str, ...], environment: dict[str, str], directory: Path) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            env=environment,
            cwd=directory,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.seen = ""

    async def wait_for(self, question: str) -> None:
        await asyncio.to_thread(self._read, question)

    def type(self, typed: str) -> None:
        os.write(self._ours, typed.encode())

    async def talk(self, *replies: tuple[str, str]) -> int:
        """Waits for each question and types the reply; its status, once it has ended."""
        for question, text in replies:
            await self.wait_for(question)
            self.type(f"{text}\n")
        await asyncio.to_thread(self._read, None)
        return await asyncio.to_thread(self.process.wait, DEADLINE)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._ours)

    def _read(self, question: str | None) -> None:
        """Reads until what is new ends with a question, or to the end."""
        begin = len(self.seen)
        while question is None or not self.seen.endswith(question, begin):
            assert select.select([self._ours], [], [], DEADLINE)[0], self.seen
            try:
                read = os.read(self._ours, 1).decode()
            except OSError:  # the other side is closed
                read = ""
            if not read:
                assert question is None, self.seen
                return
            self.seen += read


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts the command at a terminal."""
    with contextlib.ExitStack() as opened:

        def begin(*arguments: str, **more: str) -> Terminal:
            terminal = Terminal(arguments, environment | more, tmp_path)
            opened.callback(terminal.close)
            return terminal

        yield begin


async def admins(connection: asyncpg.Connection) -> list[str]:
    return [row["username"] for row in await connection.fetch("select username from wallet.admins order by 1")]


async def test_a_script_creates_admins_who_can_sign_in(run: Run, open_browser: Open) -> None:
    for username, how in (("ann", {"ADMIN_PASSWORD": PASSWORD}), ("bob", {"given": f"{PASSWORD}\nmore\n"})):
        assert await run("--username", username, **how) == (0, f"{CREATED.format(username)}\n", "")
        assert (await open_browser().sign_in(username, PASSWORD)).status == 303


async def test_wrong_input_of_a_script_is_explained(
    admin: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for username, password, text in (
        ("ALICE", PASSWORD, "admin already exists: ALICE"),
        ("a b", PASSWORD, "username must be 1 to 150 letters, digits and @ . + - _"),
        ("\udcff", PASSWORD, "the username must be UTF-8"),
        ("bob", "short", "This password is too short: it must have at least 10 characters."),
        ("bob", "password123", "This password is too easy to guess: "),
        ("bob", "\udcff" * 20, "ADMIN_PASSWORD must be UTF-8"),
    ):
        monkeypatch.setenv("ADMIN_PASSWORD", password)
        with pytest.raises(SuperuserError, match=re.escape(text)):
            await superuser.create(database.app, username)
    assert await admins(database.owner) == [admin]
    assert await database.owner.fetchval("select count(*) from wallet.audit") == 1


async def test_an_error_of_a_script_is_one_line(run: Run) -> None:
    bob, unreachable = ("--username", "bob"), "postgres://ann:hunter2@127.0.0.1:1/wallets"
    for arguments, how, text in (
        ((), {"given": PASSWORD}, "no terminal: give --username NAME"),
        (bob, {"given": "\udcff" * 20}, "the password must be UTF-8"),
        (bob, {}, "This password is too short"),
        (bob, {"DATABASE_URL": unreachable}, "cannot connect to the database"),
    ):
        status, output, errors = await run(*arguments, **how)
        assert (status, output, errors.count("\n")) == (1, "", 1), errors
        assert errors.startswith(f"wallets: {text}")
        assert "hunter2" not in errors


async def test_a_terminal_is_asked_until_the_input_is_right(start: Start, admin: str, database: Database) -> None:
    terminal = start()
    status = await terminal.talk(
        ("Username: ", admin),
        ("admin already exists: alice\r\nUsername: ", "b b"),
        ("digits and @ . + - _\r\nUsername: ", "bob"),
        ("Password: ", PASSWORD),
        ("Password (again): ", "another"),
        ("The two passwords are not the same.\r\nPassword: ", "short"),
        ("Password (again): ", "short"),
        ("it must have at least 10 characters.\r\nPassword: ", PASSWORD),
        ("Password (again): ", PASSWORD),
    )
    assert status == 0
    assert PASSWORD not in terminal.seen
    assert terminal.seen.endswith(f"{CREATED.format('bob')}\r\n")
    stored = await database.owner.fetchval("select password_hash from wallet.admins where username = 'bob'")
    assert await Passwords().verify(stored, PASSWORD)


async def test_a_terminal_can_cancel(start: Start, database: Database) -> None:
    for key, status, text in (("\x04", 1, "wallets: no admin was created"), (None, 130, "")):
        terminal = start("--username", "bob")
        await terminal.wait_for("Password: ")
        if key is None:
            terminal.process.send_signal(signal.SIGINT)
        else:
            terminal.type(key)
        assert await terminal.talk() == status, terminal.seen
        assert text in terminal.seen
        assert "Username" not in terminal.seen
        assert "Traceback" not in terminal.seen
    assert await admins(database.owner) == []


async def test_a_lost_database_is_one_line(
    start: Start, maintenance: asyncpg.Connection, own_database_url: str
) -> None:
    terminal = start("--username", "bob", DATABASE_URL=own_database_url)
    await terminal.wait_for("Password: ")
    await maintenance.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'wallets'",
        urlsplit(own_database_url).path.strip("/"),
    )
    terminal.type(f"{PASSWORD}\n")
    assert await terminal.talk(("Password (again): ", PASSWORD)) == 1
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
