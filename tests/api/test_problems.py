"""Requests that the service rejects by itself: wrong paths, methods, media types and bodies."""

import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from . import UNKNOWN, Call, Exchange, ExpectProblem, Response, get

pytestmark = pytest.mark.shared_database

VALID = b'{"operation_type":"DEPOSIT","amount":"1"}'
JSON = {"Content-Type": "application/json"}
Send = Callable[..., Coroutine[Any, Any, Response]]


@pytest.fixture
def send(call: Call, wallet: str) -> Send:
    """Posts a body as an operation on the wallet."""

    def post_body(body: object, **headers: str) -> Coroutine[Any, Any, Response]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return call("POST", f"/api/wallets/{wallet}/operation", data=body, headers=JSON | named)

    return post_body


async def test_an_id_that_is_no_uuid_is_not_found(
    exchange: Exchange, wallet: str, expect_problem: ExpectProblem
) -> None:
    other_digits = quote(wallet.translate({ord("0") + n: ord("٠") + n for n in range(10)}))
    ids = ["1", "null", "%00", "%0A", "%FF", "..", "%D1%8F", f"{wallet}%0A", f"%20{wallet}", f"%7B{wallet}%7D"]
    ids += [
        f"{{{wallet}}}",
        f"urn:uuid:{wallet}",
        UUID(wallet).hex,
        wallet.replace("-", ":"),
        other_digits,
        "'or'1'='1",
    ]
    await expect_problem([exchange(get(f"/api/wallets/{each}/")) for each in ids], 404, "wallet_not_found")


async def test_no_route_finds_an_id_that_is_no_uuid(
    call: Call, exchange: Exchange, wallet: str, expect_problem: ExpectProblem
) -> None:
    path = f"/api/wallets/{UUID(wallet).hex}"
    requests = [call("GET", f"{path}/{rest}") for rest in ("details", "operations/", f"operations/{UNKNOWN}")]
    requests += [
        call("POST", f"{path}/operation", data=body, headers=JSON)
        for body in (VALID, b"", b"{}", b'{"operation_type":1,"amount":true}')
    ]
    await expect_problem(requests, 404, "wallet_not_found")


async def test_other_paths_are_not_found(call: Call, expect_problem: ExpectProblem) -> None:
    paths = ["/api", "/api/", "/api/wallet", "/api/wallets//", "/API/wallets/", "/health"]
    paths += [f"/api/wallets/{UNKNOWN}/{rest}" for rest in ("x", "operation/x", "operations/x/y", "details/x")]
    await expect_problem([call("GET", path) for path in paths], 404, "not_found")


async def test_another_method_gets_the_allowed_ones(call: Call, expect_problem: ExpectProblem) -> None:
    for method, path, allowed in (
        ("POST", f"/api/wallets/{UNKNOWN}/", "GET"),
        ("GET", f"/api/wallets/{UNKNOWN}/operation", "POST"),
        ("PUT", f"/api/wallets/{UNKNOWN}/operation/", "POST"),
        ("PATCH", "/api/wallets/", "GET,POST"),
        ("POST", f"/api/wallets/{UNKNOWN}/details", "GET"),
        ("DELETE", f"/api/wallets/{UNKNOWN}/operations/{UNKNOWN}", "GET"),
        ("POST", "/health/live", "GET,HEAD"),
    ):
        response = await expect_problem(call(method, path), 405, "method_not_allowed")
        assert response.headers["allow"] == allowed


async def test_a_body_that_is_no_json_object_is_rejected(send: Send, expect_problem: ExpectProblem) -> None:
    bodies = [b"", b"null", b"[]", b"[" + VALID + b"]", b"{", VALID[:-1], VALID + b"}", VALID.replace(b'"', b"'")]
    bodies += [VALID.replace(b'"1"', value) for value in (b"01", b"NaN", b'"1\n"', rb'"\udfff"', rb'"\x31"')]
    bodies += [VALID.replace(b"POS", value) for value in (b"\xff", b"\xed\xa0\x80", rb"\ud800")]
    bodies += [b"amount=1&operation_type=DEPOSIT", b"\x00", b"\xef\xbb\xbf" + VALID, VALID.decode().encode("utf-16")]
    await expect_problem([send(body) for body in bodies], 400, "invalid_request")


async def test_a_wallet_that_is_no_json_object_is_rejected(call: Call, expect_problem: ExpectProblem) -> None:
    bodies = (b"", b"null", b"[]", b'{"name": "\xff"}', rb'{"name": "\ud800"}')
    requests = [call("POST", "/api/wallets/", data=body, headers=JSON) for body in bodies]
    await expect_problem(requests, 400, "invalid_request")


async def test_a_number_too_large_is_no_amount(send: Send, expect_problem: ExpectProblem) -> None:
    numbers = [VALID.replace(b'"1"', amount) for amount in (b"1e999", b"9" * 5000)]
    await expect_problem([send(body) for body in numbers], 400, "invalid_amount")


async def test_a_body_nested_without_end_is_rejected(send: Send, expect_problem: ExpectProblem) -> None:
    for member, code in ((b"amount", "invalid_amount"), (b"unknown", "invalid_request")):
        bodies = [b'{"' + member + b'":' + opening * 10_000 for opening in (b"[", b'{"a":')]
        await expect_problem([send(body) for body in bodies], 400, code)


async def test_another_media_type_is_rejected(send: Send, expect_problem: ExpectProblem) -> None:
    types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/problem+json",
        "text/json",
        "json",
        "",
        "*/*",
    ]
    requests = [send(VALID, Content_Type=media_type) for media_type in types]
    await expect_problem(requests, 415, "unsupported_media_type")


async def test_the_media_type_may_vary_or_be_left_out(call: Call, send: Send, wallet: str) -> None:
    for media_type in ("application/json;charset=UTF-8", "Application/JSON", "application/json ; a=b"):
        assert (await send(VALID, Content_Type=media_type)).status == 201
    path = f"/api/wallets/{wallet}/operation"
    assert (await call("POST", path, data=VALID, skip_auto_headers=("Content-Type",))).status == 201


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 10_000):
        yield content[start : start + 10_000]


async def test_a_body_up_to_64_kib_is_read(send: Send) -> None:
    assert (await send(VALID.ljust(65_536))).status == 201
    assert (await send(chunks(VALID.ljust(30_000)))).status == 201
    assert (await send(gzip.compress(VALID), Content_Encoding="gzip")).status == 201
    assert (await send(zlib.compress(VALID), Content_Encoding="deflate")).status == 201


async def test_a_larger_body_is_rejected(call: Call, send: Send, expect_problem: ExpectProblem) -> None:
    bomb = gzip.compress(VALID.ljust(50_000_000))
    assert len(bomb) < 65_536
    requests = [
        send(VALID.ljust(65_537)),
        send(chunks(VALID.ljust(200_000))),
        send(bomb, Content_Encoding="gzip"),
        call("POST", "/api/wallets/", data=VALID.ljust(65_537), headers=JSON),
    ]
    await expect_problem(requests, 413, "payload_too_large")


async def test_a_body_in_another_coding_than_named_is_rejected(send: Send, expect_problem: ExpectProblem) -> None:
    for coding in ("gzip", "deflate"):
        response = await expect_problem(send(b"\x01" + VALID, Content_Encoding=coding), 400, "invalid_request")
        assert response.headers["connection"] == "close"
