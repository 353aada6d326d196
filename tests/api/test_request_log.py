"""The line that each request leaves in the log, and the id by which it is found."""

import json
import logging
import re

import asyncpg
import pytest

from . import UNKNOWN, Call, Connect, ReadLog, get, post


def requests(read_log: ReadLog) -> list[dict[str, object]]:
    return [line for line in read_log() if line["event"] == "request"]


async def test_the_id_of_a_request_comes_back(call: Call) -> None:
    answer = await call("GET", "/health/live", headers={"X-Request-ID": "checkout:42/a~"})
    assert answer.headers["x-request-id"] == "checkout:42/a~"


async def test_a_refused_request_has_its_id_too(call: Call) -> None:
    answer = await call("GET", "/nowhere", headers={"X-Request-ID": "mine"})
    assert answer.headers["x-request-id"] == "mine"


@pytest.mark.parametrize("given", ["", " ", "a b", "é", "x" * 129])
async def test_a_malformed_id_is_replaced(call: Call, given: str) -> None:
    answer = await call("GET", "/health/live", headers={"X-Request-ID": given})
    assert re.fullmatch(r"[\w-]{22}", answer.headers["x-request-id"])


async def test_a_request_without_an_id_gets_one_of_its_own(call: Call) -> None:
    ids = {(await call("GET", "/health/live")).headers["x-request-id"] for _ in range(10)}
    assert len(ids) == 10


async def test_a_request_is_one_line(read_log: ReadLog, connect: Connect, wallet: str) -> None:
    already = len(requests(read_log))
    wire = await connect()
    await wire.send(get(f"/api/wallets/{wallet}/?x=1", "X-Request-ID: mine", "Connection: close"))
    assert (await wire.answer()).status == 200
    assert await wire.end() == b""
    (line,) = requests(read_log)[already:]
    assert set(line) == {
        *("time", "level", "event"),
        *("method", "path", "status", "milliseconds", "bytes", "remote", "request_id"),
    }
    assert (line["level"], line["method"], line["status"]) == ("info", "GET", 200)
    assert (line["path"], line["request_id"]) == (f"/api/wallets/{wallet}/", "mine")
    assert isinstance(line["milliseconds"], float)
    assert 0 < line["milliseconds"] < 60_000


async def test_a_refusal_is_one_line_at_info(read_log: ReadLog, connect: Connect) -> None:
    wire = await connect()
    await wire.send(get("/nowhere", "Connection: close"))
    answer = await wire.answer()
    assert await wire.end() == b""
    (line,) = read_log()
    assert (line["level"], line["status"], line["request_id"]) == ("info", 404, answer.headers["x-request-id"])


async def test_what_is_no_http_request_is_one_line_at_info(read_log: ReadLog, connect: Connect) -> None:
    wire = await connect()
    await wire.send(b"GARBAGE\r\n\r\n")
    answer = await wire.answer()
    assert await wire.end() == b""
    (line,) = read_log()
    assert (line["level"], line["status"], line["request_id"]) == ("info", 400, answer.headers["x-request-id"])


async def test_from_warning_on_there_is_no_line(read_log: ReadLog, connect: Connect) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    wire = await connect()
    await wire.send(get("/health/live") + get("/nowhere", "Connection: close"))
    assert [(await wire.answer()).status for _ in range(2)] == [200, 404]
    assert await wire.end() == b""
    assert read_log() == []


async def test_no_line_tells_a_secret(read_log: ReadLog, connect: Connect, wallet: str) -> None:
    wire = await connect()
    secrets = ("Authorization: Bearer hunter1", "Cookie: session=hunter2", "Idempotency-Key: hunter3", "X: hunter4")
    good = {"operation_type": "DEPOSIT", "amount": "1", "note": "hunter5"}
    bad = {"operation_type": "hunter6", "amount": "hunter7"}
    for body in (good, bad):
        await wire.send(post(f"/api/wallets/{wallet}/operation?token=hunter8", json.dumps(body).encode(), *secrets))
        await wire.answer()
    await wire.send(post("/api/wallets/", b'{"name": "hunter9"}', *secrets, "Connection: close"))
    await wire.answer()
    assert await wire.end() == b""
    assert [line["status"] for line in requests(read_log)][-3:] == [201, 400, 201]
    assert "hunter" not in json.dumps(read_log())


async def test_a_path_cannot_forge_a_line(read_log: ReadLog, connect: Connect) -> None:
    wire = await connect()
    await wire.send(get('/%0A{"level":"error"}%0D%1B%00', "Connection: close"))
    assert (await wire.answer()).status == 404
    assert await wire.end() == b""
    (line,) = read_log()
    assert (line["level"], line["path"]) == ("info", '/\n{"level":"error"}\r\x1b\0')


async def test_a_defect_is_logged_under_the_id_of_the_request_and_not_told(
    read_log: ReadLog, call: Call, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute(
        "create or replace function wallet.get_wallet(p_wallet_id uuid) returns wallet.wallet_details "
        "language plpgsql as $$ begin raise exception 'the secret of the house'; end $$"
    )
    answer = await call("GET", f"/api/wallets/{UNKNOWN}/details", headers={"X-Request-ID": "mine"})
    assert (answer.status, answer.json["code"]) == (500, "internal_error")
    assert b"secret" not in answer.content
    (line,) = [line for line in read_log() if line["level"] == "error"]
    assert line["request_id"] == "mine"
    assert "the secret of the house" in line["exception"]
