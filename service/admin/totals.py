"""Totals per currency, added up in the background: with millions of wallets it takes longer than a page may."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
from aiohttp import web

from service.database import admin_calls
from service.database.admin_calls import Rows
from service.database.connection import FAILURES
from service.database.pool import POOL

log = logging.getLogger(__name__)

# Totals stay fresh for this many times the time that they took: at most a hundredth of the database's time.
_SHARE = 100
# With few wallets the totals are complete within this time.
_WAIT_SECONDS = 0.03


class Totals(NamedTuple):
    """A row per currency, and the time at which they were right."""

    rows: Rows
    at: datetime


class Adder:
    """Keeps the latest totals, and adds up again when they are requested and no longer fresh."""

    def __init__(self) -> None:
        self._latest: Totals | None = None
        self._fresh_until = float("-inf")
        self._task: asyncio.Task[None] | None = None

    async def totals(self, pool: asyncpg.Pool) -> Totals | None:
        """The latest totals; None while they are added up for the first time."""
        if asyncio.get_running_loop().time() > self._fresh_until:
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._add_up(pool))
            await asyncio.wait([self._task], timeout=_WAIT_SECONDS)
        return self._latest

    async def close(self) -> None:
        """Cancels the current computation."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _add_up(self, pool: asyncpg.Pool) -> None:
        at, began = datetime.now(UTC), asyncio.get_running_loop().time()
        try:
            rows = await admin_calls.get_totals(pool)
        except FAILURES as exc:
            log.warning("cannot add up the totals: %s", exc)
            return
        self._latest = Totals(sorted(rows, key=lambda row: str(row["currency"])), at)
        ended = asyncio.get_running_loop().time()
        self._fresh_until = ended + _SHARE * (ended - began)


_ADDER: web.AppKey[Adder] = web.AppKey("_ADDER", Adder)


def setup(app: web.Application) -> None:
    """Adds up for as long as the application runs."""
    app.cleanup_ctx.append(_adder)


async def latest(request: web.Request) -> Totals | None:
    """The totals for a page, None while they are computed for the first time."""
    return await request.config_dict[_ADDER].totals(request.config_dict[POOL])


async def _adder(app: web.Application) -> AsyncIterator[None]:
    adder = app[_ADDER] = Adder()
    yield
    await adder.close()
