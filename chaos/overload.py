"""`python -m chaos.overload ADDRESS CONNECTIONS SECONDS WALLET…`: clients that never pause between requests.

A process of its own without an HTTP library: it must send more than the service can do, on the same two cores.
Prints the outcomes as JSON.
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


class _Outcomes:
    """The outcomes of all clients."""

    def __init__(self, wallets: list[str], until: float) -> None:
        self.wallets = wallets
        self.until = until
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.accepted_seconds: list[float] = []
        self.shed_seconds: list[float] = []


class _Client(asyncio.Protocol):
    def __init__(self, outcomes: _Outcomes) -> None:
        self._outcomes = outcomes
        self._received = b""
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._send(secrets.token_urlsafe(12))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, _, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if length is None or len(body) < int(length[1]):
            return
        self._received = b""
        response, seconds = json.loads(body), time.monotonic() - self._sent_at
        if response["status"] == "SUCCESS":
            self._outcomes.acknowledged[self._key] = (response["operation_id"], int(response["new_balance"]))
            self._outcomes.accepted_seconds.append(seconds)
        elif response["code"] == "overloaded":
            self._outcomes.shed_seconds.append(seconds)
        else:  # applied or not: retry with the same idempotency key
            self._send(self._key)
            return
        if time.monotonic() < self._outcomes.until:
            self._send(secrets.token_urlsafe(12))
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)

    def _send(self, key: str) -> None:
        self._key, self._sent_at = key, time.monotonic()
        head = (
            f"POST /api/wallets/{random.choice(self._outcomes.wallets)}/operation HTTP/1.1\r\nHost: wallets\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\nIdempotency-Key: {key}\r\n\r\n"
        )
        self._transport.write(head.encode() + _BODY)


async def _main(address: str, connections: int, seconds: float, wallets: list[str]) -> None:
    outcomes = _Outcomes(wallets, time.monotonic() + seconds)
    server = urlsplit(address)
    assert server.hostname
    assert server.port
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: _Client(outcomes), server.hostname, server.port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.ended for client in clients))
    print(
        json.dumps(
            {
                "acknowledged": outcomes.acknowledged,
                "accepted_seconds": outcomes.accepted_seconds,
                "shed_seconds": outcomes.shed_seconds,
            }
        )
    )


if __name__ == "__main__":
    eventloop.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
