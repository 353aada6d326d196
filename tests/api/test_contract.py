"""The catalogue of problems and the OpenAPI document: complete, and true of what the service responds."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from service import errors
from service.api import ROUTES

from . import UNKNOWN, Call, CreateKey, Response, assert_problem

# Problems of the admin page, of the command line, and of paths and methods that the document does not have.
NOT_IN_DOCUMENT = {
    *("admin_already_exists", "invalid_username", "admin_not_found", "too_many_attempts", "not_signed_in"),
    *("invalid_reason", "invalid_order", "api_key_already_exists", "api_key_not_found", "invalid_scope"),
    *("invalid_rate_limit", "wallet_not_empty", "wallet_already_exists", "not_found", "method_not_allowed"),
}
TEMPORARY = ("08006", "53300", "53100", "57P01", "57P03", "57014", "40001", "40P01", "55P03", "25006", "42804")
DEFECTS = ("22012", "23505", "42P01", "P0001", "XX000", "WA099")
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "5"))


@pytest.fixture
def fail(call: Call, owner_connection: asyncpg.Connection) -> Call:
    """A request whose function raises an SQLSTATE: `await fail("WA001")`."""

    async def request(sqlstate: str) -> Response:
        await owner_connection.execute(
            "create or replace function wallet.get_wallet(p_wallet_id uuid) returns wallet.wallet_details "
            f"language plpgsql as $$ begin raise exception 'raised here' using errcode = '{sqlstate}'; end $$"
        )
        return await call("GET", f"/api/wallets/{UNKNOWN}/details")

    return request


async def test_each_sqlstate_is_a_problem(fail: Call) -> None:
    for sqlstate, kind in errors.BY_SQLSTATE.items():
        response = await fail(sqlstate)
        assert_problem(response, kind.status, kind.code)
        assert response.json["detail"] == "raised here"
    for sqlstate in TEMPORARY:
        response = await fail(sqlstate)
        assert_problem(response, 503, "database_unavailable")
        assert response.headers["retry-after"] == "1"
        assert "raised here" not in response.json["detail"]
    for sqlstate in DEFECTS:
        response = await fail(sqlstate)
        assert_problem(response, 500, "internal_error")
        assert "retry-after" not in response.headers
        assert b"raised here" not in response.content


def test_each_problem_has_its_own_code_title_and_sqlstate() -> None:
    kinds = errors.CATALOGUE
    assert len({kind.code for kind in kinds}) == len({kind.title for kind in kinds}) == len(kinds)
    assert len(errors.BY_SQLSTATE) == sum(kind.sqlstate is not None for kind in kinds)


@pytest.fixture
async def document(guarded_address: str) -> Any:
    """The document of a service that requires API keys, which has more problems."""
    async with aiohttp.ClientSession(guarded_address) as client, client.get("/api/openapi.json") as response:
        assert (response.status, response.content_type) == (200, "application/json")
        return await response.json()


async def test_the_document_is_complete(document: Any) -> None:
    operations = {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {
        ("GET", "/api/wallets/"),
        ("POST", "/api/wallets/"),
        ("GET", "/api/wallets/{wallet_id}/"),
        ("GET", "/api/wallets/{wallet_id}/details"),
        ("POST", "/api/wallets/{wallet_id}/operation"),
        ("GET", "/api/wallets/{wallet_id}/operations/"),
        ("GET", "/api/wallets/{wallet_id}/operations/{operation_id}"),
        ("POST", "/api/operations/"),
    }
    responses = [item for operation in operations.values() for item in operation["responses"].items()]
    problems = {
        example["value"]["code"]: int(status)
        for status, response in responses
        for example in response["content"].get("application/problem+json", {}).get("examples", {}).values()
    }
    assert problems == {kind.code: kind.status for kind in errors.CATALOGUE if kind.code not in NOT_IN_DOCUMENT}
    links = {link["operationId"] for _, response in responses for link in response.get("links", {}).values()}
    assert links < {route.handler.__name__ for route in ROUTES}
    described = [
        *(parameter for operation in operations.values() for parameter in operation["parameters"]),
        *(operation | {"description": operation["summary"]} for operation in operations.values()),
        *document["components"]["schemas"].values(),
    ]
    assert [item for item in described if not item.get("description")] == []


async def test_schemathesis_finds_nothing(guarded_address: str, create_key: CreateKey, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("st"), "run", f"{guarded_address}/api/openapi.json", "--no-color"),
        *("--header", f"Authorization: Bearer {await create_key('manage')}", "--max-examples", str(EXAMPLES)),
        *("--exclude-checks", "positive_data_acceptance", "--max-response-time", "20"),
        cwd=tmp_path,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "schemathesis_hooks", "PYTHONPATH": str(Path(__file__).parent), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()
    assert process.returncode == 0, output
    assert re.search(r"Tested: +8$", output, re.MULTILINE), output
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in output, output
    found = re.search(r"([\d,]+) generated", output)
    assert found, output
    assert int(found[1].replace(",", "")) > EXAMPLES * 8, output
