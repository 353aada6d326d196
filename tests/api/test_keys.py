"""AUTH=required: which API keys are accepted, for what, how often, and until when."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import asyncpg
import pytest

from service import api_keys
from service.limits import DEFAULT, Limits

from . import UNKNOWN, CreateKey, ReadLog, ReadState, Response, assert_problem, until

CallWith = Callable[..., Awaitable[Response]]

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
    return guarded_address


@pytest.fixture
def call_with(client: aiohttp.ClientSession) -> CallWith:
    """A request with credentials: `await call_with("Bearer …", "GET", "/api/…")`."""

    async def request(
        credentials: str | None, method: str = "GET", path: str = "/api/wallets/", **options: Any
    ) -> Response:
        headers = {} if credentials is None else {"Authorization": credentials}
        async with client.request(method, path, headers=headers, **options) as response:
            return await Response.read(response)

    return request


async def test_without_a_key_every_route_is_unauthorized(call_with: CallWith, state: ReadState) -> None:
    before = await state()
    for method, path in [request for requests in REQUESTS.values() for request in requests]:
        for slash in ("", "/"):
            response = await call_with(None, method, path.rstrip("/") + slash, json={})
            assert_problem(response, 401, "unauthorized")
            assert response.headers["www-authenticate"] == "Bearer"
    assert await state() == before


async def test_credentials_of_another_form_are_unauthorized(
    client: aiohttp.ClientSession, call_with: CallWith, create_key: CreateKey
) -> None:
    key = await create_key("manage")
    for credentials in (
        *("", "Bearer", "Bearer ", "Basic c2hvcDpzZWNyZXQ=", "Bearer a b", "Bearer é"),
        *(key, f"Bearer{key}", f"Bearer {key},"),
    ):
        response = await call_with(credentials)
        assert (response.status, response.headers["www-authenticate"]) == (401, "Bearer"), credentials
    for scheme in ("Bearer", "bearer", "BEARER "):
        assert (await call_with(f"{scheme} {key}")).status == 200
    async with client.get("/api/wallets/", headers=[("Authorization", f"Bearer {key}")] * 2) as twice:
        assert twice.status == 401


async def test_an_unknown_key_is_unauthorized(call_with: CallWith, create_key: CreateKey) -> None:
    key = await create_key("manage")
    for wrong in (api_keys.generate(), key[:-1], f"{key}x", key.swapcase(), "x"):
        response = await call_with(f"Bearer {wrong}")
        assert_problem(response, 401, "unauthorized")
        assert response.headers["www-authenticate"] == 'Bearer error="invalid_token"'


async def test_a_key_is_accepted_for_its_scope_only(
    call_with: CallWith, create_key: CreateKey, state: ReadState
) -> None:
    before = await state()
    for rank, scope in enumerate(REQUESTS):
        key = await create_key(scope)
        for other, (needed, requests) in enumerate(REQUESTS.items()):
            for method, path in requests:
                response = await call_with(f"Bearer {key}", method, path, json=[])  # malformed: changes nothing
                if other <= rank:
                    assert response.status not in (401, 403)
                else:
                    assert_problem(response, 403, "forbidden")
                    assert needed in response.json["detail"]
                    assert f'scope="{needed}"' in response.headers["www-authenticate"]
    assert await state() == before


async def test_money_moves_with_a_key(call_with: CallWith, create_key: CreateKey) -> None:
    key = f"Bearer {await create_key('manage')}"
    wallet = (await call_with(key, "POST", "/api/wallets/", json={})).json["id"]
    body = {"operation_type": "DEPOSIT", "amount": "100"}
    assert (await call_with(key, "POST", f"/api/wallets/{wallet}/operation", json=body)).status == 201
    assert (await call_with(key, "GET", f"/api/wallets/{wallet}/")).json == {"balance": 100}


async def test_health_and_sign_in_need_no_key(call_with: CallWith) -> None:
    for path in ("/health/live", "/health/ready", "/admin/login"):
        assert (await call_with(None, "GET", path)).status == 200


def test_a_revoked_key_is_remembered_for_less_than_5_seconds() -> None:
    assert DEFAULT.api_key_seconds < 4


@pytest.mark.parametrize("limits", [Limits(api_key_seconds=0.1)])
async def test_a_revoked_key_is_rejected_once_it_is_forgotten(
    call_with: CallWith, create_key: CreateKey, app_connection: asyncpg.Connection
) -> None:
    key = f"Bearer {await create_key('read', 'shop')}"
    assert (await call_with(key)).status == 200
    await app_connection.execute("select wallet.revoke_api_key('shop')")

    async def is_rejected() -> bool:
        return (await call_with(key)).status == 401

    await until(is_rejected)


@pytest.mark.parametrize("limits", [Limits(api_key_seconds=3600)])
async def test_a_key_is_looked_up_once_and_then_remembered(
    call_with: CallWith, create_key: CreateKey, owner_connection: asyncpg.Connection
) -> None:
    key = f"Bearer {await create_key('read')}"
    assert (await call_with(key)).status == 200
    await owner_connection.execute("drop function wallet.check_api_keys")
    assert [(await call_with(key)).status for _ in range(20)] == [200] * 20
    assert (await call_with(f"Bearer {api_keys.generate()}")).status == 500


async def test_a_rate_limit_says_when_to_retry(call_with: CallWith, create_key: CreateKey) -> None:
    limited, free = [f"Bearer {await create_key('read', rate_limit=limit)}" for limit in (5, None)]
    began_at = time.monotonic()
    responses = await asyncio.gather(*(call_with(limited) for _ in range(60)))
    seconds = time.monotonic() - began_at
    accepted = [response for response in responses if response.status == 200]
    assert 5 <= len(accepted) <= 5 + 5 * seconds
    for response in responses:
        if response.status != 200:
            assert_problem(response, 429, "rate_limited")
            assert response.headers["retry-after"] == "1"
    assert {response.status for response in await asyncio.gather(*(call_with(free) for _ in range(60)))} == {200}

    async def is_accepted_again() -> bool:
        return (await call_with(limited)).status == 200

    await until(is_accepted_again)


async def test_the_log_names_the_key_and_never_shows_it(
    call_with: CallWith, create_key: CreateKey, read_log: ReadLog
) -> None:
    key = await create_key("read", "shop")
    await call_with(f"Bearer {key}")
    await call_with(f"Bearer {key}", "POST", "/api/wallets/", json={"name": "a secret name"})
    await call_with(f"Bearer {key}x")
    named = [line.get("api_key") for line in read_log() if line["event"] == "request"]
    assert named == ["shop", "shop", None]
    assert key[3:20] not in str(read_log())
    assert "a secret name" not in str(read_log())
