"""The REST API over HTTP, one file of tests per subject."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple, Self

import aiohttp
import asyncpg

from service.vocabulary import MAX_AMOUNT as MAX_AMOUNT

UNKNOWN = "00000000-0000-4000-8000-000000000000"

DEADLINE = 30.0


class State(NamedTuple):
    """All that the money rules read and write, as it is stored."""

    wallets: list[asyncpg.Record]
    operations: list[asyncpg.Record]


class Response(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: dict[str, str]
    content: bytes
    version: str = "HTTP/1.1"

    @classmethod
    async def read(cls, response: aiohttp.ClientResponse) -> Self:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return cls(response.status, headers, await response.read())

    @property
    def json(self) -> Any:
        return json.loads(self.content)


class Wire:
    """A TCP connection to the service, for what no HTTP client would send."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, host: str, port: int) -> Self:
        return cls(*await asyncio.open_connection(host, port))

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def response(self) -> Response:
        """The next response, which must give its length."""
        async with asyncio.timeout(DEADLINE):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status_line, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            version, status, _ = status_line.split(" ", 2)
            content = await self.reader.readexactly(int(headers["content-length"]))
        return Response(int(status), headers, content, version)

    async def end(self) -> bytes:
        """All that comes before the service closes the connection."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


def post(path: str, content: bytes, *headers: str) -> bytes:
    """A POST as it goes over the wire."""
    lines = [f"POST {path} HTTP/1.1", "Host: wallets", f"Content-Length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + content


def get(path: str, *headers: str) -> bytes:
    """A GET as it goes over the wire."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: wallets", *headers, "", ""]).encode("latin-1")


def assert_problem(response: Response, status: int, code: str) -> None:
    """A problem has the one body of all problems."""
    assert (response.status, response.headers["content-type"]) == (status, "application/problem+json"), response
    problem = response.json
    assert set(problem) == {"type", "title", "status", "detail", "code"}
    assert (problem["type"], problem["status"], problem["code"]) == (f"urn:wallets:problem:{code}", status, code)
    assert problem["title"]
    assert problem["detail"]
    assert problem["title"] != problem["detail"]
    assert response.headers["x-request-id"]


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Returns once a condition holds."""
    async with asyncio.timeout(DEADLINE):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


CreateKey = Callable[..., Awaitable[str]]
Call = Callable[..., Coroutine[Any, Any, Response]]
ReadState = Callable[..., Awaitable[State]]
ExpectProblem = Callable[..., Awaitable[Response]]
Connect = Callable[[], Awaitable[Wire]]
Exchange = Callable[[bytes], Awaitable[Response]]
Condition = Callable[[], Awaitable[bool]]
Release = Callable[[], Awaitable[None]]
ReadLog = Callable[[], list[dict[str, Any]]]
