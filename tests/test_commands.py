"""A database error at the command line is one line, whatever the command and the error."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

COMMANDS: dict[str, tuple[str, ...]] = {
    "serve": (),
    "migrate": (),
    "verify": (),
    "createkey": ("shop", "--scope", "read"),
    "revokekey": ("shop",),
    "createsuperuser": ("--username", "ann"),
}
# Those that write: serve starts, and migrate has nothing to do.
WRITING = ("verify", "createkey", "revokekey", "createsuperuser")


async def fails_in_one_line(command: str, url: str, directory: Path) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "service", command, *COMMANDS[command]),
        cwd=directory,  # without .env
        env=os.environ | {"DATABASE_URL": url, "PORT": "0", "ADMIN_PASSWORD": "correct horse battery"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        _, output = await asyncio.wait_for(process.communicate(), 60)
    except TimeoutError:
        process.kill()
        raise
    errors = output.decode()
    assert (process.returncode, len(errors.splitlines())) == (1, 1), f"{command}: {errors}"
    assert errors.startswith("wallets: "), f"{command}: {errors}"
    assert "secret" not in errors
    return errors


async def all_fail(commands: tuple[str, ...], url: str, directory: Path, expected: str) -> None:
    for errors in await asyncio.gather(*(fails_in_one_line(command, url, directory) for command in commands)):
        assert expected in errors


async def test_an_impossible_address_is_one_line(tmp_path: Path) -> None:
    for address in ("a..b/wallets", "127.0.0.1/wallets?port=five"):
        await all_fail(("serve", "migrate"), f"postgres://ann:secret@{address}", tmp_path, "cannot connect")


async def test_a_database_that_forbids_writing_is_one_line(
    database_url: str, maintenance: asyncpg.Connection, owner_connection: asyncpg.Connection, tmp_path: Path
) -> None:
    name = urlsplit(database_url).path[1:]
    await maintenance.execute(f"alter database {name} set default_transaction_read_only = on")
    await all_fail(WRITING, database_url, tmp_path, "read-only transaction")
    await maintenance.execute(f"alter database {name} reset default_transaction_read_only")
    await owner_connection.execute("revoke all on all functions in schema wallet from wallet_app")
    await owner_connection.execute("grant execute on function wallet.get_deployment to wallet_app")
    await all_fail(WRITING, database_url, tmp_path, "permission denied for function")


@asynccontextmanager
async def dying_server() -> AsyncIterator[str]:
    """A server that accepts a login and dies of the first query."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(4096)
        # AuthenticationOk, ParameterStatus, ReadyForQuery
        writer.write(b"R\0\0\0\x08\0\0\0\0" + b"S\0\0\0\x18server_version\x0018.0\0" + b"Z\0\0\0\x05I")
        await reader.read(4096)
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"postgres://ann:secret@127.0.0.1:{server.sockets[0].getsockname()[1]}/wallets?sslmode=disable"


async def test_a_lost_connection_is_one_line(tmp_path: Path) -> None:
    async with dying_server() as url:
        await all_fail(tuple(COMMANDS), url, tmp_path, "connection was")
