"""What comes over the wire and is not, or only just, HTTP."""

import pytest

from service.limits import Limits

from . import Answer, Condition, Connect, Exchange, ReadLog, ReadState, Refused, Release, get, post, until

VALID = b'{"operation_type":"DEPOSIT","amount":"1"}'
JSON = "Content-Type: application/json"
CHUNKED = b"29\r\n" + VALID + b"\r\n0\r\n\r\n"
SMUGGLED = b"0\r\n\r\nGET /api/wallets/ HTTP/1.1\r\nHost: wallets\r\n\r\n"


@pytest.fixture
def only_answer(connect: Connect) -> Exchange:
    """Sends bytes on a new connection; gives the answer, after which there has to be nothing but the end."""

    async def send(content: bytes) -> Answer:
        wire = await connect()
        await wire.send(content)
        answer = await wire.answer()
        assert await wire.end() == b""
        return answer

    return send


@pytest.mark.parametrize(
    "content",
    [
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
    ],
    ids=lambda content: repr(content[:60]),
)
async def test_what_is_no_http_request_is_refused(only_answer: Exchange, refused: Refused, content: bytes) -> None:
    await refused(only_answer(content), 400, "invalid_request")


@pytest.mark.parametrize(
    "framing",
    [
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
    ],
    ids=lambda framing: repr(framing.split(b"{")[0][:70]),
)
async def test_a_body_whose_end_is_in_doubt_is_refused(
    only_answer: Exchange, refused: Refused, wallet: str, framing: bytes
) -> None:
    head = f"POST /api/wallets/{wallet}/operation HTTP/1.1\r\nHost: wallets\r\n{JSON}\r\n".encode()
    await refused(only_answer(head + framing), 400, "invalid_request")


async def test_a_coding_that_is_not_known_is_refused(exchange: Exchange, refused: Refused, wallet: str) -> None:
    request = post(f"/api/wallets/{wallet}/operation", VALID, JSON, "Content-Encoding: br")
    await refused(exchange(request), 415, "unsupported_media_type")


async def test_an_expectation_that_is_not_known_is_refused(exchange: Exchange, refused: Refused, wallet: str) -> None:
    request = post(f"/api/wallets/{wallet}/operation", VALID, JSON, "Expect: a miracle")
    await refused(exchange(request), 400, "invalid_request")


async def test_a_client_that_asks_first_is_told_to_go_on(connect: Connect, wallet: str) -> None:
    wire = await connect()
    request = post(f"/api/wallets/{wallet}/operation", VALID, JSON, "Expect: 100-continue")
    await wire.send(request.removesuffix(VALID))
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(VALID)
    assert (await wire.answer()).status == 201


async def test_http_1_0_is_answered_and_closed(connect: Connect, wallet: str) -> None:
    wire = await connect()
    await wire.send(f"GET /api/wallets/{wallet} HTTP/1.0\r\n\r\n".encode())
    answer = await wire.answer()
    assert (answer.status, answer.content) == (200, b'{"balance":0}')
    assert await wire.end() == b""


@pytest.mark.parametrize("wallet_id", ["{wallet}", "nobody"], ids=["answered", "refused"])
async def test_who_asks_for_it_is_answered_and_closed(connect: Connect, wallet: str, wallet_id: str) -> None:
    wire = await connect()
    await wire.send(get(f"/api/wallets/{wallet_id.format(wallet=wallet)}", "Connection: close"))
    assert (await wire.answer()).headers["connection"] == "close"
    assert await wire.end() == b""


async def test_a_refusal_of_head_has_no_body(connect: Connect, wallet: str) -> None:
    wire = await connect()
    head = get(f"/api/wallets/{wallet}", "Connection: close").replace(b"GET", b"HEAD")
    await wire.send(head)
    header, _, body = (await wire.end()).partition(b"\r\n\r\n")
    assert (header.split(b"\r\n")[0], body) == (b"HTTP/1.1 405 Method Not Allowed", b"")


@pytest.mark.parametrize("path", ["//api/wallets/", "/api/wallets/../wallets/", "/api/./wallets/"])
async def test_a_path_is_taken_as_it_is(exchange: Exchange, refused: Refused, path: str) -> None:
    await refused(exchange(get(path)), 404, "not_found")


async def test_an_upgrade_is_declined(connect: Connect, wallet: str) -> None:
    wire = await connect()
    await wire.send(get(f"/api/wallets/{wallet}", "Connection: Upgrade", "Upgrade: websocket"))
    assert (await wire.answer()).content == b'{"balance":0}'


async def test_pipelined_requests_are_answered_in_their_order(connect: Connect, wallet: str) -> None:
    wire = await connect()
    deposit = post(f"/api/wallets/{wallet}/operation", VALID, JSON)
    balance = get(f"/api/wallets/{wallet}/")
    await wire.send((deposit + balance) * 50)
    for n in range(1, 51):
        assert (await wire.answer()).json["new_balance"] == str(n)
        assert (await wire.answer()).content == f'{{"balance":{n}}}'.encode()


async def test_a_refused_request_does_not_harm_the_next_on_its_connection(connect: Connect, wallet: str) -> None:
    wire = await connect()
    path = f"/api/wallets/{wallet}/operation"
    await wire.send(
        post(path, b"{" * 1000, JSON)
        + post(path, VALID, "Content-Type: text/plain")
        + post("/nowhere", VALID, JSON)
        + post(path, b" " * 70_000, JSON)
        + post(path, VALID, JSON)
    )
    assert [(await wire.answer()).status for _ in range(5)] == [400, 415, 404, 413, 201]


async def test_what_follows_a_whole_request_is_refused_by_itself(
    connect: Connect, wallet: str, refused: Refused
) -> None:
    wire = await connect()
    await wire.send(post(f"/api/wallets/{wallet}/operation", VALID, JSON))
    assert (await wire.answer()).status == 201
    await wire.send(b"GARBAGE\r\n\r\n")
    await refused(wire.answer(), 400, "invalid_request")


@pytest.mark.parametrize("sent", [1, 60, 150, 180])
async def test_a_request_that_is_broken_off_changes_nothing(
    connect: Connect, wallet: str, state: ReadState, sent: int
) -> None:
    before = await state()
    request = post(f"/api/wallets/{wallet}/operation", VALID, JSON)
    assert sent < len(request)
    wire = await connect()
    await wire.send(request[:sent])
    wire.writer.write_eof()
    assert await wire.end() == b""
    assert await state() == before


async def test_a_body_that_is_broken_off_is_no_failure_of_the_service(
    connect: Connect, wallet: str, state: ReadState, read_log: ReadLog
) -> None:
    before = await state()
    wire = await connect()
    await wire.send(post(f"/api/wallets/{wallet}/operation", VALID, JSON, "X-Request-ID: broken-off")[:-1])
    await wire.close()

    async def is_logged() -> bool:
        return any(line.get("request_id") == "broken-off" for line in read_log())

    await until(is_logged)
    assert [(line["level"], line["status"]) for line in read_log() if line["event"] == "request"][-1] == ("info", 400)
    assert {line["level"] for line in read_log()} == {"info"}
    assert await state() == before


async def test_a_broken_body_after_the_answer_is_no_failure_of_the_service(
    connect: Connect, wallet: str, read_log: ReadLog
) -> None:
    wire = await connect()
    request = get(f"/api/wallets/{wallet}", "Content-Encoding: gzip", "Content-Length: 5")
    await wire.send(request + b"hello")
    assert (await wire.answer()).content == b'{"balance":0}'
    assert await wire.end() == b""
    assert {line["level"] for line in read_log()} == {"info"}


@pytest.mark.parametrize("limits", [Limits(body_seconds=0.05)])
async def test_a_body_that_does_not_arrive_is_given_up(
    connect: Connect, wallet: str, state: ReadState, refused: Refused
) -> None:
    before = await state()
    wire = await connect()
    request = post(f"/api/wallets/{wallet}/operation", VALID, JSON)
    await wire.send(request[:-10])
    answer = await refused(wire.answer(), 408, "request_timeout")
    assert answer.headers["connection"] == "close"
    await wire.send(request[-10:] + get(f"/api/wallets/{wallet}/"))
    assert await wire.end() == b""
    assert await state() == before


@pytest.mark.parametrize("limits", [Limits(body_seconds=0.2)])
async def test_a_body_that_goes_on_with_a_broken_chunk_changes_nothing(
    connect: Connect, wallet: str, refused: Refused
) -> None:
    wire = await connect()
    head = f"POST /api/wallets/{wallet}/operation HTTP/1.1\r\nHost: wallets\r\n{JSON}\r\n".encode()
    await wire.send(head + b"Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert await wire.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    await wire.send(b"29\r\n" + VALID + b"\r\nZZ\r\n")
    await refused(wire.answer(), 408, "request_timeout")


async def test_a_client_that_gave_up_finds_its_operation_under_its_key(
    connect: Connect,
    wallet: str,
    state: ReadState,
    release: Release,
    is_waiting: Condition,
) -> None:
    request = post(f"/api/wallets/{wallet}/operation", VALID, JSON, "Idempotency-Key: key")
    wire = await connect()
    await wire.send(request)
    await until(is_waiting)
    await wire.close()
    await release()

    async def is_applied() -> bool:
        return len((await state()).operations) == 1

    await until(is_applied)
    again = await connect()
    await again.send(request)
    answer = await again.answer()
    assert (answer.status, answer.headers["idempotent-replayed"], answer.json["new_balance"]) == (201, "true", "1")
    assert len((await state()).operations) == 1


async def test_many_clients_that_disconnect_leave_the_service_healthy(
    connect: Connect, wallet: str, state: ReadState
) -> None:
    request = post(f"/api/wallets/{wallet}/operation", VALID, JSON)
    before = await state()
    for sent in range(0, len(request), 5):
        wire = await connect()
        await wire.send(request[:sent])
        wire.writer.transport.abort()
    last = await connect()
    await last.send(get(f"/api/wallets/{wallet}/"))
    assert (await last.answer()).content == b'{"balance":0}'
    assert await state() == before
