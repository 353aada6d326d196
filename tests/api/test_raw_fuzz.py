"""Bytes that are almost a request: as many operations are applied as are acknowledged.

FUZZ_EXAMPLES sets how many are tried.
"""

import asyncio
import contextlib
import os
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from . import Call, Connect, Wire, until

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "300"))
AT_ONCE = 30
SILENCE = 0.2
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_BODY = b'{"operation_type":"DEPOSIT","amount":1}'
_HEADERS = [
    b"Host: wallets",
    b"Content-Type: application/json",
    b"Content-Length: %d" % len(_BODY),
    b"Idempotency-Key: %KEY%",
]
_STRANGE = [
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity, chunked",
    b"Transfer-Encoding : chunked",
    b"transfer-encoding:\tchunked",
    b"Transfer-Encoding: xchunked",
    b"Content-Length: 0",
    b"Content-Length: +39",
    b"Content-Length: 39, 39",
    b"Content-Length: 0x27",
    b"Content-Length: 99999999999999999999",
    b"Content-Encoding: gzip",
    b"Content-Type: text/plain",
    b"Content-Type: application/json; charset=utf-7",
    b"Connection: close",
    b"Connection: keep-alive, upgrade",
    b"Upgrade: websocket",
    b"Expect: 100-continue",
    b"Idempotency-Key: another",
    b"X-Folded: a\r\n b",
    b"X-Nul: \0",
    b"X-Latin: \xff",
    b": no name",
    b"No colon",
    b"X-Large: " + b"x" * 9000,
]
_BODIES = [
    _BODY,
    b"27\r\n" + _BODY + b"\r\n0\r\n\r\n",
    b"0027;x=y\r\n" + _BODY + b"\r\n0\r\nTrailer: x\r\n\r\n",
    b"-1\r\n" + _BODY + b"\r\n0\r\n\r\n",
    b"FFFFFFFFFFFFFFFFF\r\n" + _BODY,
    b"0\r\n\r\nPOST %PATH% HTTP/1.1\r\nHost: wallets\r\nContent-Type: application/json\r\nContent-Length: 39\r\n\r\n"
    + _BODY,
    b"",
    _BODY * 3,
]


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A deposit, changed in a few places, perhaps followed by another."""
    headers = list(_HEADERS)
    for header in draw(st.lists(st.sampled_from(_STRANGE), max_size=2)):
        headers.insert(draw(st.integers(0, len(headers))), header)
    if draw(st.booleans()):
        headers = draw(st.permutations(headers))
    line = draw(
        st.sampled_from(
            [b"POST %PATH% HTTP/1.1"] * 4 + [b"POST  %PATH% HTTP/1.1", b"POST %PATH% HTTP/1.0", b"post %PATH%"]
        )
    )
    end = draw(st.sampled_from([b"\r\n"] * 6 + [b"\n", b"\r"]))
    content = end.join([line, *headers, b"", b""]) + draw(st.sampled_from(_BODIES))
    match draw(st.sampled_from(["whole", "whole", "cut", "insert", "replace", "twice"])):
        case "cut":
            content = content[: draw(st.integers(0, len(content)))]
        case "insert":
            index = draw(st.integers(0, len(content)))
            content = content[:index] + draw(st.binary(min_size=1, max_size=4)) + content[index:]
        case "replace":
            index = draw(st.integers(0, len(content) - 1))
            content = content[:index] + draw(st.binary(min_size=1, max_size=1)) + content[index + 1 :]
        case "twice":
            content += content.replace(b"%KEY%", b"%KEY%-2")
        case _:
            pass
    return content


async def read(wire: Wire) -> bytes:
    """What the service sends until it closes the connection, or waits for the rest of a request."""
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        while chunk := await asyncio.wait_for(wire.reader.read(65536), SILENCE):
            received += chunk
    return received


@settings(
    max_examples=EXAMPLES // AT_ONCE,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(contents=st.lists(requests(), min_size=AT_ONCE, max_size=AT_ONCE))
async def test_every_acknowledgement_is_one_operation(call: Call, connect: Connect, contents: list[bytes]) -> None:
    async def check(content: bytes) -> None:
        wallet = (await call("POST", "/api/wallets/", json={})).json["id"]
        path = f"/api/wallets/{wallet}/operation".encode()
        wire = await connect()
        await wire.send(content.replace(b"%PATH%", path).replace(b"%KEY%", wallet.encode()))
        received = b""

        async def is_every_operation_acknowledged() -> bool:
            nonlocal received
            received += await read(wire)
            statuses = [int(status) for status in _STATUS.findall(received)]
            assert not [status for status in statuses if status >= 500], received
            operations = (await call("GET", f"/api/wallets/{wallet}/details")).json["last_seq"]
            return bool(operations == statuses.count(201) - received.count(b"Idempotent-Replayed: true"))

        # Again where they differ: on a busy machine, silence may be a response that is late.
        await until(is_every_operation_acknowledged)
        await wire.close()

    await asyncio.gather(*(check(content) for content in contents))
