"""Any input is accepted exactly when the rules of the API allow it, and rejected with a problem otherwise.

FUZZ_EXAMPLES sets how many inputs each test tries.
"""

import base64
import json
import os
import re
import string
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from . import MAX_AMOUNT, Call, Connect, Exchange, Response, assert_problem, get, post

pytestmark = pytest.mark.shared_database

JSON = {"Content-Type": "application/json"}

anything = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "75")),
    deadline=None,
    # Each example creates what it needs, or only reads.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

TEXTS = st.text() | st.text(st.characters(), max_size=5)  # the latter with lone surrogates too
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
DIGITS = st.text(st.characters(categories=["Nd", "Nl", "No"]), min_size=1, max_size=20)
NEAR_THE_LIMITS = st.sampled_from([0, 1, MAX_AMOUNT, MAX_AMOUNT + 1, 2**64, 10**18, 10**19]).flatmap(
    lambda limit: st.integers(limit - 2, limit + 2)
)
AMOUNTS = st.one_of(
    JSON_VALUES.map(json.dumps),
    NEAR_THE_LIMITS.map(str),
    NEAR_THE_LIMITS.map(lambda amount: f'"{amount}"'),
    st.integers(0, 10**25).map(lambda amount: f'"{amount:021d}"'[:-1] + '"'),
    st.from_regex(r'"?[-+ 0]{0,2}[0-9]{0,20}([.][0-9]{0,3})?([eE][-+]?[0-9]{1,3})?[ \n_]?"?', fullmatch=True),
    DIGITS.map(json.dumps),
    st.text(string.digits, min_size=1, max_size=21).map(json.dumps),
)


def amount_of(token: str) -> int | None:
    """The amount of a JSON integer, or of a JSON string of 1 to 19 ASCII digits; None for anything else."""
    token = token.strip(" \t\r\n")
    if not re.fullmatch(r"0|[1-9][0-9]*", token):
        try:
            text = json.loads(token)
        except ValueError:
            return None
        if not isinstance(text, str) or not re.fullmatch(r"[0-9]{1,19}", text):
            return None
        token = text
    return int(token) if 1 <= int(token) <= MAX_AMOUNT else None


def assert_rejected(response: Response, *codes: str) -> None:
    assert response.json["code"] in codes, response
    assert 400 <= response.status < 500
    assert_problem(response, response.status, response.json["code"])


async def new_wallet(call: Call) -> str:
    """The path of an empty wallet."""
    return (await call("POST", "/api/wallets/", json={})).headers["location"].removesuffix("details")


async def history(call: Call, path: str) -> tuple[int, list[dict[str, Any]]]:
    return (await call("GET", path)).json["balance"], (await call("GET", f"{path}operations/")).json["items"]


async def attempt(call: Call, body: bytes | str, deposited: int = 0) -> tuple[Response, int, list[dict[str, Any]]]:
    """Posts a body as an operation on a new wallet; gives the response, the balance and the operations."""
    path = await new_wallet(call)
    if deposited:
        await call("POST", f"{path}operation", json={"operation_type": "DEPOSIT", "amount": deposited})
    return await call("POST", f"{path}operation", data=body, headers=JSON), *await history(call, path)


@anything
@given(token=AMOUNTS)
async def test_an_amount_is_accepted_exactly_when_valid(call: Call, token: str) -> None:
    body = f'{{"operation_type":"DEPOSIT","amount":{token}}}'.encode("utf-8", "surrogatepass")
    response, balance, operations = await attempt(call, body)
    amount = amount_of(token)
    if amount is None:
        assert_rejected(response, "invalid_amount", "invalid_request")
        assert (balance, operations) == (0, [])
    else:
        assert (response.status, response.json["amount"], response.json["new_balance"]) == (201, *[str(amount)] * 2)
        assert (balance, [each["amount"] for each in operations]) == (amount, [str(amount)])


@anything
@given(
    text=st.one_of(
        JSON_VALUES.map(json.dumps),
        st.sampled_from(["DEPOSIT", "WITHDRAW", "deposit", "DEPOSIT ", "WITHDRAW\0", "ﬁ", "'; --"]).map(json.dumps),
    )
)
async def test_a_type_is_accepted_exactly_when_known(call: Call, text: str) -> None:
    response, balance, operations = await attempt(call, f'{{"operation_type":{text},"amount":1}}', deposited=3)
    expected = {"DEPOSIT": 4, "WITHDRAW": 2}
    given_type = json.loads(text)
    if isinstance(given_type, str) and given_type in expected:
        assert (response.status, balance, len(operations)) == (201, expected[given_type], 2)
    else:
        assert_rejected(response, "invalid_operation_type", "invalid_request")
        assert (balance, len(operations)) == (3, 1)


@anything
@given(body=st.binary() | JSON_VALUES.map(json.dumps).map(str.encode))
@example(body=b'{"operation_type":"DEPOSIT","amount":5}')
async def test_any_body_is_applied_or_rejected(call: Call, body: bytes) -> None:
    response, balance, operations = await attempt(call, body)
    if response.status == 201:
        # Hypothesis also tries the constants of our sources, and some of them are requests.
        assert (len(operations), str(balance)) == (1, response.json["new_balance"])
    else:
        assert_rejected(response, "invalid_operation_type", "invalid_amount", "invalid_request", "insufficient_funds")
        assert (balance, operations) == (0, [])


@anything
@given(
    text=st.one_of(
        JSON_VALUES.map(json.dumps),
        st.text(st.characters(codec="utf-8"), min_size=195, max_size=205).map(json.dumps),
    )
)
async def test_a_name_is_kept_exactly_or_rejected(call: Call, text: str) -> None:
    response = await call("POST", "/api/wallets/", data=f'{{"name":{text}}}', headers=JSON)
    name = json.loads(text)
    if response.status == 201:
        assert response.json["name"] == name
        assert (await call("GET", response.headers["location"])).content == response.content
    else:
        assert_rejected(response, "invalid_name", "invalid_request")
    is_readable = isinstance(name, str) and 1 <= len(name) <= 200 and not re.search("[\0-\x1f\x7f\ud800-\udfff]", name)
    if name is None or (is_readable and re.search(r"\w", name)):
        assert response.status == 201
    elif not is_readable:
        assert response.status == 400


@anything
@given(value=JSON_VALUES | st.sampled_from(["RUB", "EUR", "USD", "rub", "XXX"]) | st.text(string.ascii_uppercase))
async def test_a_currency_is_accepted_exactly_when_known(
    call: Call, owner_connection: asyncpg.Connection, value: object
) -> None:
    known = [row["code"] for row in await owner_connection.fetch("select code from wallet.currencies")]
    response = await call(
        "POST",
        "/api/wallets/",
        data=json.dumps({"currency": value}).encode(),
        headers=JSON,
    )
    if value in known:
        assert (response.status, response.json["currency"]) == (201, value)
    else:
        assert_rejected(response, "invalid_currency", "invalid_request")


LISTS = st.sampled_from(["/api/wallets/", "/api/wallets/{}/operations/"])
CURSORS = st.one_of(
    TEXTS,
    TEXTS.map(lambda text: base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")),
    st.integers().map(lambda seq: base64.urlsafe_b64encode(str(seq).encode()).decode().rstrip("=")),
    st.tuples(st.datetimes().map(lambda at: at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")), st.uuids()).map(
        lambda parts: base64.urlsafe_b64encode(" ".join(map(str, parts)).encode()).decode().rstrip("=")
    ),
)


def query(name: str, value: str) -> str:
    return f"{name}={quote(value, safe='', errors='surrogatepass')}"


@anything
@given(path=LISTS, limit=st.integers(-2, 1002).map(str) | DIGITS | TEXTS)
async def test_a_limit_is_accepted_exactly_when_valid(exchange: Exchange, wallet: str, path: str, limit: str) -> None:
    response = await exchange(get(f"{path.format(wallet)}?{query('limit', limit)}"))
    if re.fullmatch(r"[0-9]{1,4}", limit) and 1 <= int(limit) <= 1000:
        assert response.status == 200
    else:
        assert_rejected(response, "invalid_limit")


@anything
@given(path=LISTS, cursor=CURSORS)
async def test_any_cursor_finds_a_page_or_is_rejected(exchange: Exchange, wallet: str, path: str, cursor: str) -> None:
    response = await exchange(get(f"{path.format(wallet)}?{query('cursor', cursor)}"))
    if response.status != 200:
        assert_rejected(response, "invalid_request")


@anything
@given(name=st.sampled_from(["q", "status", "currency"]), value=TEXTS)
async def test_any_filter_finds_a_page_or_is_rejected(exchange: Exchange, name: str, value: str) -> None:
    response = await exchange(get(f"/api/wallets/?{query(name, value)}"))
    match name:
        case "q" if "\0" in value:
            assert_rejected(response, "invalid_request")
        case "status" if value not in ("", "ACTIVE", "FROZEN", "CLOSED"):
            assert_rejected(response, "invalid_status")
        case "currency" if value and not re.fullmatch("[A-Z]{3}", value):
            assert_rejected(response, "invalid_currency")
        case _:
            assert (response.status, list(response.json)) == (200, ["items", "next_cursor"])


HEADER_VALUES = st.one_of(
    st.text(st.characters(codec="latin-1", exclude_characters="\r\n")),
    st.text(string.digits + string.ascii_letters + string.punctuation),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=120, max_size=260),
)


def visible_ascii(value: str, most: int) -> bool:
    """What is left of a header's value once HTTP has taken the blanks around it."""
    return re.fullmatch(f"[!-~]{{1,{most}}}", value.strip(" \t")) is not None


@anything
@given(key=HEADER_VALUES)
async def test_an_idempotency_key_is_accepted_exactly_when_valid(call: Call, exchange: Exchange, key: str) -> None:
    path = await new_wallet(call)
    body = b'{"operation_type":"DEPOSIT","amount":1}'
    response = await exchange(post(f"{path}operation", body, f"Idempotency-Key: {key}"))
    balance, operations = await history(call, path)
    if visible_ascii(key, 255):
        assert response.status == 201
        assert (balance, [each["idempotency_key"] for each in operations]) == (1, [key.strip(" \t")])
    else:
        # The latter when it cannot be in a header at all.
        assert_rejected(response, "invalid_idempotency_key", "invalid_request")
        assert (balance, operations) == (0, [])


@anything
@given(given_id=HEADER_VALUES)
async def test_a_request_id_comes_back_exactly_when_valid(exchange: Exchange, given_id: str) -> None:
    response = await exchange(get("/health/live", f"X-Request-ID: {given_id}"))
    if visible_ascii(given_id, 128):
        assert response.headers["x-request-id"] == given_id.strip(" \t")
    else:
        assert re.fullmatch(r"[\w-]{22}", response.headers["x-request-id"])


SEGMENTS = st.lists(
    st.one_of(
        st.integers(0, 255).map(lambda octet: f"%{octet:02X}"),
        st.sampled_from(["%", "%z", "%0", ".", "..", ";", "{", "}", "@", ":", "+", "*", "a", "0", "-", "%2F", "%00"]),
    ),
    min_size=1,
).map("".join)


@anything
@given(template=st.sampled_from(["{}", "{}/", "{}/details", "{}/operations", "{}/operations/{}"]), segment=SEGMENTS)
async def test_any_other_path_is_not_found(exchange: Exchange, template: str, segment: str) -> None:
    response = await exchange(get(f"/api/wallets/{template.format(segment, segment)}"))
    assert_rejected(response, "wallet_not_found", "operation_not_found")
    assert response.status == 404


@anything
@given(content=st.binary(min_size=1).map(lambda content: content + b"\r\n\r\n"))
async def test_any_bytes_are_rejected_or_end_the_connection(connect: Connect, content: bytes) -> None:
    wire = await connect()
    await wire.send(content)
    wire.writer.write_eof()
    received = await wire.end()
    assert received == b"" or b'"code":"invalid_request"' in received
    await wire.close()


def test_the_rule_for_amounts_is_right() -> None:
    for token in ('"1"', "1", f'"{MAX_AMOUNT}"'):
        assert amount_of(token) == int(token.strip('"'))
    for token in ("0", '"0"', "1.0", "1e1", "-1", '"+1"', '" 1"', "true", "null", '"٣"', "01", "1 1"):
        assert amount_of(token) is None
