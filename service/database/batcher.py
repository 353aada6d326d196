"""Batching: requests that arrive while a call of the database runs form the next call.

A batch is one transaction: it commits, and waits for the disk, once for all of its operations, and writes each wallet
once. So the higher the load, the less an operation costs. A request waits for a running call only: a lone request is
sent at once. When many are queued, a second call begins while the first one runs: one computes while the other waits
for the disk, or for this process.

Every operation has an idempotency key before it is sent. So when a connection is lost during a call, and it is unknown
whether the call was committed, the same batch is sent again: operations that were applied are replayed, the others are
applied.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from service import errors
from service.limits import Limits

log = logging.getLogger(__name__)


class Operation(NamedTuple):
    """A request to deposit to or withdraw from a wallet."""

    wallet_id: str
    operation_type: str
    amount: int
    idempotency_key: str


class BalanceRequest(NamedTuple):
    """A request to read a wallet's balance."""

    wallet_id: str


class ApiKeyRequest(NamedTuple):
    """A request to look up an API key."""

    key_hash: bytes


Row = Any
# The first member identifies what a call may have to wait for: the wallet that an operation locks.
Request = TypeVar("Request", Operation, BalanceRequest, ApiKeyRequest)

Call = Callable[[Sequence[Request]], Awaitable[Sequence[Row]]]


class _Queued(NamedTuple, Generic[Request]):
    request: Request
    result: asyncio.Future[Row]
    deadline: float


_Batch = list[_Queued[Request]]


class Batcher(Generic[Request]):
    """Turns many requests into few calls. `call` takes a batch of them and returns a row for each, in order.

    Every accepted request gets its row or an error, at the latest `request_seconds` after it was accepted. A request
    is sent again until then after errors that are temporary, and fails alone when it is at fault itself.
    """

    def __init__(self, call: Call[Request], limits: Limits) -> None:
        self._call: Call[Request] = call
        self._limits = limits
        self._queue: deque[_Queued[Request]] = deque()
        self._unfinished: deque[_Queued[Request]] = deque()
        self._calls = 0
        self._full_batch_seconds = 0.0
        self._max_queued = limits.max_queued
        self._tasks: set[asyncio.Task[None]] = set()
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def queued(self) -> int:
        """How many requests wait for a call to begin."""
        return len(self._queue)

    def check_capacity(self) -> None:
        """Raises the problem `overloaded` when too many requests are queued."""
        if len(self._queue) >= self._max_queued:
            raise errors.overloaded()

    def apply(self, request: Request) -> asyncio.Future[Row]:
        """Queues a request; the future is its row. Raises the problem `overloaded` when too many are queued."""
        self.check_capacity()
        queued = self._accept(request)
        self._queue.append(queued)
        if self._calls < self._limits.max_calls and self._is_call_due(self._calls):
            self._calls += 1
            self._start(self._send_queue())
        return queued.result

    async def apply_all(self, requests: Sequence[Request]) -> list[Row | BaseException]:
        """Sends many requests as a batch of their own; returns a row or an error for each, in order."""
        batch = [self._accept(request) for request in requests]
        self._start(self._send(batch, self._limits.retry_seconds))
        return await asyncio.gather(*(queued.result for queued in batch), return_exceptions=True)

    async def close(self) -> None:
        """Returns when every accepted request has a row or an error."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._expiry is not None:
            self._expiry.cancel()

    def _accept(self, request: Request) -> _Queued[Request]:
        loop = asyncio.get_running_loop()
        queued = _Queued(request, loop.create_future(), loop.time() + self._limits.request_seconds)
        self._unfinished.append(queued)
        if self._expiry is None:
            self._expiry = loop.call_later(self._limits.expiry_seconds, self._expire)
        return queued

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_call_due(self, other_calls: int) -> bool:
        return len(self._queue) >= (self._limits.second_call_at if other_calls else 1)

    async def _send_queue(self) -> None:
        try:
            while self._is_call_due(self._calls - 1):
                size = min(len(self._queue), self._limits.max_batch)
                await self._send([self._queue.popleft() for _ in range(size)], self._limits.retry_seconds)
        finally:
            self._calls -= 1

    async def _send(self, batch: _Batch[Request], pause: float) -> None:
        """Sends a batch until it is applied, expired, or handed to `_isolate`."""
        while batch := [queued for queued in batch if not queued.result.done()]:
            began_at = asyncio.get_running_loop().time()
            try:
                rows = await self._call([queued.request for queued in batch])
            except Exception as exc:
                if errors.is_conflict(exc) or not errors.is_temporary(exc):
                    self._isolate(batch, exc, pause)
                    return
                log.warning("retrying a batch of %d requests: %s", len(batch), exc)
                await asyncio.sleep(pause)
                pause = self._next_pause(pause)
            else:
                self._adapt(len(batch), asyncio.get_running_loop().time() - began_at)
                _set_results(batch, rows)
                return

    def _isolate(self, batch: _Batch[Request], exc: Exception, pause: float) -> None:
        """Splits a batch, so that one request at fault, or one locked wallet, does not affect the others."""
        parts = _split(batch, by_wallet=errors.is_conflict(exc))
        if len(parts) > 1:
            for part in parts:
                self._start(self._send(part, self._limits.retry_seconds))
        elif errors.is_conflict(exc):
            log.warning("retrying a batch of %d requests: %s", len(batch), exc)
            # In a task of its own: this call may be waited for by requests for other wallets.
            self._start(self._send_later(batch, pause))
        elif not batch[0].result.done():
            batch[0].result.set_exception(exc)

    async def _send_later(self, batch: _Batch[Request], pause: float) -> None:
        await asyncio.sleep(pause)
        await self._send(batch, self._next_pause(pause))

    def _next_pause(self, pause: float) -> float:
        return min(2 * pause, self._limits.max_retry_seconds)

    def _adapt(self, size: int, seconds: float) -> None:
        """Adapts the queue's length to how long a full batch takes, so that a slow database rejects early.

        A small batch says little about a full one, so it lowers the estimate slowly.
        """
        limits = self._limits
        is_full = size >= limits.max_batch
        estimate = seconds * limits.max_batch / size if is_full else max(seconds, 0.9 * self._full_batch_seconds)
        self._full_batch_seconds = estimate
        sent_in_time = int(limits.max_queue_seconds * limits.max_calls * limits.max_batch / max(estimate, 0.001))
        self._max_queued = min(max(sent_in_time, limits.max_batch), limits.max_queued)

    def _expire(self) -> None:
        """Fails the requests whose deadline has passed; `_unfinished` is in the order of deadlines."""
        loop = asyncio.get_running_loop()
        unfinished = self._unfinished
        now = loop.time()
        while unfinished and (unfinished[0].result.done() or unfinished[0].deadline <= now):
            queued = unfinished.popleft()
            if not queued.result.done():
                queued.result.set_exception(errors.database_unavailable())
        self._expiry = loop.call_later(self._limits.expiry_seconds, self._expire) if unfinished else None


def _set_results(batch: _Batch[Request], rows: Sequence[Row]) -> None:
    for queued, row in zip(batch, rows, strict=True):
        if not queued.result.done():
            queued.result.set_result(row)


def _split(batch: _Batch[Request], *, by_wallet: bool) -> list[_Batch[Request]]:
    """Two parts, or one where there is nothing to split. By wallet, all requests for one wallet stay together."""
    middle = len(batch) // 2
    if by_wallet:
        batch = sorted(batch, key=_wallet)
        while middle > 0 and _wallet(batch[middle]) == _wallet(batch[middle - 1]):
            middle -= 1
        if middle == 0:
            first = _wallet(batch[0])
            middle = sum(_wallet(queued) == first for queued in batch)
    return [part for part in (batch[:middle], batch[middle:]) if part]


def _wallet(queued: _Queued[Request]) -> Any:
    return queued.request[0]
