"""The command line: `wallets serve | migrate | createsuperuser | createkey | revokekey | verify | psql`."""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from service import api_keys, config, deploy, embedded, eventloop, log, server, superuser, verification
from service.config import Config
from service.database.connection import ConnectError, check, connect

_REFUSALS = (
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
    """Runs a command; ends with status 1 and one line when it cannot be done."""
    parser = argparse.ArgumentParser(prog="wallets", description="A wallet service on PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, run, text in (
        ("serve", _serve, "serve the HTTP API; with the embedded PostgreSQL, migrate it first"),
        ("migrate", _migrate, "bring the database up to date: migrations, then functions"),
        ("createsuperuser", _create_superuser, "make an admin, who may sign in to the admin page"),
        ("createkey", _create_key, "make an API key, and print it: it cannot be shown again"),
        ("revokekey", _revoke_key, "revoke an API key"),
        ("verify", _verify, "check the whole ledger; status 2 when something is wrong with it"),
        ("psql", _psql, "open psql on the database; arguments after -- go to psql"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if name == "createsuperuser":
            command.add_argument("--username", metavar="name", help="asked for at a terminal where it is not given")
        if name in ("createkey", "revokekey"):
            command.add_argument("name", type=api_keys.name, help="who the key is for")
        if name == "createkey":
            command.add_argument(
                "--scope",
                required=True,
                choices=api_keys.SCOPES,
                help="read; operate: also deposit and withdraw; manage: also make wallets",
            )
            command.add_argument(
                "--rate-limit", type=api_keys.rate_limit, metavar="n", help="requests a second (default: no limit)"
            )
        if name == "verify":
            command.add_argument("--resume", action="store_true", help="go on where the last one was interrupted")
        if name == "psql":
            command.add_argument("arguments", nargs="*", metavar="argument")
    arguments = parser.parse_args()
    try:
        settings = config.from_environment()
        log.configure(settings.log_level)
        status = eventloop.run(arguments.run(settings, arguments))
    except _REFUSALS as exc:
        sys.exit(f"wallets: {exc}")
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    sys.exit(status)


async def _serve(settings: Config, _: argparse.Namespace) -> int:
    if settings.auth is None and not server.is_loopback(settings.host):
        raise config.ConfigError(
            f"HOST={settings.host} lets other machines reach the API, and AUTH does not say what then: set "
            "AUTH=required to ask for API keys (wallets createkey makes them), or AUTH=off where the network is "
            "private and whoever reaches the API may move money"
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
        f"Keys:    {'required (made by: wallets createkey)' if settings.auth else 'not asked for'}\n"
        f"Admin:   {address}/admin/ (who may sign in is made by: wallets createsuperuser)\n"
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
    print(f"The admin {username} was made, and can sign in at /admin/.")
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
    """The configured database; an embedded one is started for the while, unless a service runs it already."""
    if settings.database_url is not None:
        yield settings.database_url
    else:
        async with embedded.running(settings.data_dir) as postgres:
            if postgres.is_new:
                await deploy.migrate(postgres.url)
            yield postgres.url


if __name__ == "__main__":
    main()
