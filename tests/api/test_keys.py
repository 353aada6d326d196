"""AUTH=required: who is let in, for what, how often, and until when."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import pytest

from service import keys

from . import UNKNOWN, Answer, MakeKey, ReadLog, ReadState, assert_problem

CallWith = Callable[..., Awaitable[Answer]]

REQUESTS = {
    "read": [
        ("GET", f"/api/wallets/{UNKNOWN}/"),
        ("GET", "/api/wallets/"),
        ("GET", f"/api/wallets/{UNKNOWN}/details"),
        ("GET", f"/api/wallets/{UNKNOWN}/operations/"),
        ("GET", f"/api/wallets/{UNKNOWN}/operations/{UNKNOWN}"),
    ],
    "operate": [("POST", f"/api/wallets/{UNKNOWN}/operation"), ("POST", "/api/operations/")],
    "manage": [("POST", "/api/wallets/")],
}


@pytest.fixture
def address(guarded_address: str) -> str:
    """The service, for holders of keys alone."""
    return guarded_address


@pytest.fixture
def call_with(client: aiohttp.ClientSession) -> CallWith:
    """A request that presents a key: `await call_with(key, "GET", "/api/…")`."""

    async def request(key: str, method: str, path: str, **options: Any) -> Answer:
        headers = {"Authorization": f"Bearer {key}"}
        async with client.request(method, path, headers=headers, **options) as response:
            found = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, found, await response.read())

    return request


@pytest.mark.parametrize(("method", "path"), [request for requests in REQUESTS.values() for request in requests])
async def test_without_a_key_nothing_is_answered(
    client: aiohttp.ClientSession, state: ReadState, method: str, path: str
) -> None:
    before = await state()
    for slash in ("", "/"):
        async with client.request(method, path.rstrip("/") + slash, json={}) as response:
            answer = Answer(
                response.status, {name.lower(): text for name, text in response.headers.items()}, await response.read()
            )
        assert_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert await state() == before


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic c2hvcDpzZWNyZXQ=",
        "Bearer a b",
        "Bearer é",
        "{key}",
        "Bearer{key}",
        "Bearer {key},",
    ],
)
async def test_credentials_of_another_form_are_refused(
    client: aiohttp.ClientSession, make_key: MakeKey, credentials: str
) -> None:
    text = credentials.replace("{key}", await make_key("manage"))
    async with client.get("/api/wallets/", headers={"Authorization": text}) as response:
        assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")


async def test_two_credentials_are_refused(client: aiohttp.ClientSession, make_key: MakeKey) -> None:
    key = await make_key("manage")
    headers = [("Authorization", f"Bearer {key}"), ("Authorization", f"Bearer {key}")]
    async with client.get("/api/wallets/", headers=headers) as response:
        assert response.status == 401


async def test_a_key_that_nobody_made_is_refused(call_with: CallWith, make_key: MakeKey) -> None:
    key = await make_key("manage")
    for wrong in (keys.draw(), key[:-1], f"{key}x", key.swapcase(), "x"):
        answer = await call_with(wrong, "GET", "/api/wallets/")
        assert_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize(("scope", "rank"), [("read", 0), ("operate", 1), ("manage", 2)])
async def test_a_key_opens_what_its_scope_includes_and_nothing_else(
    call_with: CallWith, make_key: MakeKey, state: ReadState, scope: str, rank: int
) -> None:
    key = await make_key(scope)
    before = await state()
    for other, (needed, requests) in enumerate(REQUESTS.items()):
        for method, path in requests:
            answer = await call_with(key, method, path, json=[])  # malformed: nobody makes anything
            if other <= rank:
                assert answer.status not in (401, 403)
            else:
                assert_problem(answer, 403, "forbidden")
                assert needed in answer.json["detail"]
                assert f'scope="{needed}"' in answer.headers["www-authenticate"]
    assert await state() == before


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER "])
async def test_the_word_bearer_may_be_in_any_case(
    client: aiohttp.ClientSession, make_key: MakeKey, scheme: str
) -> None:
    headers = {"Authorization": f"{scheme} {await make_key('read')}"}
    async with client.get("/api/wallets/", headers=headers) as response:
        assert response.status == 200


async def test_money_moves_with_a_key(call_with: CallWith, make_key: MakeKey) -> None:
    key = await make_key("manage")
    made = await call_with(key, "POST", "/api/wallets/", json={})
    wallet_id = UUID(made.json["id"])
    body = {"operation_type": "DEPOSIT", "amount": "100"}
    assert (await call_with(key, "POST", f"/api/wallets/{wallet_id}/operation", json=body)).status == 201
    assert (await call_with(key, "GET", f"/api/wallets/{wallet_id}/")).json == {"balance": 100}


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/admin/login"])
async def test_what_has_another_guard_or_tells_nothing_needs_no_key(client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 200


async def test_a_revoked_key_is_refused_within_5_seconds(
    call_with: CallWith, make_key: MakeKey, app_connection: asyncpg.Connection
) -> None:
    key = await make_key("read")
    assert (await call_with(key, "GET", "/api/wallets/")).status == 200
    await app_connection.execute("select wallet.revoke_api_key('shop')")
    revoked_at = time.monotonic()
    while (await call_with(key, "GET", "/api/wallets/")).status == 200:
        assert time.monotonic() - revoked_at < 5
        await asyncio.sleep(0.05)


async def test_a_key_is_asked_for_once_in_a_while_and_not_for_each_request(
    call_with: CallWith, make_key: MakeKey, owner_connection: asyncpg.Connection
) -> None:
    key = await make_key("read")
    assert (await call_with(key, "GET", "/api/wallets/")).status == 200
    await owner_connection.execute("drop function wallet.check_api_keys")
    assert [(await call_with(key, "GET", "/api/wallets/")).status for _ in range(20)] == [200] * 20
    assert (await call_with(keys.draw(), "GET", "/api/wallets/")).status == 500


async def test_a_limit_is_told_with_when_to_come_back(call_with: CallWith, make_key: MakeKey) -> None:
    limited, free = await make_key("read", rate_limit=5), await make_key("read", name="free")
    began_at = time.monotonic()
    answers = await asyncio.gather(*(call_with(limited, "GET", "/api/wallets/") for _ in range(60)))
    seconds = time.monotonic() - began_at
    let_in = [answer for answer in answers if answer.status == 200]
    assert 5 <= len(let_in) <= 5 + 5 * seconds
    for answer in answers:
        if answer.status != 200:
            assert_problem(answer, 429, "rate_limited")
            assert answer.headers["retry-after"] == "1"
    others = await asyncio.gather(*(call_with(free, "GET", "/api/wallets/") for _ in range(60)))
    assert {answer.status for answer in others} == {200}

    await asyncio.sleep(int(answers[-1].headers.get("retry-after", "1")))
    assert (await call_with(limited, "GET", "/api/wallets/")).status == 200


async def test_a_log_names_the_key_and_never_tells_it(
    call_with: CallWith, make_key: MakeKey, read_log: ReadLog
) -> None:
    key = await make_key("read")
    await call_with(key, "GET", "/api/wallets/")
    await call_with(key, "POST", "/api/wallets/", json={"name": "a secret name"})
    await call_with(f"{key}x", "GET", "/api/wallets/")
    named = [line.get("api_key") for line in read_log() if line["event"] == "request"]
    assert named == ["shop", "shop", None]
    assert key[3:20] not in str(read_log())
    assert "a secret name" not in str(read_log())
