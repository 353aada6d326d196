"""The command line: `wallets serve | migrate | createsuperuser | verify | psql`."""

import argparse
import asyncio
import contextlib
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from urllib.parse import unquote, urlsplit, urlunsplit

from service import config, database, deploy, embedded, eventloop, log, server, superuser
from service.config import Config

_REFUSALS = (
    config.ConfigError,
    database.ConnectError,
    deploy.DeployError,
    embedded.EmbeddedError,
    server.ServeError,
    superuser.SuperuserError,
)


def main() -> None:
    """Runs a command; ends with status 1 and one line when it cannot be done."""
    parser = argparse.ArgumentParser(prog="wallets", description="A wallet service on PostgreSQL.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, run, text in (
        ("serve", _serve, "serve the HTTP API; with the embedded PostgreSQL, migrate it first"),
        ("migrate", _migrate, "bring the database up to date: migrations, then functions"),
        ("createsuperuser", _create_superuser, "make an admin, who may sign in to the admin page"),
        ("verify", _verify, "check the whole ledger; status 2 when something is wrong with it"),
        ("psql", _psql, "open psql on the database; arguments after -- go to psql"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if name == "createsuperuser":
            command.add_argument("--username", metavar="name", help="asked for at a terminal where it is not given")
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
    listener = server.listen(settings.host, settings.port)
    with listener, server.stop_on_signals() as stopped:
        async with _database_to_serve(settings) as url:
            host, port = listener.getsockname()[:2]
            _greet(settings, f"http://{f'[{host}]' if ':' in host else host}:{port}")
            if settings.workers == 1:
                await server.serve(url, listener, stopped, settings.tls_proxy)
            else:
                await server.serve_in_processes(url, listener, stopped, settings)
    return 0


@contextlib.asynccontextmanager
async def _database_to_serve(settings: Config) -> AsyncIterator[str]:
    if settings.database_url is not None:
        await database.check(settings.database_url)
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
    print(
        f"Wallets: serving on {address}, with {where}\n"
        f"Try:     curl {address}/api/wallets/ -H 'Content-Type: application/json' -d '{{\"name\": \"Alice\"}}'\n"
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
    async with _database(settings) as url:
        await database.check(url)
        connection = await database.connect(url)
        try:
            username = await superuser.create(connection, arguments.username)
        finally:
            await connection.close()
    print(f"The admin {username} was made, and can sign in at /admin/.")
    return 0


async def _verify(settings: Config, _: argparse.Namespace) -> int:
    wallets = broken = 0
    async with _database(settings) as url:
        await database.check(url)
        connection = await database.connect(url)
        try:
            async for wallet_id in database.every_wallet(connection):
                wallets += 1
                findings = await connection.fetch("select * from wallet.record_verification($1)", wallet_id)
                broken += bool(findings)
                for finding in findings:
                    seq = "" if finding["seq"] is None else f" at seq {finding['seq']}"
                    print(
                        f"{wallet_id}: {finding['invariant']}{seq}: "
                        f"expected {finding['expected']}, found {finding['found']}"
                    )
        finally:
            await connection.close()
    print(f"wallets verified: {wallets}, broken: {broken}")
    return 2 if broken else 0


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
