"""Serving the application: sockets, worker processes, signals, and HTTP below the application."""

import asyncio
import contextlib
import logging
import multiprocessing
import os
import signal
import socket
from collections.abc import Iterator
from http import HTTPStatus
from ipaddress import ip_address
from multiprocessing import resource_tracker
from multiprocessing.process import BaseProcess
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger
from aiohttp.http_exceptions import ContentEncodingError
from aiohttp.web_protocol import RequestHandler

from service import errors, eventloop, metrics
from service import log as logs
from service.app import create_app
from service.config import Config
from service.errors import Problem
from service.ids import new_id
from service.web import API_KEY, REQUEST_ID, TRACE_ID

log = logging.getLogger(__name__)
access_log = logging.getLogger("service.access")

_BACKLOG = 1024
# For an idle connection, and for the arrival of a request's headers.
_KEEP_ALIVE_SECONDS = 75.0
# Longer than any request takes: its body and its statement have limits of their own.
_DRAIN_SECONDS = 40.0


class ServeError(Exception):
    """The service cannot listen on HOST and PORT; the text says why."""


class AccessLogger(AbstractAccessLogger):
    """One structured line per request, without its body and headers."""

    @property
    def enabled(self) -> bool:
        return self.logger.isEnabledFor(logging.INFO)

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        self.logger.info(
            "request",
            extra={
                "method": request.method,
                "path": request.path,
                "status": response.status,
                "milliseconds": round(time * 1000, 2),
                "bytes": response.body_length,
                "remote": request.remote,
                "request_id": request.get(REQUEST_ID) or response.headers.get("X-Request-ID"),
                **{
                    name: request[key] for name, key in (("api_key", API_KEY), ("trace_id", TRACE_ID)) if key in request
                },
            },
        )


class _Protocol(RequestHandler):
    """aiohttp's connection; the response to what it cannot parse is a problem too."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or request.writer.output_size > 0:
            return super().handle_error(request, status, exc, message)
        if isinstance(exc, ContentEncodingError):
            problem = Problem(errors.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding unknown")
        else:
            first_line = (message or "").split("\n", 1)[0].rstrip(":")
            problem = Problem(errors.INVALID_REQUEST, f"not a valid HTTP request: {first_line}")
        response = _with_request_id(problem)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        # A body that turns out to be malformed after the response: not a defect of the service.
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)


def _with_request_id(problem: Problem) -> web.Response:
    response = problem.response()
    response.headers["X-Request-ID"] = new_id()
    return response


class _Server(web.Server):
    def __call__(self) -> RequestHandler:
        return _Protocol(self, loop=self._loop, **self._kwargs)


class Runner(web.AppRunner):
    """Runs an application; `cleanup` returns when the requests in flight are finished."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            access_log=access_log,
            access_log_class=AccessLogger,
            keepalive_timeout=_KEEP_ALIVE_SECONDS,
            shutdown_timeout=_DRAIN_SECONDS,
        )

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()

        async def handle(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await server.request_handler(request)
            except web.HTTPException as exc:  # an unknown Expect header: aiohttp rejects it before any middleware runs
                return _with_request_id(errors.from_framework(exc))

        return _Server(handle, request_factory=server.request_factory, **server._kwargs)


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to a host; true also of one that cannot be listened on."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        return True
    return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServeError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (socket.gaierror, UnicodeError) as exc:  # UnicodeError: 'a..b' cannot be looked up
        raise ServeError(f"cannot listen on {host!r}: {exc}") from exc
    except OSError as exc:
        # Not the error's text, which repeats the address.
        reason = os.strerror(exc.errno) if exc.errno else exc
        raise ServeError(f"cannot listen on {host} port {port}: {reason}") from exc


async def serve(database_url: str, listener: socket.socket, stopped: asyncio.Event, settings: Config) -> None:
    """Serves on a socket in this process until stopped, then finishes the requests in flight."""
    runner = Runner(
        create_app(database_url, auth=bool(settings.auth), tls_proxy=settings.tls_proxy, traces_to=settings.traces_to)
    )
    await runner.setup()
    try:
        await web.SockSite(runner, listener, backlog=_BACKLOG).start()
        await stopped.wait()
    finally:
        await runner.cleanup()


async def serve_in_processes(
    database_url: str, listener: socket.socket, stopped: asyncio.Event, settings: Config
) -> None:
    """Serves in several processes that accept from one socket; one that dies is replaced."""
    with metrics.shared():
        await _serve_in_processes(database_url, listener, stopped, settings)


async def _serve_in_processes(
    database_url: str, listener: socket.socket, stopped: asyncio.Event, settings: Config
) -> None:
    running = [_start_worker(database_url, listener, settings) for _ in range(settings.workers)]
    try:
        while not stopped.is_set():
            await _first_to_end(running, stopped)
            for index, worker in enumerate(running):
                if not stopped.is_set() and not worker.is_alive():
                    log.error("worker process died; starting another", extra={"exit_status": worker.exitcode})
                    metrics.forget(worker.pid)
                    # Not in a tight loop if none can start.
                    await asyncio.sleep(0.1)
                    running[index] = _start_worker(database_url, listener, settings)
    finally:
        # Left open, it would accept connections that are dropped at the end.
        listener.close()
        for worker in running:
            worker.terminate()
        for worker in running:
            await asyncio.to_thread(worker.join)


async def _first_to_end(workers: list[BaseProcess], stopped: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for worker in workers:
        loop.add_reader(worker.sentinel, ended.set)
    waits = [asyncio.ensure_future(event.wait()) for event in (ended, stopped)]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
    for worker in workers:
        loop.remove_reader(worker.sentinel)


def _start_worker(database_url: str, listener: socket.socket, settings: Config) -> BaseProcess:
    # spawn: a fork of a process that runs an event loop would share its file descriptors with it.
    worker = multiprocessing.get_context("spawn").Process(
        target=_run_worker, args=(database_url, listener, settings), daemon=True
    )
    # Ctrl+C in a terminal goes to workers too, which must not be interrupted while they import. The resource tracker
    # is started before: starting it with the first worker would unblock the signal again.
    resource_tracker.ensure_running()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        worker.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    return worker


def _run_worker(database_url: str, listener: socket.socket, settings: Config) -> None:
    logs.configure(settings.log_level)

    async def work() -> None:
        with stop_on_signals() as stopped:
            parent = multiprocessing.parent_process()
            assert parent is not None
            # A worker must not outlive a parent that was killed: nothing else would stop it.
            asyncio.get_running_loop().add_reader(parent.sentinel, stopped.set)
            await serve(database_url, listener, stopped, settings)

    eventloop.run(work())


@contextlib.contextmanager
def stop_on_signals() -> Iterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
