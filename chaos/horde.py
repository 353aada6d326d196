"""`python -m chaos.horde ADDRESS CONNECTIONS SECONDS WALLET…`: clients that ask again as soon as they are answered.

A process of its own, and no HTTP library: it has to ask for far more than the service can do, on the same two cores.
Prints what it was told, as JSON.
"""

import asyncio
import json
import random
import re
import secrets
import sys
import time
from typing import cast
from urllib.parse import urlsplit

from service import eventloop

_LENGTH = re.compile(rb"\r\nContent-Length: (\d+)\r\n")
_BODY = b'{"operation_type":"DEPOSIT","amount":1}'


class _Told:
    """What all of them were told."""

    def __init__(self, wallets: list[str], until: float) -> None:
        self.wallets = wallets
        self.until = until
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.accepted_seconds: list[float] = []
        self.shed_seconds: list[float] = []


class _Client(asyncio.Protocol):
    def __init__(self, told: _Told) -> None:
        self._told = told
        self._received = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask(secrets.token_urlsafe(12))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        self._received = b""
        answer, seconds = json.loads(body), time.monotonic() - self._asked_at
        if answer["status"] == "SUCCESS":
            self._told.acknowledged[self._key] = (answer["operation_id"], int(answer["new_balance"]))
            self._told.accepted_seconds.append(seconds)
        elif answer["code"] == "overloaded":
            self._told.shed_seconds.append(seconds)
        else:  # applied or not: only the same key tells
            self._ask(self._key)
            return
        if time.monotonic() < self._told.until:
            self._ask(secrets.token_urlsafe(12))
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self, key: str) -> None:
        self._key, self._asked_at = key, time.monotonic()
        head = (
            f"POST /api/wallets/{random.choice(self._told.wallets)}/operation HTTP/1.1\r\nHost: wallets\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\nIdempotency-Key: {key}\r\n\r\n"
        )
        self._transport.write(head.encode() + _BODY)


async def _main(address: str, connections: int, seconds: float, wallets: list[str]) -> None:
    told = _Told(wallets, time.monotonic() + seconds)
    where = urlsplit(address)
    assert where.hostname
    assert where.port
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(told), where.hostname, where.port))[1] for _ in range(connections)
    ]
    await asyncio.gather(*(client.ended for client in clients))
    print(
        json.dumps(
            {
                "acknowledged": told.acknowledged,
                "accepted_seconds": told.accepted_seconds,
                "shed_seconds": told.shed_seconds,
            }
        )
    )


if __name__ == "__main__":
    eventloop.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
