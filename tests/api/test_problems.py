"""Requests that the service refuses by itself: wrong paths, methods, media types and bodies."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import UUID

import pytest

from . import UNKNOWN, Call, Exchange, Refused, get

VALID = b'{"operation_type":"DEPOSIT","amount":"1"}'
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "wallet_id",
    [
        "1",
        "null",
        "%00",
        "%0A",
        "%FF",
        "..",
        "%D1%8F",
        "{0}%0A",
        "%20{0}",
        "%7B{0}%7D",
        "{{{0}}}",
        "urn:uuid:{0}",
        "{1}",
        "{2}",
        "{3}",
        "'or'1'='1",
    ],
)
async def test_an_id_that_is_no_uuid_is_of_no_wallet(
    exchange: Exchange, wallet: str, refused: Refused, wallet_id: str
) -> None:
    other_digits = quote(wallet.translate({ord("0") + n: ord("٠") + n for n in range(10)}))
    written = wallet_id.format(wallet, UUID(wallet).hex, wallet.replace("-", ":"), other_digits)
    await refused(exchange(get(f"/api/wallets/{written}/")), 404, "wallet_not_found")


@pytest.mark.parametrize("path", ["details", "operations/", f"operations/{UNKNOWN}"])
async def test_whatever_is_asked_of_an_id_that_is_no_uuid_is_not_found(
    call: Call, wallet: str, refused: Refused, path: str
) -> None:
    await refused(call("GET", f"/api/wallets/{UUID(wallet).hex}/{path}"), 404, "wallet_not_found")


async def test_an_operation_on_an_id_that_is_no_uuid_is_of_no_wallet(call: Call, wallet: str, refused: Refused) -> None:
    path = f"/api/wallets/{UUID(wallet).hex}/operation"
    await refused(call("POST", path, data=VALID, headers=JSON), 404, "wallet_not_found")


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api/wallet", "/api/wallets//", "/API/wallets/", "/health"]
    + [f"/api/wallets/{UNKNOWN}/{name}" for name in ("x", "operation/x", "operations/x/y", "details/x")],
)
async def test_there_is_nothing_at_other_paths(call: Call, refused: Refused, path: str) -> None:
    await refused(call("GET", path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", f"/api/wallets/{UNKNOWN}/", "GET"),
        ("GET", f"/api/wallets/{UNKNOWN}/operation", "POST"),
        ("PUT", f"/api/wallets/{UNKNOWN}/operation/", "POST"),
        ("PATCH", "/api/wallets/", "GET,POST"),
        ("POST", f"/api/wallets/{UNKNOWN}/details", "GET"),
        ("DELETE", f"/api/wallets/{UNKNOWN}/operations/{UNKNOWN}", "GET"),
        ("POST", "/health/live", "GET,HEAD"),
    ],
)
async def test_another_method_is_told_which_ones_there_are(
    call: Call, refused: Refused, method: str, path: str, allowed: str
) -> None:
    answer = await refused(call(method, path), 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"[" + VALID + b"]",
        b"{",
        VALID[:-1],
        VALID + b"}",
        VALID.replace(b'"', b"'"),
        VALID.replace(b'"1"', b"01"),
        VALID.replace(b'"1"', b"NaN"),
        VALID.replace(b'"1"', b'"1\n"'),
        b"amount=1&operation_type=DEPOSIT",
        b"\x00",
        b"\xef\xbb\xbf" + VALID,
        VALID.decode().encode("utf-16"),
        VALID.replace(b"POS", b"\xff"),
        VALID.replace(b"POS", b"\xed\xa0\x80"),
        VALID.replace(b"POS", rb"\ud800"),
        VALID.replace(b'"1"', rb'"\udfff"'),
        VALID.replace(b'"1"', rb'"\x31"'),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(call: Call, wallet: str, refused: Refused, body: bytes) -> None:
    path = f"/api/wallets/{wallet}/operation"
    await refused(call("POST", path, data=body, headers=JSON), 400, "invalid_request")


@pytest.mark.parametrize("amount", [b"1e999", b"9" * 5000])
async def test_a_number_that_no_computer_holds_is_no_amount(
    call: Call, wallet: str, refused: Refused, amount: bytes
) -> None:
    body = VALID.replace(b'"1"', amount)
    await refused(call("POST", f"/api/wallets/{wallet}/operation", data=body, headers=JSON), 400, "invalid_amount")


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"name": "\xff"}', rb'{"name": "\ud800"}'])
async def test_a_wallet_of_no_json_object_is_refused(call: Call, refused: Refused, body: bytes) -> None:
    await refused(call("POST", "/api/wallets/", data=body, headers=JSON), 400, "invalid_request")


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
@pytest.mark.parametrize(("member", "code"), [(b"amount", "invalid_amount"), (b"unknown", "invalid_request")])
async def test_a_body_nested_without_end_is_refused(
    call: Call, wallet: str, refused: Refused, member: bytes, code: str, opening: bytes
) -> None:
    body = b'{"' + member + b'":' + opening * 10_000
    path = f"/api/wallets/{wallet}/operation"
    await refused(call("POST", path, data=body, headers=JSON), 400, code)


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/problem+json", "text/json", "json", "", "*/*"],
)
async def test_another_media_type_is_refused(call: Call, wallet: str, refused: Refused, media_type: str) -> None:
    path = f"/api/wallets/{wallet}/operation"
    headers = {"Content-Type": media_type}
    await refused(call("POST", path, data=VALID, headers=headers), 415, "unsupported_media_type")


async def test_the_media_type_may_be_left_out(call: Call, wallet: str) -> None:
    answer = await call("POST", f"/api/wallets/{wallet}/operation", data=VALID, skip_auto_headers=("Content-Type",))
    assert answer.status == 201


@pytest.mark.parametrize("media_type", ["application/json;charset=UTF-8", "Application/JSON", "application/json ; a=b"])
async def test_the_media_type_may_be_written_in_other_ways(call: Call, wallet: str, media_type: str) -> None:
    headers = {"Content-Type": media_type}
    answer = await call("POST", f"/api/wallets/{wallet}/operation", data=VALID, headers=headers)
    assert answer.status == 201


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 10_000):
        yield content[start : start + 10_000]


async def test_a_body_of_64_kib_is_read(call: Call, wallet: str) -> None:
    path = f"/api/wallets/{wallet}/operation"
    assert (await call("POST", path, data=VALID.ljust(65_536), headers=JSON)).status == 201


@pytest.mark.parametrize("path", ["/api/wallets/{}/operation", "/api/wallets/"])
async def test_a_larger_body_is_refused(call: Call, wallet: str, refused: Refused, path: str) -> None:
    request = call("POST", path.format(wallet), data=VALID.ljust(65_537), headers=JSON)
    await refused(request, 413, "payload_too_large")


async def test_a_larger_body_is_refused_though_its_length_is_not_announced(
    call: Call, wallet: str, refused: Refused
) -> None:
    path = f"/api/wallets/{wallet}/operation"
    request = call("POST", path, data=chunks(VALID.ljust(200_000)), headers=JSON)
    await refused(request, 413, "payload_too_large")


async def test_a_body_may_come_without_its_length(call: Call, wallet: str) -> None:
    path = f"/api/wallets/{wallet}/operation"
    assert (await call("POST", path, data=chunks(VALID.ljust(30_000)), headers=JSON)).status == 201


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
async def test_a_body_may_be_compressed(call: Call, wallet: str, coding: str, compress: object) -> None:
    assert callable(compress)
    headers = {**JSON, "Content-Encoding": coding}
    answer = await call("POST", f"/api/wallets/{wallet}/operation", data=compress(VALID), headers=headers)
    assert answer.status == 201


async def test_a_small_body_that_unpacks_to_a_large_one_is_refused(call: Call, wallet: str, refused: Refused) -> None:
    bomb = gzip.compress(VALID.ljust(50_000_000))
    assert len(bomb) < 65_536
    headers = {**JSON, "Content-Encoding": "gzip"}
    request = call("POST", f"/api/wallets/{wallet}/operation", data=bomb, headers=headers)
    await refused(request, 413, "payload_too_large")


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
async def test_a_body_that_is_not_compressed_as_it_says_is_refused(
    call: Call, wallet: str, refused: Refused, coding: str
) -> None:
    headers = {**JSON, "Content-Encoding": coding}
    request = call("POST", f"/api/wallets/{wallet}/operation", data=b"\x01" + VALID, headers=headers)
    answer = await refused(request, 400, "invalid_request")
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("content", [b"", b"{}", json.dumps({"operation_type": 1, "amount": True}).encode()])
async def test_an_unknown_wallet_is_said_before_the_body_is_looked_at(
    call: Call, refused: Refused, content: bytes
) -> None:
    await refused(call("POST", "/api/wallets/none/operation", data=content, headers=JSON), 404, "wallet_not_found")
