"""`wallets createsuperuser`, in a process of its own: for a script, and at a terminal."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from ledger import Database

from service import superuser
from service.admin.passwords import Passwords
from service.superuser import SuperuserError

from . import PASSWORD
from .conftest import Open

COMMAND = (sys.executable, "-m", "service", "createsuperuser")
DEADLINE = 60.0
CREATED = "Admin {} created; sign in at /admin/."


@pytest.fixture(autouse=True)
def environment(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command inherits: a database, and no password."""
    monkeypatch.chdir(tmp_path)  # without .env
    for name in [name for name in os.environ if "POSTGRES" in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", database.url)
    monkeypatch.setenv("ADMIN_PASSWORD", "")


def run(*arguments: str, given: bytes = b"") -> tuple[int, str, str]:
    """Runs the command without a terminal: its status, standard output and standard error."""
    ended = subprocess.run([*COMMAND, *arguments], input=given, capture_output=True, timeout=DEADLINE, check=False)
    return ended.returncode, ended.stdout.decode(), ended.stderr.decode()


class Terminal:
    """The command at a terminal, and what it shows there."""

    def __init__(self, process: subprocess.Popen[bytes], ours: int) -> None:
        self.process = process
        self.ours = ours
        self.seen = ""

    @classmethod
    @contextlib.contextmanager
    def open(cls, *arguments: str) -> Iterator["Terminal"]:
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        with process:
            try:
                yield cls(process, ours)
            finally:
                process.kill()
                os.close(ours)

    def type(self, typed: str) -> None:
        os.write(self.ours, typed.encode())

    def talk(self, *replies: tuple[str, str]) -> int:
        """Waits for each question and types the reply; its status, once it has ended."""
        for question, text in replies:
            self.wait_for(question)
            self.type(f"{text}\n")
        while self._read():
            pass
        return self.process.wait(DEADLINE)

    def wait_for(self, question: str) -> None:
        begin = len(self.seen)
        while not self.seen.endswith(question, begin):
            assert self._read(), self.seen

    def _read(self) -> bool:
        assert select.select([self.ours], [], [], DEADLINE)[0], self.seen
        try:
            read = os.read(self.ours, 1).decode()
        except OSError:  # the other side is closed
            return False
        self.seen += read
        return read != ""


async def admins(database: Database) -> list[str]:
    return [row["username"] for row in await database.owner.fetch("select username from wallet.admins order by 1")]


async def test_a_script_creates_admins_who_can_sign_in(open_browser: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    for username, in_environment, given in (("ann", PASSWORD, ""), ("bob", "", f"{PASSWORD}\nmore\n")):
        monkeypatch.setenv("ADMIN_PASSWORD", in_environment)
        assert run("--username", username, given=given.encode()) == (0, f"{CREATED.format(username)}\n", "")
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
    assert await admins(database) == [admin]
    assert await database.owner.fetchval("select count(*) from wallet.audit") == 1


def test_an_error_of_a_script_is_one_line(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    bob, unreachable = ("--username", "bob"), "postgres://ann:hunter2@127.0.0.1:1/wallets"
    for arguments, given, url, text in (
        ((), PASSWORD.encode(), database.url, "no terminal: give --username NAME"),
        (bob, b"\xff" * 20, database.url, "the password must be UTF-8"),
        (bob, b"", database.url, "This password is too short"),
        (bob, b"", unreachable, "cannot connect to the database"),
    ):
        monkeypatch.setenv("DATABASE_URL", url)
        status, output, errors = run(*arguments, given=given)
        assert (status, output, errors.count("\n")) == (1, "", 1), errors
        assert errors.startswith(f"wallets: {text}")
        assert "hunter2" not in errors


async def test_a_terminal_is_asked_until_the_input_is_right(admin: str, database: Database) -> None:
    with Terminal.open() as terminal:
        status = terminal.talk(
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


async def test_a_terminal_can_cancel(database: Database) -> None:
    for is_end_of_input, status, text in ((True, 1, "wallets: no admin was created"), (False, 130, "")):
        with Terminal.open("--username", "bob") as terminal:
            terminal.wait_for("Password: ")
            if is_end_of_input:
                terminal.type("\x04")
            else:
                terminal.process.send_signal(signal.SIGINT)
            assert terminal.talk() == status, terminal.seen
        assert text in terminal.seen
        for unwanted in ("Username", "Traceback"):
            assert unwanted not in terminal.seen
    assert await admins(database) == []


async def test_a_lost_database_is_one_line(
    maintenance: asyncpg.Connection, own_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", own_database_url)
    with Terminal.open("--username", "bob") as terminal:
        terminal.wait_for("Password: ")
        await maintenance.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1",
            urlsplit(own_database_url).path.strip("/"),
        )
        terminal.type(f"{PASSWORD}\n")
        assert terminal.talk(("Password (again): ", PASSWORD)) == 1
    assert "\r\nwallets: database error: " in terminal.seen
    assert "Traceback" not in terminal.seen
