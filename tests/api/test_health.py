"""`/health/live` and `/health/ready`."""

import asyncpg
import pytest

from . import Call


@pytest.mark.parametrize("slash", ["/", ""])
async def test_it_lives(call: Call, slash: str) -> None:
    answer = await call("GET", f"/health/live{slash}")
    assert (answer.status, answer.content) == (200, b'{"status":"live"}')
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize("slash", ["/", ""])
async def test_it_is_ready(call: Call, slash: str) -> None:
    answer = await call("GET", f"/health/ready{slash}")
    assert (answer.status, answer.content) == (200, b'{"status":"ready"}')
    assert answer.headers["cache-control"] == "no-store"


async def test_it_is_not_ready_for_functions_that_are_not_its_own(
    call: Call, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute("drop function wallet.verify_wallet(uuid)")
    answer = await call("GET", "/health/ready")
    assert (answer.status, answer.json["status"]) == (503, "functions_differ")
    assert answer.json["detail"].endswith("; run: wallets migrate")


async def test_it_stays_ready_while_the_next_release_is_deployed(
    call: Call, owner_connection: asyncpg.Connection
) -> None:
    assert (await call("GET", "/health/ready")).status == 200
    await owner_connection.execute("drop function wallet.verify_wallet(uuid)")
    assert (await call("GET", "/health/ready")).status == 200
