"""What the service tells of itself, for Prometheus: `/metrics`.

With several workers each writes what it counts to files that all of them read: whichever is asked answers for all.
"""

import contextlib
import os
import shutil
import tempfile
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import asyncpg
from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from service import errors
from service.database.batcher import Operation

_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000)
_TYPES = ("DEPOSIT", "WITHDRAW")


class Calls(NamedTuple):
    """The metrics of one function's calls."""

    sizes: Histogram
    waiting: Gauge
    seconds: Histogram
    failures: Counter


class Metrics:
    """All that is counted, of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        if _SHARED in os.environ:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
            own = CollectorRegistry()
        else:
            ProcessCollector(registry=self.registry)
            own = self.registry
        self._requests = Histogram(
            "wallets_http_request_duration_seconds",
            "Time to answer a request, by route, method and status",
            ["route", "method", "status"],
            buckets=_SECONDS,
            registry=own,
        )
        self._problems = Counter(
            "wallets_problems", "Requests that were refused, by the code of the problem", ["code"], registry=own
        )
        self._calls = Histogram(
            "wallets_database_call_duration_seconds",
            "Round trip of a call that answers many requests, by function",
            ["function"],
            buckets=_SECONDS,
            registry=own,
        )
        self._failures = Counter(
            "wallets_database_call_failures", "Such calls that failed, and are sent again", ["function"], registry=own
        )
        self._sizes = Histogram(
            "wallets_batch_size", "Requests that a call answers", ["function"], buckets=_SIZES, registry=own
        )
        self._waiting = Gauge(
            "wallets_waiting_requests",
            "Requests that wait for the next call, when the last one began",
            ["function"],
            registry=own,
            multiprocess_mode="livesum",
        )
        self._operations = Counter(
            "wallets_operations",
            "Operations by type and by what became of them: applied, replayed, or the code of the refusal",
            ["type", "outcome"],
            registry=own,
        )
        self._pool = Gauge(
            "wallets_pool_connections",
            "Connections to the database",
            ["state"],
            registry=own,
            multiprocess_mode="livesum",
        )
        Gauge("wallets_info", "The release that runs", ["version"], registry=own, multiprocess_mode="livemax").labels(
            version("wallets")
        ).set(1)
        self._by_route: dict[tuple[web.AbstractRoute | None, int], Histogram] = {}

    def answered(self, request: web.Request, status: int, seconds: float) -> None:
        """Counts a request."""
        match = request.match_info
        route = match.route if match.http_exception is None else None
        counted = self._by_route.get((route, status))
        if counted is None:
            resource = None if route is None else route.resource
            name, method = ("unmatched", "any") if resource is None else (resource.canonical, request.method)
            counted = self._by_route[route, status] = self._requests.labels(name.rstrip("/") or "/", method, status)
        counted.observe(seconds)

    def refused(self, code: str) -> None:
        """Counts a refusal."""
        self._problems.labels(code).inc()

    def calls_of(self, function: str) -> Calls:
        """What counts the calls of a function."""
        return Calls(
            self._sizes.labels(function),
            self._waiting.labels(function),
            self._calls.labels(function),
            self._failures.labels(function),
        )

    def operated(self, operations: Sequence[Operation], rows: Sequence[Any]) -> None:
        """Counts operations by what became of them."""
        types, outcomes = map(attrgetter("operation_type"), operations), map(itemgetter("replayed", "error_code"), rows)
        for (operation_type, (is_replayed, sqlstate)), count in Tally(zip(types, outcomes, strict=True)).items():
            # Whatever text somebody sends is no label.
            kind = operation_type if operation_type in _TYPES else "other"
            outcome = "replayed" if is_replayed else errors.BY_SQLSTATE[sqlstate].code if sqlstate else "applied"
            self._operations.labels(kind, outcome).inc(count)

    def text(self, pool: asyncpg.Pool) -> bytes:
        """All of it, as Prometheus reads it."""
        idle = pool.get_idle_size()
        self._pool.labels("idle").set(idle)
        self._pool.labels("used").set(pool.get_size() - idle)
        return generate_latest(self.registry)


METRICS: web.AppKey[Metrics] = web.AppKey("METRICS", Metrics)


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Has the processes that are started inside count together."""
    directory = tempfile.mkdtemp(prefix="wallets-metrics-")
    os.environ[_SHARED] = directory
    try:
        yield
    finally:
        del os.environ[_SHARED]
        shutil.rmtree(directory, ignore_errors=True)


def forget(pid: int | None) -> None:
    """Has a process that died no longer count as one that has requests waiting and connections open."""
    mark_process_dead(pid, os.environ[_SHARED])  # type: ignore[no-untyped-call]
