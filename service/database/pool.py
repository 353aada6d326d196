"""The pool of connections with the rights of wallet_app."""

from collections.abc import AsyncIterator
from typing import Self

import asyncpg
from aiohttp import web

from service.database.connection import CONNECT_SECONDS, STATEMENT_SECONDS, session_settings

_POOL_SIZE = 16
# As many as batches use at once unless a wallet stays locked: the rest of the pool is for other requests.
_KEPT = 4
# Longer than the server's own limit, so that the client gives up only on a server that does not respond.
RESPONSE_SECONDS = STATEMENT_SECONDS + 5

POOL: web.AppKey[asyncpg.Pool] = web.AppKey("POOL", asyncpg.Pool)
DATABASE_URL: web.AppKey[str] = web.AppKey("DATABASE_URL", str)


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection without session state: its release needs no round trip to reset it."""

    def get_reset_query(self) -> str:
        return ""


class KeptConnections:
    """Connections that are kept between calls: to acquire and release one takes a tenth of the time of a small call."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._idle: list[asyncpg.Connection] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        while self._idle:
            await self._pool.release(self._idle.pop())

    async def fetch(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        """The rows of a statement. After an error the connection goes back to the pool, which may drop it."""
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


async def open_pool(app: web.Application) -> AsyncIterator[None]:
    """Opens the application's pool. It connects at the first request, and again after a connection is lost."""
    url = app[DATABASE_URL]
    async with asyncpg.create_pool(
        url,
        min_size=0,
        max_size=_POOL_SIZE,
        timeout=CONNECT_SECONDS,
        command_timeout=RESPONSE_SECONDS,
        connection_class=Connection,
        server_settings=session_settings(url),
    ) as opened:
        app[POOL] = opened
        yield
