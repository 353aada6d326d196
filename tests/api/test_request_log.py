"""The line that each request leaves in the log, and the id by which it is found."""

import json
import logging
import re
from typing import Any

import asyncpg
import pytest

from . import UNKNOWN, Call, Connect, ReadLog, Response, get, post


@pytest.fixture
def exchange_last(connect: Connect) -> Any:
    """Sends bytes on a new connection; gives the first response once the connection has ended and all is logged."""

    async def send(*contents: bytes) -> Response:
        wire = await connect()
        for content in contents:
            await wire.send(content)
            response = await wire.response()
        assert await wire.end() == b""
        return response

    return send


async def test_a_well_formed_id_comes_back(call: Call) -> None:
    for path in ("/health/live", "/nowhere"):
        response = await call("GET", path, headers={"X-Request-ID": "checkout:42/a~"})
        assert response.headers["x-request-id"] == "checkout:42/a~"


async def test_a_malformed_or_missing_id_is_generated(call: Call) -> None:
    headers: list[dict[str, str]] = [{"X-Request-ID": given} for given in ("", " ", "a b", "é", "x" * 129)]
    ids = [
        (await call("GET", "/health/live", headers=given)).headers["x-request-id"] for given in [*headers, *[{}] * 10]
    ]
    assert all(re.fullmatch(r"[\w-]{22}", generated) for generated in ids)
    assert len(set(ids)) == len(ids)


async def test_a_request_is_one_line(read_log: ReadLog, exchange_last: Any, wallet: str) -> None:
    already = len(read_log())
    await exchange_last(get(f"/api/wallets/{wallet}/?x=1", "X-Request-ID: mine", "Connection: close"))
    (line,) = read_log()[already:]
    assert set(line) == {
        *("time", "level", "event"),
        *("method", "path", "status", "milliseconds", "bytes", "remote", "request_id"),
    }
    assert (line["level"], line["event"], line["method"], line["status"]) == ("info", "request", "GET", 200)
    assert (line["path"], line["request_id"]) == (f"/api/wallets/{wallet}/", "mine")
    assert isinstance(line["milliseconds"], float)
    assert 0 < line["milliseconds"] < 60_000


@pytest.mark.parametrize(
    ("content", "status"), [(get("/nowhere", "Connection: close"), 404), (b"GARBAGE\r\n\r\n", 400)]
)
async def test_a_problem_is_one_line_at_info(
    read_log: ReadLog, exchange_last: Any, content: bytes, status: int
) -> None:
    response = await exchange_last(content)
    (line,) = read_log()
    assert (line["level"], line["status"], line["request_id"]) == ("info", status, response.headers["x-request-id"])


async def test_from_warning_on_there_is_no_line(read_log: ReadLog, exchange_last: Any) -> None:
    logging.getLogger().setLevel(logging.WARNING)
    assert (await exchange_last(get("/health/live"), get("/nowhere", "Connection: close"))).status == 404
    assert read_log() == []


async def test_no_line_shows_a_secret(read_log: ReadLog, exchange_last: Any, wallet: str) -> None:
    secrets = ("Authorization: Bearer hunter1", "Cookie: session=hunter2", "Idempotency-Key: hunter3", "X: hunter4")
    good = {"operation_type": "DEPOSIT", "amount": "1", "note": "hunter5"}
    bad = {"operation_type": "hunter6", "amount": "hunter7"}
    await exchange_last(
        *(
            post(f"/api/wallets/{wallet}/operation?token=hunter8", json.dumps(body).encode(), *secrets)
            for body in (good, bad)
        ),
        post("/api/wallets/", b'{"name": "hunter9"}', *secrets, "Connection: close"),
    )
    assert [line["status"] for line in read_log()][-3:] == [201, 400, 201]
    assert "hunter" not in json.dumps(read_log())


async def test_a_path_cannot_forge_a_line(read_log: ReadLog, exchange_last: Any) -> None:
    assert (await exchange_last(get('/%0A{"level":"error"}%0D%1B%00', "Connection: close"))).status == 404
    (line,) = read_log()
    assert (line["level"], line["path"]) == ("info", '/\n{"level":"error"}\r\x1b\0')


async def test_an_internal_error_is_logged_and_not_shown(
    read_log: ReadLog, call: Call, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute(
        "create or replace function wallet.get_wallet(p_wallet_id uuid) returns wallet.wallet_details "
        "language plpgsql as $$ begin raise exception 'the secret of the house'; end $$"
    )
    response = await call("GET", f"/api/wallets/{UNKNOWN}/details", headers={"X-Request-ID": "mine"})
    assert (response.status, response.json["code"]) == (500, "internal_error")
    assert b"secret" not in response.content
    (line,) = [line for line in read_log() if line["level"] == "error"]
    assert line["request_id"] == "mine"
    assert "the secret of the house" in line["exception"]
