"""The contract: complete, shown without help from elsewhere, and kept, whatever Schemathesis thinks of."""

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from service import errors

from . import Call, MakeKey

# What only the admin page and the command line can meet.
NOT_OVER_REST = {
    *("admin_already_exists", "invalid_username", "admin_not_found", "too_many_attempts", "not_signed_in"),
    *("invalid_reason", "invalid_order", "api_key_already_exists", "api_key_not_found", "invalid_scope"),
    *("invalid_rate_limit", "wallet_not_empty", "wallet_already_exists"),
    # Of a path that is not in the contract, and a method that is not.
    *("not_found", "method_not_allowed"),
}
EXAMPLES = 60


@pytest.fixture
def address(guarded_address: str) -> str:
    """The service that asks for keys, which may meet more."""
    return guarded_address


@pytest.fixture
async def contract(call: Call) -> Any:
    """The document."""
    answer = await call("GET", "/api/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    return answer.json


async def test_it_tells_of_every_refusal_with_an_example(contract: Any) -> None:
    told = {
        example["value"]["code"]: int(status)
        for path in contract["paths"].values()
        for operation in path.values()
        for status, response in operation["responses"].items()
        for example in response["content"].get("application/problem+json", {}).get("examples", {}).values()
    }
    entries = {
        *errors.BY_SQLSTATE.values(),
        *(entry for entry in vars(errors).values() if isinstance(entry, errors.ProblemType)),
    }
    assert told == {entry.code: entry.status for entry in entries if entry.code not in NOT_OVER_REST}


async def test_it_tells_of_every_route_of_the_api(contract: Any) -> None:
    told = {(method.upper(), path) for path, operations in contract["paths"].items() for method in operations}
    assert told == {
        ("GET", "/api/wallets/"),
        ("POST", "/api/wallets/"),
        ("GET", "/api/wallets/{wallet_id}/"),
        ("GET", "/api/wallets/{wallet_id}/details"),
        ("POST", "/api/wallets/{wallet_id}/operation"),
        ("GET", "/api/wallets/{wallet_id}/operations/"),
        ("GET", "/api/wallets/{wallet_id}/operations/{operation_id}"),
        ("POST", "/api/operations/"),
    }


async def test_every_member_and_parameter_is_explained(contract: Any) -> None:
    parameters = [
        parameter
        for path in contract["paths"].values()
        for operation in path.values()
        for parameter in operation["parameters"]
    ]
    assert [parameter["name"] for parameter in parameters if not parameter.get("description")] == []
    assert [name for name, schema in contract["components"]["schemas"].items() if not schema["description"]] == []


async def test_schemathesis_finds_nothing(address: str, make_key: MakeKey, tmp_path: Path) -> None:
    """All its checks, among them: what is documented is all that is answered, and no key means no answer."""
    process = await asyncio.create_subprocess_exec(
        *(Path(sys.executable).with_name("st"), "run", f"{address}/api/openapi.json", "--no-color"),
        *("--header", f"Authorization: Bearer {await make_key('manage')}", "--max-examples", str(EXAMPLES)),
        *("--exclude-checks", "positive_data_acceptance", "--max-response-time", "20"),
        cwd=tmp_path,
        env=os.environ
        | {"SCHEMATHESIS_HOOKS": "contract_checks", "PYTHONPATH": str(Path(__file__).parent), "COLUMNS": "200"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    assert re.search(r"Tested: +8$", said, re.MULTILINE), said
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in said, said
    found = re.search(r"([\d,]+) generated", said)
    assert found, said
    assert int(found[1].replace(",", "")) > EXAMPLES * 8, said
