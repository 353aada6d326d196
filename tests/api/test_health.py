"""`/health/live` and `/health/ready`."""

import asyncpg

from . import Call


async def test_it_is_live_and_ready(call: Call) -> None:
    for slash in ("", "/"):
        live, ready = [await call("GET", f"/health/{name}{slash}") for name in ("live", "ready")]
        assert (live.status, live.content) == (200, b'{"status":"live"}')
        assert live.headers["content-type"] == "application/json"
        assert (ready.status, ready.content) == (200, b'{"status":"ready"}')
        assert ready.headers["cache-control"] == "no-store"


async def test_it_is_not_ready_for_functions_of_another_release(
    call: Call, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute("drop function wallet.verify_wallet(uuid)")
    response = await call("GET", "/health/ready")
    assert (response.status, response.json["status"]) == (503, "functions_differ")
    assert response.json["detail"].endswith("; run: wallets migrate")


async def test_it_stays_ready_while_the_next_release_is_deployed(
    call: Call, owner_connection: asyncpg.Connection
) -> None:
    assert (await call("GET", "/health/ready")).status == 200
    await owner_connection.execute("drop function wallet.verify_wallet(uuid)")
    assert (await call("GET", "/health/ready")).status == 200
