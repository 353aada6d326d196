"""The public functions of `db/functions/`, a file of tests each."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

import asyncpg


class State(NamedTuple):
    """All that the money rules read and write, as it is stored."""

    wallets: list[asyncpg.Record]
    operations: list[asyncpg.Record]
    rejections: list[asyncpg.Record]


Audited = Callable[[str], Awaitable[list[tuple[object, ...]]]]
Apply = Callable[..., Awaitable[asyncpg.Record]]
ReadState = Callable[[], Awaitable[State]]
Refused = Callable[[str], AbstractAsyncContextManager[None]]
