"""How much money all wallets hold. Adding up millions of them takes longer than a page may: it is done meanwhile."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
from aiohttp import web

from service.database.connection import FAILURES
from service.database.pool import POOL

log = logging.getLogger(__name__)

# Sums are fresh for so many times as long as they took: adding up takes a hundredth of the database's time at most.
_SHARE = 100
# Where there are few wallets the sums are there at once.
_PATIENCE_SECONDS = 0.03


class Totals(NamedTuple):
    """The sums by currency, and when they were right."""

    rows: Sequence[asyncpg.Record]
    at: datetime


class Adder:
    """Keeps the latest totals, and adds up anew when they are asked for and no longer fresh."""

    def __init__(self) -> None:
        self._latest: Totals | None = None
        self._fresh_until = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def totals(self, pool: asyncpg.Pool) -> Totals | None:
        """The latest totals; None while they are added up for the first time."""
        if asyncio.get_running_loop().time() > self._fresh_until:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._add_up(pool))
            await asyncio.wait([self._task], timeout=_PATIENCE_SECONDS)
        return self._latest

    async def close(self) -> None:
        """Ends what is under way."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _add_up(self, pool: asyncpg.Pool) -> None:
        at, began = datetime.now(UTC), asyncio.get_running_loop().time()
        try:
            rows = await pool.fetch("select * from wallet.get_totals()")
        except FAILURES as exc:
            log.warning("the totals could not be added up: %s", exc)
            return
        self._latest = Totals(sorted(rows, key=lambda row: str(row["currency"])), at)
        ended = asyncio.get_running_loop().time()
        self._fresh_until = ended + _SHARE * (ended - began)


_ADDER: web.AppKey[Adder] = web.AppKey("_ADDER", Adder)


def setup(app: web.Application) -> None:
    """Adds up for as long as the application runs."""
    app.cleanup_ctx.append(_adder)


async def latest(request: web.Request) -> Totals | None:
    """The totals for a page, which never waits for them."""
    return await request.config_dict[_ADDER].totals(request.config_dict[POOL])


async def _adder(app: web.Application) -> AsyncIterator[None]:
    adder = app[_ADDER] = Adder()
    yield
    await adder.close()
