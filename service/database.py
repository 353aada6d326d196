"""The database as the service sees it: a pool of connections that may execute functions and touch no table."""

import logging
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import asyncpg
from aiohttp import web

from service import deploy
from service.coalesce import BalanceRequest, Coalescer, KeyRequest, Operation
from service.metrics import METRICS

if TYPE_CHECKING:
    from service.tracing import Tracing

log = logging.getLogger(__name__)

APP_ROLE = "wallet_app"

_POOL_SIZE = 16
# As many as are in use at once where nothing is amiss, and no more: the rest of the pool is for everything else.
_KEPT = 4
_CONNECT_SECONDS = 5.0
_STATEMENT_SECONDS = 10
_LOCK_MILLISECONDS = 100
# Longer than the server's own limit: only a server that does not answer at all is given up on by the client.
_ANSWER_SECONDS = _STATEMENT_SECONDS + 5

POOL: web.AppKey[asyncpg.Pool] = web.AppKey("POOL", asyncpg.Pool)
OPERATIONS: web.AppKey[Coalescer[Operation]] = web.AppKey("OPERATIONS", Coalescer)
BALANCES: web.AppKey[Coalescer[BalanceRequest]] = web.AppKey("BALANCES", Coalescer)
KEYS: web.AppKey[Coalescer[KeyRequest]] = web.AppKey("KEYS", Coalescer)
DATABASE_URL: web.AppKey[str] = web.AppKey("DATABASE_URL", str)


TRACING: "web.AppKey[Tracing | None]" = web.AppKey("TRACING")

_APPLY_OPERATIONS = """
select operation_id, status, new_balance, replayed, error_code, detail
from wallet.apply_operations($1, $2, $3, $4)
"""

_GET_BALANCES = "select balance from wallet.get_balances($1)"

_CHECK_API_KEYS = "select id, name, scope, rate_limit from wallet.check_api_keys($1)"

FAILURES = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)


class ConnectError(Exception):
    """The database cannot be served; the text says why."""


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection without session state: nothing to reset when it goes back to the pool, so no round trip for it."""

    def get_reset_query(self) -> str:
        return ""


def session_settings(url: str) -> dict[str, str]:
    """The settings that a session of the service begins with."""
    settings = {
        "application_name": "wallets",
        # A wallet that somebody holds locked is waited for apart from the others: see coalesce.
        "lock_timeout": f"{_LOCK_MILLISECONDS}ms",
        "statement_timeout": f"{_STATEMENT_SECONDS}s",
        "idle_in_transaction_session_timeout": f"{_STATEMENT_SECONDS}s",
        # Planning these small statements for the just-in-time compiler costs more than running them.
        "jit": "off",
    }
    if urlsplit(url).username != APP_ROLE:
        # Whoever we log in as, we work with the rights of wallet_app alone.
        settings["role"] = APP_ROLE
    return settings


async def connect(url: str) -> asyncpg.Connection:
    """One connection with the rights of wallet_app. Raises ConnectError."""
    try:
        return await asyncpg.connect(url, server_settings=session_settings(url), timeout=_CONNECT_SECONDS)
    except FAILURES as exc:
        raise _explain(url, exc) from exc


class _KeptConnections:
    """Connections for calls that follow one another: they stay out of the pool, which takes a tenth of a lone call."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._idle: list[asyncpg.Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._idle:
            await self._pool.release(self._idle.pop())

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement. After a failure its connection is the pool's to judge."""
        connection = await self._take()
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
        except BaseException:
            await self._pool.release(connection)
            raise
        if len(self._idle) < _KEPT:
            self._idle.append(connection)
        else:
            await self._pool.release(connection)
        return rows

    async def _take(self) -> asyncpg.Connection:
        while self._idle:
            connection = self._idle.pop()
            if not connection.is_closed():
                return connection
            await self._pool.release(connection)
        return await self._pool.acquire()


async def coalescers(app: web.Application) -> AsyncIterator[None]:
    """What applies operations, reads balances and looks keys up; all that they accepted is answered before they end."""
    pool, metrics, tracing = app[POOL], app[METRICS], app[TRACING]

    async with _KeptConnections(pool) as connections:

        def coalescer(function: str, statement: str) -> Coalescer[Any]:
            counted = metrics.calls_of(function)

            async def call(requests: Sequence[Any]) -> Sequence[asyncpg.Record]:
                counted.sizes.observe(len(requests))
                counted.waiting.set(made.waiting)
                with counted.seconds.time(), counted.failures.count_exceptions():
                    rows = await connections.fetch(statement, *zip(*requests, strict=True))
                if made is operations:
                    metrics.operated(requests, rows)
                return rows

            made = Coalescer(call) if tracing is None else tracing.coalescer(function, call)
            return made

        operations = app[OPERATIONS] = coalescer("apply_operations", _APPLY_OPERATIONS)
        app[BALANCES] = coalescer("get_balances", _GET_BALANCES)
        app[KEYS] = coalescer("check_api_keys", _CHECK_API_KEYS)
        yield
        for made in (operations, app[BALANCES], app[KEYS]):
            await made.close()


async def check(url: str) -> None:
    """Looks whether a database can be served. Raises ConnectError when not; logs it when its functions differ."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except FAILURES as exc:
        raise _explain(url, exc) from exc
    try:
        if not await deploy.is_migrated(connection):
            raise ConnectError(f"the database is not migrated; run: {deploy.MEND}")
    finally:
        await connection.close()
    connection = await connect(url)
    try:
        if difference := await deploy.difference(connection):
            log.error("%s; run: %s", difference, deploy.MEND)
    finally:
        await connection.close()


def _explain(url: str, exc: Exception) -> ConnectError:
    parts = urlsplit(url)
    where = f"{parts.hostname or 'a local socket'}{f':{parts.port}' if parts.port else ''}, {parts.path.lstrip('/')}"
    # An OSError or a TimeoutError may come without a text.
    return ConnectError(f"cannot connect to the database ({where}): {str(exc) or type(exc).__name__}")


async def pool(app: web.Application) -> AsyncIterator[None]:
    """The application's pool, for as long as it runs. It connects when first needed, and again after a failure."""
    url = app[DATABASE_URL]
    async with asyncpg.create_pool(
        url,
        min_size=0,
        max_size=_POOL_SIZE,
        timeout=_CONNECT_SECONDS,
        command_timeout=_ANSWER_SECONDS,
        connection_class=Connection,
        server_settings=session_settings(url),
    ) as opened:
        app[POOL] = opened
        yield
