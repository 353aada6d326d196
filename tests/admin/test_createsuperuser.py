"""`wallets createsuperuser`, in a process of its own: for a script, and at a terminal."""

import asyncio
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from service.admin import passwords
from service.embedded import EmbeddedPostgres

from . import PASSWORD, Browser

DEADLINE = 60.0

Run = Callable[..., Awaitable[tuple[int, str, str]]]
Start = Callable[..., "Terminal"]


@pytest.fixture
def environment(database_url: str) -> dict[str, str]:
    """The environment of the command: a database, and no password."""
    own = {name: text for name, text in os.environ.items() if "POSTGRES" not in name}
    return own | {"DATABASE_URL": database_url, "ADMIN_PASSWORD": ""}


@pytest.fixture
def run(environment: dict[str, str], tmp_path: Path) -> Run:
    """Runs the command without a terminal, to its end: its status, what it printed, and what it complained of."""

    async def execute(*arguments: str, given: bytes = b"", **more: str) -> tuple[int, str, str]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "createsuperuser", *arguments),
            env=environment | more,
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        printed, complained = await asyncio.wait_for(process.communicate(given), DEADLINE)
        assert process.returncode is not None
        return process.returncode, printed.decode(), complained.decode()

    return execute


class Terminal:
    """The command, and what would be seen of it."""

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

    def answer(self, question: str, text: str) -> None:
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

    def begin(*arguments: str) -> Terminal:
        opened.append(Terminal(arguments, environment, tmp_path))
        return opened[-1]

    yield begin
    for terminal in opened:
        terminal.close()


async def admins(connection: asyncpg.Connection) -> list[str]:
    return [row["username"] for row in await connection.fetch("select username from wallet.admins order by 1")]


@pytest.mark.parametrize("how", [{"ADMIN_PASSWORD": PASSWORD}, {"given": f"{PASSWORD}\nmore\n".encode()}])
async def test_a_script_makes_an_admin_who_can_sign_in(run: Run, browser: Browser, how: dict[str, str]) -> None:
    status, printed, complained = await run("--username", "alice", **how)
    assert (status, printed, complained) == (0, "The admin alice was made, and can sign in at /admin/.\n", "")
    assert (await browser.sign_in("alice", PASSWORD)).status == 303


@pytest.mark.parametrize(
    ("username", "password", "text"),
    [
        ("ALICE", PASSWORD.encode(), "That username is already taken."),
        ("a b", PASSWORD.encode(), "A username has 1 to 150 letters, digits and @ . + - _, and nothing else."),
        ("", PASSWORD.encode(), "A username has 1 to 150 letters, digits and @ . + - _, and nothing else."),
        ("\udcff", PASSWORD.encode(), "the username has to be text in UTF-8"),
        ("bob", b"", "This password is too short: it has to have at least 10 characters."),
        ("bob", b"password123", "This password is too easy to guess: "),
        ("bob", b"\xff" * 20, "the password has to be text in UTF-8"),
    ],
)
@pytest.mark.usefixtures("admin")
async def test_a_script_is_told_what_is_wrong(
    run: Run, owner_connection: asyncpg.Connection, username: str, password: bytes, text: str
) -> None:
    status, printed, complained = await run("--username", username, given=password)
    assert (status, printed) == (1, "")
    assert complained.startswith(f"wallets: {text}")
    assert complained.count("\n") == 1
    assert await admins(owner_connection) == ["alice"]
    assert await owner_connection.fetchval("select count(*) from wallet.audit") == 1


async def test_a_script_has_to_say_the_username(run: Run) -> None:
    status, _, complained = await run(given=PASSWORD.encode())
    assert (status, complained.count("\n")) == (1, 1)
    assert "--username" in complained


async def test_a_database_that_cannot_be_reached_is_told_in_one_line(run: Run) -> None:
    status, _, complained = await run("--username", "bob", DATABASE_URL="postgres://ann:hunter2@127.0.0.1:1/wallets")
    assert (status, complained.count("\n")) == (1, 1)
    assert complained.startswith("wallets: cannot connect to the database")
    assert "hunter2" not in complained


async def test_at_a_terminal_what_is_missing_is_asked_for_until_it_will_do(
    start: Start, admin: str, owner_connection: asyncpg.Connection
) -> None:
    terminal = start()

    def talk() -> int:
        terminal.answer("Username: ", admin)
        terminal.answer("That username is already taken.\r\nUsername: ", "b b")
        terminal.answer("and nothing else.\r\nUsername: ", "bob")
        terminal.answer("Password: ", PASSWORD)
        terminal.answer("Password (again): ", "another")
        terminal.answer("The two passwords are not the same.\r\nPassword: ", "short")
        terminal.answer("Password (again): ", "short")
        terminal.answer("it has to have at least 10 characters.\r\nPassword: ", PASSWORD)
        terminal.answer("Password (again): ", PASSWORD)
        return terminal.end()

    assert await asyncio.to_thread(talk) == 0
    assert PASSWORD not in terminal.seen
    assert terminal.seen.endswith("The admin bob was made, and can sign in at /admin/.\r\n")
    stored = await owner_connection.fetchval("select password_hash from wallet.admins where username = 'bob'")
    assert await passwords.verify(stored, PASSWORD)


async def test_at_a_terminal_a_username_that_was_given_is_not_asked_for(
    start: Start, owner_connection: asyncpg.Connection
) -> None:
    terminal = start("--username", "bob")

    def talk() -> int:
        terminal.answer("Password: ", PASSWORD)
        terminal.answer("Password (again): ", PASSWORD)
        return terminal.end()

    assert await asyncio.to_thread(talk) == 0
    assert "Username" not in terminal.seen
    assert await admins(owner_connection) == ["bob"]


@pytest.mark.parametrize(
    ("given", "status", "said"),
    [
        (lambda terminal: os.write(terminal._ours, b"\x04"), 1, "wallets: no admin was made"),
        (lambda terminal: terminal.process.send_signal(signal.SIGINT), 130, ""),
    ],
    ids=["Ctrl+D", "Ctrl+C"],
)
async def test_at_a_terminal_one_can_think_better_of_it(
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


async def test_a_database_that_goes_away_meanwhile_is_told_in_one_line(
    start: Start, maintenance: asyncpg.Connection, database_url: str
) -> None:
    terminal = start("--username", "bob")
    await asyncio.to_thread(terminal.wait_for, "Password: ")
    await maintenance.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and application_name = 'wallets'",
        urlsplit(database_url).path.strip("/"),
    )

    def talk() -> int:
        os.write(terminal._ours, f"{PASSWORD}\n".encode())
        terminal.answer("Password (again): ", PASSWORD)
        return terminal.end()

    assert await asyncio.to_thread(talk) == 1
    assert "\r\nwallets: the database failed: " in terminal.seen
    assert "Traceback" not in terminal.seen


async def test_the_embedded_database_need_not_run_and_may(run: Run, tmp_path: Path) -> None:
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
