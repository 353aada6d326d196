"""The command line: `wallets serve | migrate | createsuperuser | createkey | revokekey | verify | psql`."""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from service import api_keys, config, deploy, embedded, eventloop, log, server, superuser, verification
from service.config import Config
from service.database.connection import FAILURES, ConnectError, check, connect

# What can go wrong without being a defect; each text says what.
_ERRORS = (
    config.ConfigError,
    ConnectError,
    deploy.DeployError,
    embedded.EmbeddedError,
    api_keys.ApiKeyError,
    server.ServeError,
    superuser.SuperuserError,
    verification.VerificationError,
)


def main() -> None:
    """Runs a command; an error that is no defect is one line and status 1."""
    arguments = _parser().parse_args()
    try:
        settings = config.from_environment()
        log.configure(settings.log_level)
        status = eventloop.run(arguments.run(settings, arguments))
    except _ERRORS as exc:
        sys.exit(f"wallets: {exc}")
    except FAILURES as exc:
        sys.exit(f"wallets: {arguments.command} failed: {' '.join(str(exc).split()) or type(exc).__name__}")
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    sys.exit(status)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="wallets", description="A wallet service on PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, command in _COMMANDS.items():
        subparser = commands.add_parser(name, help=command.help, description=command.help)
        subparser.set_defaults(run=command.run)
        for argument, options in command.arguments.items():
            subparser.add_argument(argument, **options)
    return parser


async def _serve(settings: Config, _: argparse.Namespace) -> int:
    if settings.auth is None and not server.is_loopback(settings.host):
        raise config.ConfigError(
            f"HOST={settings.host} lets other machines reach the API, and AUTH is not set: set "
            "AUTH=required to require API keys (created by wallets createkey), or AUTH=off if everybody who "
            "reaches the API may move money"
        )
    listener = server.listen(settings.host, settings.port)
    with listener, server.stop_on_signals() as stopped:
        async with _database_to_serve(settings) as url:
            host, port = listener.getsockname()[:2]
            _greet(settings, f"http://{f'[{host}]' if ':' in host else host}:{port}")
            if settings.workers == 1:
                await server.serve(url, listener, stopped, settings)
            else:
                await server.serve_in_processes(url, listener, stopped, settings)
    return 0


@contextlib.asynccontextmanager
async def _database_to_serve(settings: Config) -> AsyncIterator[str]:
    if settings.database_url is not None:
        await check(settings.database_url)
        yield settings.database_url
        return
    postgres = embedded.EmbeddedPostgres(settings.data_dir)
    await postgres.start()
    try:
        if not await deploy.is_current(postgres.url):
            await deploy.migrate(postgres.url)
        yield postgres.url
    finally:
        await postgres.stop()


def _greet(settings: Config, address: str) -> None:
    where = f"the embedded PostgreSQL in {settings.data_dir}" if settings.database_url is None else "your PostgreSQL"
    key = " -H 'Authorization: Bearer KEY'" if settings.auth else ""
    print(
        f"Wallets: serving on {address}, with {where}\n"
        f"Try:     curl {address}/api/wallets/{key} -H 'Content-Type: application/json' -d '{{\"name\": \"Alice\"}}'\n"
        f"Keys:    {'required (create one: wallets createkey)' if settings.auth else 'not required'}\n"
        f"Admin:   {address}/admin/ (create an admin: wallets createsuperuser)\n"
        "Stop:    Ctrl+C",
        file=sys.stderr,
        flush=True,
    )


async def _migrate(settings: Config, _: argparse.Namespace) -> int:
    async with _database(settings) as url:
        await deploy.migrate(url)
    print("The database is up to date.")
    return 0


async def _create_superuser(settings: Config, arguments: argparse.Namespace) -> int:
    async with _connection(settings) as connection:
        username = await superuser.create(connection, arguments.username)
    print(f"Admin {username} created; sign in at /admin/.")
    return 0


async def _create_key(settings: Config, arguments: argparse.Namespace) -> int:
    async with _connection(settings) as connection:
        api_key = await api_keys.create(connection, arguments.name, arguments.scope, arguments.rate_limit)
    # Alone on standard output, for a script to take.
    print(api_key, flush=True)
    print("This API key is shown only once. Use it as: Authorization: Bearer KEY", file=sys.stderr)
    return 0


async def _revoke_key(settings: Config, arguments: argparse.Namespace) -> int:
    async with _connection(settings) as connection:
        await api_keys.revoke(connection, arguments.name)
    print(f"API key {arguments.name} revoked: it stops working within 5 seconds.")
    return 0


async def _verify(settings: Config, arguments: argparse.Namespace) -> int:
    async with _database(settings) as url:
        await check(url)
        return await verification.run(url, is_resumed=arguments.resume)


async def _psql(settings: Config, arguments: argparse.Namespace) -> int:
    async with _database(settings) as url:
        parts = urlsplit(url)
        environment = dict(os.environ)
        if parts.password is not None:
            # Not in the arguments: those are for all users of a machine to read.
            environment["PGPASSWORD"] = unquote(parts.password)
            parts = parts._replace(netloc=parts.netloc.replace(f":{parts.password}@", "@", 1))
        installed = shutil.which("psql") if settings.database_url is not None else None
        psql = installed or embedded.binaries() / "psql"
        # Ctrl+C is psql's to handle: it ends a query there, not this process.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            process = await asyncio.create_subprocess_exec(
                psql, urlunsplit(parts), *arguments.arguments, env=environment
            )
            return await process.wait()
        finally:
            signal.signal(signal.SIGINT, interrupt)


@contextlib.asynccontextmanager
async def _connection(settings: Config) -> AsyncIterator[asyncpg.Connection]:
    """A connection to the configured database, with the rights of wallet_app."""
    async with _database(settings) as url:
        await check(url)
        connection = await connect(url)
        try:
            yield connection
        finally:
            await connection.close()


@contextlib.asynccontextmanager
async def _database(settings: Config) -> AsyncIterator[str]:
    """The configured database; an embedded one runs meanwhile, unless a service runs it already."""
    if settings.database_url is not None:
        yield settings.database_url
    else:
        async with embedded.running(settings.data_dir) as postgres:
            if postgres.is_new:
                await deploy.migrate(postgres.url)
            yield postgres.url


class _Command(NamedTuple):
    run: Callable[[Config, argparse.Namespace], Awaitable[int]]
    help: str
    arguments: dict[str, dict[str, Any]]


_NAME: dict[str, Any] = {"type": api_keys.name, "help": "whose key it is"}
_COMMANDS = {
    "serve": _Command(_serve, "serve the HTTP API; with the embedded PostgreSQL, migrate it first", {}),
    "migrate": _Command(_migrate, "bring the database up to date: migrations, then functions and views", {}),
    "createsuperuser": _Command(
        _create_superuser,
        "create an admin, who may sign in to the admin page",
        {"--username": {"metavar": "name", "help": "prompted for at a terminal if it is not given"}},
    ),
    "createkey": _Command(
        _create_key,
        "create an API key and print it: it cannot be shown again",
        {
            "name": _NAME,
            "--scope": {
                "required": True,
                "choices": api_keys.SCOPES,
                "help": "read; operate: also deposit and withdraw; manage: also create wallets",
            },
            "--rate-limit": {
                "type": api_keys.rate_limit,
                "metavar": "n",
                "help": "requests per second (default: no limit)",
            },
        },
    ),
    "revokekey": _Command(_revoke_key, "revoke an API key", {"name": _NAME}),
    "verify": _Command(
        _verify,
        "check the whole ledger; status 2 when something is wrong with it",
        {"--resume": {"action": "store_true", "help": "continue an interrupted verification"}},
    ),
    "psql": _Command(
        _psql,
        "open psql on the database; arguments after -- go to psql",
        {"arguments": {"nargs": "*", "metavar": "argument"}},
    ),
}


if __name__ == "__main__":
    main()
