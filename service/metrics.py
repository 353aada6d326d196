"""The service's metrics, for Prometheus: `/metrics`.

Several workers write theirs to files that all of them read, so that each of them returns the metrics of all.
"""

import contextlib
import os
import shutil
import tempfile
from collections import Counter as Tally
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from operator import attrgetter, itemgetter
from typing import Any, Literal, NamedTuple

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
from service.vocabulary import OPERATION_TYPES

_SHARED = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000)


class Calls(NamedTuple):
    """The metrics of one function's calls."""

    sizes: Histogram
    queued: Gauge
    seconds: Histogram
    failures: Counter


class Metrics:
    """The metrics of one application."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        if _SHARED in os.environ:
            MultiProcessCollector(self.registry)  # type: ignore[no-untyped-call]
            own = CollectorRegistry()
        else:
            ProcessCollector(registry=self.registry)
            own = self.registry

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=own)

        def seconds(name: str, text: str, *labels: str) -> Histogram:
            return Histogram(name, text, labels, buckets=_SECONDS, registry=own)

        def gauge(name: str, text: str, label: str, mode: Literal["livesum", "livemax"] = "livesum") -> Gauge:
            return Gauge(name, text, [label], registry=own, multiprocess_mode=mode)

        self._requests = seconds(
            "wallets_http_request_duration_seconds",
            "Time from request to response, by route, method and status",
            *("route", "method", "status"),
        )
        self._problems = counter("wallets_problems", "Responses that are a problem, by its code", "code")
        self._calls = seconds(
            "wallets_database_call_duration_seconds", "Round trip of a batched call, by function", "function"
        )
        self._failures = counter("wallets_database_call_failures", "Batched calls that failed, by function", "function")
        self._sizes = Histogram(
            "wallets_batch_size", "Requests in a batched call, by function", ["function"], buckets=_SIZES, registry=own
        )
        self._queued = gauge(
            "wallets_waiting_requests", "Requests queued when the last call began, by function", "function"
        )
        self._operations = counter(
            "wallets_operations",
            "Operations by type, or other for a type that does not exist, and by outcome: applied, replayed, or a code",
            *("type", "outcome"),
        )
        self._pool = gauge("wallets_pool_connections", "Connections to the database, by state", "state")
        gauge("wallets_info", "The running release", "version", "livemax").labels(version("wallets")).set(1)
        self._by_route: dict[tuple[web.AbstractRoute | None, int], Histogram] = {}

    def count_request(self, request: web.Request, status: int, seconds: float) -> None:
        """Counts a request."""
        match = request.match_info
        route = match.route if match.http_exception is None else None
        counted = self._by_route.get((route, status))
        if counted is None:
            resource = None if route is None else route.resource
            name, method = ("unmatched", "any") if resource is None else (resource.canonical, request.method)
            counted = self._by_route[route, status] = self._requests.labels(name.rstrip("/") or "/", method, status)
        counted.observe(seconds)

    def count_problem(self, code: str) -> None:
        """Counts a problem."""
        self._problems.labels(code).inc()

    def calls_of(self, function: str) -> Calls:
        """The metrics of a function's calls."""
        return Calls(
            self._sizes.labels(function),
            self._queued.labels(function),
            self._calls.labels(function),
            self._failures.labels(function),
        )

    def count_operations(self, operations: Sequence[Operation], rows: Sequence[Any]) -> None:
        """Counts operations by type and outcome."""
        types, outcomes = map(attrgetter("operation_type"), operations), map(itemgetter("replayed", "error_code"), rows)
        for (operation_type, (is_replayed, sqlstate)), count in Tally(zip(types, outcomes, strict=True)).items():
            # Callers can send any text, and each would be a time series.
            kind = operation_type if operation_type in OPERATION_TYPES else "other"
            outcome = "replayed" if is_replayed else errors.BY_SQLSTATE[sqlstate].code if sqlstate else "applied"
            self._operations.labels(kind, outcome).inc(count)

    def text(self, pool: asyncpg.Pool) -> bytes:
        """All metrics in Prometheus' text format."""
        idle = pool.get_idle_size()
        self._pool.labels("idle").set(idle)
        self._pool.labels("used").set(pool.get_size() - idle)
        return generate_latest(self.registry)


METRICS: web.AppKey[Metrics] = web.AppKey("METRICS", Metrics)


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Lets the processes that are started inside share their metrics."""
    directory = tempfile.mkdtemp(prefix="wallets-metrics-")
    os.environ[_SHARED] = directory
    try:
        yield
    finally:
        del os.environ[_SHARED]
        shutil.rmtree(directory, ignore_errors=True)


def forget(pid: int | None) -> None:
    """Removes a process that died from the gauges of queued requests and open connections."""
    mark_process_dead(pid, os.environ[_SHARED])  # type: ignore[no-untyped-call]
