"""Bytes that are not HTTP, or only just."""

import pytest

from service.limits import Limits

from . import Condition, Connect, Exchange, ExpectProblem, ReadLog, ReadState, Release, Response, get, post, until

pytestmark = pytest.mark.shared_database

VALID = b'{"operation_type":"DEPOSIT","amount":"1"}'
JSON = "Content-Type: application/json"
CHUNKED = b"29\r\n" + VALID + b"\r\n0\r\n\r\n"
SMUGGLED = b"0\r\n\r\nGET /api/wallets/ HTTP/1.1\r\nHost: wallets\r\n\r\n"


@pytest.fixture
def path(wallet: str) -> str:
    return f"/api/wallets/{wallet}/operation"


@pytest.fixture
def only_response(connect: Connect) -> Exchange:
    """Sends bytes on a new connection; gives the response, after which the connection must end."""

    async def send(content: bytes) -> Response:
        wire = await connect()
        await wire.send(content)
        response = await wire.response()
        assert await wire.end() == b""
        return response

    return send


async def test_a_malformed_request_is_rejected(only_response: Exchange, expect_problem: ExpectProblem) -> None:
    contents = [
        b"hello\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: wallets\r\n\r\n",
        b"GET / HTCPCP/1.1\r\nHost: wallets\r\n\r\n",
        b"FOO-BAR / HTTP/1.1\r\nHost: wallets\r\n\r\n",
        b"GET no-slash HTTP/1.1\r\nHost: wallets\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: wallets\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: wallets\r\n\r\n",
        b"GET /?q=\xff HTTP/1.1\r\nHost: wallets\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: wallets\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\xff: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 1000 + b"\r\n",
    ]
    await expect_problem([only_response(content) for content in contents], 400, "invalid_request")


async def test_a_body_with_a_doubtful_end_is_rejected(
    only_response: Exchange, expect_problem: ExpectProblem, path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: wallets\r\n{JSON}\r\n".encode()
    framings = [
        b"Content-Length: 41\r\nTransfer-Encoding: chunked\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n" + SMUGGLED,
        b"Transfer-Encoding: xchunked\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding: chunked, identity\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding: identity\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + CHUNKED,
        b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED,
        b"Content-Length: -1\r\n\r\n" + VALID,
        b"Content-Length: +41\r\n\r\n" + VALID,
        b"Content-Length: 0x29\r\n\r\n" + VALID,
        b"Content-Length: 41, 41\r\n\r\n" + VALID,
        b"Content-Length: 41\r\nContent-Length: 41\r\n\r\n" + VALID,
        b"Content-Length: 41\r\nContent-Length: 0\r\n\r\n" + VALID,
        b"Content-Length: 4 1\r\n\r\n" + VALID,
        b"Content-Length:\r\n\r\n" + VALID,
        b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + VALID,
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n" + VALID,
        b"Transfer-Encoding: chunked\r\n\r\n-29\r\n" + VALID,
        b"Transfer-Encoding: chunked\r\n\r\n" + b"f" * 30 + b"\r\n" + VALID,
    ]
    await expect_problem([only_response(head + framing) for framing in framings], 400, "invalid_request")


async def test_unknown_codings_and_expectations_are_rejected(
    exchange: Exchange, expect_problem: ExpectProblem, path: str
) -> None:
    unknown_coding = exchange(post(path, VALID, JSON, "Content-Encoding: br"))
    await expect_problem(unknown_coding, 415, "unsupported_media_type")
    await expect_problem(exchange(post(path, VALID, JSON, "Expect: a miracle")), 400, "invalid_request")


async def test_a_client_may_wait_for_100_continue(connect: Connect, path: str) -> None:
    wire = await connect()
    await wire.send(post(path, VALID, JSON, "Expect: 100-continue").removesuffix(VALID))
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(VALID)
    assert (await wire.response()).status == 201


async def test_a_connection_is_closed_where_the_client_requests_it(connect: Connect, wallet: str) -> None:
    wire = await connect()
    await wire.send(f"GET /api/wallets/{wallet} HTTP/1.0\r\n\r\n".encode())
    response = await wire.response()
    assert (response.status, response.content) == (200, b'{"balance":0}')
    assert await wire.end() == b""
    for wallet_id in (wallet, "nobody"):
        wire = await connect()
        await wire.send(get(f"/api/wallets/{wallet_id}", "Connection: close"))
        assert (await wire.response()).headers["connection"] == "close"
        assert await wire.end() == b""


async def test_a_problem_for_head_has_no_body(connect: Connect, wallet: str) -> None:
    wire = await connect()
    await wire.send(get(f"/api/wallets/{wallet}", "Connection: close").replace(b"GET", b"HEAD"))
    header, _, body = (await wire.end()).partition(b"\r\n\r\n")
    assert (header.split(b"\r\n")[0], body) == (b"HTTP/1.1 405 Method Not Allowed", b"")


async def test_a_path_is_not_normalised(exchange: Exchange, expect_problem: ExpectProblem) -> None:
    paths = ("//api/wallets/", "/api/wallets/../wallets/", "/api/./wallets/")
    await expect_problem([exchange(get(path)) for path in paths], 404, "not_found")


async def test_an_upgrade_is_declined(exchange: Exchange, wallet: str) -> None:
    response = await exchange(get(f"/api/wallets/{wallet}", "Connection: Upgrade", "Upgrade: websocket"))
    assert response.content == b'{"balance":0}'


async def test_pipelined_requests_are_answered_in_order(connect: Connect, wallet: str, path: str) -> None:
    wire = await connect()
    await wire.send((post(path, VALID, JSON) + get(f"/api/wallets/{wallet}/")) * 50)
    for n in range(1, 51):
        assert (await wire.response()).json["new_balance"] == str(n)
        assert (await wire.response()).content == f'{{"balance":{n}}}'.encode()


async def test_a_problem_leaves_the_next_request_alone(
    connect: Connect, path: str, expect_problem: ExpectProblem
) -> None:
    wire = await connect()
    await wire.send(
        post(path, b"{" * 1000, JSON)
        + post(path, VALID, "Content-Type: text/plain")
        + post("/nowhere", VALID, JSON)
        + post(path, b" " * 70_000, JSON)
        + post(path, VALID, JSON)
    )
    assert [(await wire.response()).status for _ in range(5)] == [400, 415, 404, 413, 201]
    await wire.send(b"GARBAGE\r\n\r\n")
    await expect_problem(wire.response(), 400, "invalid_request")


async def test_an_incomplete_request_changes_nothing(
    connect: Connect, exchange: Exchange, wallet: str, path: str, state: ReadState
) -> None:
    before = await state()
    request = post(path, VALID, JSON)
    for sent in (1, 60, 150, 180):
        assert sent < len(request)
        wire = await connect()
        await wire.send(request[:sent])
        wire.writer.write_eof()
        assert await wire.end() == b""
    for sent in range(0, len(request), 5):
        wire = await connect()
        await wire.send(request[:sent])
        wire.writer.transport.abort()
    assert (await exchange(get(f"/api/wallets/{wallet}/"))).content == b'{"balance":0}'
    assert await state() == before


async def test_an_incomplete_body_is_no_error_of_the_service(
    connect: Connect, path: str, state: ReadState, read_log: ReadLog
) -> None:
    before = await state()
    wire = await connect()
    await wire.send(post(path, VALID, JSON, "X-Request-ID: broken-off")[:-1])
    await wire.close()

    async def is_logged() -> bool:
        return any(line.get("request_id") == "broken-off" for line in read_log())

    await until(is_logged)
    assert [(line["level"], line["status"]) for line in read_log() if line["event"] == "request"][-1] == ("info", 400)
    assert {line["level"] for line in read_log()} == {"info"}
    assert await state() == before


async def test_a_malformed_unread_body_is_no_error_of_the_service(
    only_response: Exchange, wallet: str, read_log: ReadLog
) -> None:
    request = get(f"/api/wallets/{wallet}", "Content-Encoding: gzip", "Content-Length: 5")
    assert (await only_response(request + b"hello")).content == b'{"balance":0}'
    assert {line["level"] for line in read_log()} == {"info"}


@pytest.mark.parametrize("limits", [Limits(body_seconds=0.05)])
async def test_a_late_body_changes_nothing(
    connect: Connect, wallet: str, path: str, state: ReadState, expect_problem: ExpectProblem
) -> None:
    before = await state()
    wire = await connect()
    request = post(path, VALID, JSON)
    await wire.send(request[:-10])
    response = await expect_problem(wire.response(), 408, "request_timeout")
    assert response.headers["connection"] == "close"
    await wire.send(request[-10:] + get(f"/api/wallets/{wallet}/"))
    assert await wire.end() == b""
    assert await state() == before


@pytest.mark.parametrize("limits", [Limits(body_seconds=0.2)])
async def test_a_body_with_a_malformed_second_chunk_changes_nothing(
    connect: Connect, path: str, expect_problem: ExpectProblem
) -> None:
    wire = await connect()
    head = f"POST {path} HTTP/1.1\r\nHost: wallets\r\n{JSON}\r\n".encode()
    await wire.send(head + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"29\r\n" + VALID + b"\r\nZZ\r\n")
    await expect_problem(wire.response(), 408, "request_timeout")


async def test_a_disconnected_client_finds_its_operation_by_key(
    connect: Connect,
    exchange: Exchange,
    wallet: str,
    path: str,
    state: ReadState,
    release: Release,
    is_waiting: Condition,
) -> None:
    request = post(path, VALID, JSON, "Idempotency-Key: key")
    wire = await connect()
    await wire.send(request)
    await until(is_waiting)
    await wire.close()
    await release()

    async def is_applied() -> bool:
        return len((await state(wallet)).operations) == 1

    await until(is_applied)
    response = await exchange(request)
    assert (response.status, response.headers["idempotent-replayed"], response.json["new_balance"]) == (
        201,
        "true",
        "1",
    )
    assert len((await state(wallet)).operations) == 1
