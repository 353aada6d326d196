"""A pool of connections that may execute functions and touch no table."""

from collections.abc import AsyncIterator
from typing import Self

import asyncpg
from aiohttp import web

from service.database.connection import CONNECT_SECONDS, STATEMENT_SECONDS, session_settings

_POOL_SIZE = 16
# As many as are in use at once where nothing is amiss, and no more: the rest of the pool is for everything else.
_KEPT = 4
# Longer than the server's own limit: only a server that does not answer at all is given up on by the client.
RESPONSE_SECONDS = STATEMENT_SECONDS + 5

POOL: web.AppKey[asyncpg.Pool] = web.AppKey("POOL", asyncpg.Pool)
DATABASE_URL: web.AppKey[str] = web.AppKey("DATABASE_URL", str)


class Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg has no types
    """A connection without session state: nothing to reset when it goes back to the pool, so no round trip for it."""

    def get_reset_query(self) -> str:
        return ""


class KeptConnections:
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


async def open_pool(app: web.Application) -> AsyncIterator[None]:
    """The application's pool, for as long as it runs. It connects when first needed, and again after a failure."""
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
