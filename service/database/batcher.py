"""Coalescing: requests that arrive while a call of the database is under way form the next call.

One transaction commits, and waits for the disk, once for all of its operations, and settles a wallet once however many
of them it has. So the busier the service, the less an operation costs; and since nothing is ever waited for but a call
that is under way, a lone request is answered at once. When many wait, a second call begins while the first is under
way: one of them computes while the other waits for the disk, or for this process.

Every operation has a key before it is sent. So when a connection is lost in the middle of a call, and nobody knows
whether it was committed, the same operations are sent again: those that were applied answer as they did, the others are
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
    """A request to deposit to or withdraw from a wallet, as the database takes it."""

    wallet_id: str
    operation_type: str
    amount: int
    idempotency_key: str


class BalanceRequest(NamedTuple):
    """A request to read a wallet's balance."""

    wallet_id: str


class KeyRequest(NamedTuple):
    """A request to look an API key up."""

    key_hash: bytes


Row = Any
# What each is about comes first: requests that agree in it can only be in one another's way.
Request = TypeVar("Request", Operation, BalanceRequest, KeyRequest)

Call = Callable[[Sequence[Request]], Awaitable[Sequence[Row]]]


class _Waiting(NamedTuple, Generic[Request]):
    request: Request
    answer: asyncio.Future[Row]
    deadline: float


class Batcher(Generic[Request]):
    """Turns many requests into few calls: `call` takes some, and returns a row for each of them in order."""

    def __init__(self, call: Call[Request], limits: Limits) -> None:
        self._limits = limits
        self._call: Call[Request] = call
        self._waiting: deque[_Waiting[Request]] = deque()
        self._unanswered: deque[_Waiting[Request]] = deque()
        self._calls = 0
        self._seconds = 0.0
        self._bearable = self._limits.max_queued
        self._tasks: set[asyncio.Task[None]] = set()
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for a call to begin."""
        return len(self._waiting)

    def check_room(self) -> None:
        """Raises the problem `overloaded` when too many wait."""
        if len(self._waiting) >= min(self._bearable, self._limits.max_queued):
            raise errors.overloaded()

    def apply(self, request: Request) -> asyncio.Future[Row]:
        """The request's row, in the future. Raises the problem `overloaded` at once when too many wait."""
        self.check_room()
        waiting = self._accept(request)
        self._waiting.append(waiting)
        if self._calls < self._limits.max_calls and self._is_call_due(self._calls):
            self._calls += 1
            self._start(self._work())
        return waiting.answer

    async def apply_all(self, requests: Sequence[Request]) -> list[Row | BaseException]:
        """Makes a call of their own for many requests; a row, or what went wrong, for each of them in order."""
        batch = [self._accept(request) for request in requests]
        self._start(self._settle(batch))
        return await asyncio.gather(*(waiting.answer for waiting in batch), return_exceptions=True)

    async def close(self) -> None:
        """Returns once every request that was accepted is answered."""
        while self._tasks:
            await asyncio.wait(self._tasks)
        if self._expiry is not None:
            self._expiry.cancel()

    def _accept(self, request: Request) -> _Waiting[Request]:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(request, loop.create_future(), loop.time() + self._limits.request_seconds)
        self._unanswered.append(waiting)
        if self._expiry is None:
            self._expiry = loop.call_later(self._limits.expiry_seconds, self._expire)
        return waiting

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _is_call_due(self, other_calls: int) -> bool:
        return len(self._waiting) >= (self._limits.second_call_at if other_calls else 1)

    async def _work(self) -> None:
        try:
            while self._is_call_due(self._calls - 1):
                await self._settle(
                    [self._waiting.popleft() for _ in range(min(len(self._waiting), self._limits.max_batch))]
                )
        finally:
            self._calls -= 1

    async def _settle(self, batch: list[_Waiting[Request]], pause: float | None = None) -> None:
        """Answers every request of a batch: with its row, or with the error that kept it from being applied."""
        pause = self._limits.retry_seconds if pause is None else pause
        # Whoever has gone away, or was told that it took too long, needs no answer any more.
        while batch := [waiting for waiting in batch if not waiting.answer.done()]:
            began_at = asyncio.get_running_loop().time()
            try:
                rows = await self._call([waiting.request for waiting in batch])
            except Exception as exc:
                parts = _parts(batch, exc)
                if len(parts) > 1:
                    # One of them is at fault, or its wallet is locked by others: its neighbours shall not suffer.
                    for part in parts:
                        self._start(self._settle(part))
                    return
                if not errors.is_passing(exc):
                    _answer(batch[0], exc)
                    return
                log.warning("%d requests have to be sent again: %s", len(batch), exc)
                if errors.is_conflict(exc):
                    # Only this wallet is locked by others: those that want another one shall not wait for it.
                    self._start(self._settle_later(batch, pause))
                    return
                await asyncio.sleep(pause)
                pause = min(2 * pause, self._limits.max_retry_seconds)
            else:
                self._measure(len(batch), asyncio.get_running_loop().time() - began_at)
                for waiting, row in zip(batch, rows, strict=True):
                    _answer(waiting, row)
                return

    def _measure(self, done: int, seconds: float) -> None:
        """Learns how long a call takes, and has no more wait than a slow database can begin with in good time."""
        # A small call tells little of a full one: what that took is forgotten bit by bit.
        is_full = done >= self._limits.max_batch
        self._seconds = seconds * self._limits.max_batch / done if is_full else max(seconds, 0.9 * self._seconds)
        can_begin = int(
            self._limits.max_queue_seconds * self._limits.max_calls * self._limits.max_batch / max(self._seconds, 0.001)
        )
        self._bearable = max(can_begin, self._limits.max_batch)

    async def _settle_later(self, batch: list[_Waiting[Request]], pause: float) -> None:
        await asyncio.sleep(pause)
        await self._settle(batch, min(2 * pause, self._limits.max_retry_seconds))

    def _expire(self) -> None:
        """Tells those that have waited too long; they are in the order of their deadlines."""
        loop = asyncio.get_running_loop()
        unanswered = self._unanswered
        now = loop.time()
        while unanswered and (unanswered[0].answer.done() or unanswered[0].deadline <= now):
            waiting = unanswered.popleft()
            if not waiting.answer.done():
                waiting.answer.set_exception(errors.database_unavailable())
        self._expiry = loop.call_later(self._limits.expiry_seconds, self._expire) if unanswered else None


def _answer(waiting: _Waiting[Request], answer: Row | Exception) -> None:
    if waiting.answer.done():
        return
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)


def _parts(batch: list[_Waiting[Request]], exc: Exception) -> list[list[_Waiting[Request]]]:
    """How to send a batch that failed again: whole, when that was not for what is in it, or else in two parts."""
    if errors.is_passing(exc) and not errors.is_conflict(exc):
        return [batch]
    middle = len(batch) // 2
    if errors.is_conflict(exc):
        # What others lock is a wallet: all that is for one wallet stays together and waits for it in one call.
        batch = sorted(batch, key=_subject)
        while middle > 0 and _subject(batch[middle]) == _subject(batch[middle - 1]):
            middle -= 1
        if middle == 0:
            first = _subject(batch[0])
            middle = sum(_subject(waiting) == first for waiting in batch)
    return [part for part in (batch[:middle], batch[middle:]) if part]


def _subject(waiting: _Waiting[Request]) -> Any:
    return waiting.request[0]
