"""`make chaos` works, and its audit can fail."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from chaos.audit import DOUBLED, LOST, compare
from chaos.clients import Journal, Told

ROOT = Path(__file__).parent.parent
ID = "39af52dd-8a7e-88b5-80bf-438234635f5c"


async def test_nothing_is_lost_where_postgresql_and_the_service_are_killed() -> None:
    if "TEST_DATABASE_URL" in os.environ:
        pytest.skip("kills the embedded PostgreSQL, which the run without TEST_DATABASE_URL does")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chaos", "kills", "two_services", "--seconds", "2"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    kills = next(line.split() for line in said.splitlines() if line.startswith("kills"))
    faults, asked, applied = (int(text.replace(",", "")) for text in kills[1:4])
    assert faults == 7
    assert 0 < applied < asked


def entry(key: str, balance: int = 100) -> dict[str, object]:
    return {"idempotency_key": key, "operation_id": ID, "balance_after": balance}


@pytest.mark.parametrize(
    ("told", "ledger", "refusals", "finding"),
    [
        ({"a": Told(201, ID, 100)}, [], [], LOST),
        ({"a": Told(201, ID, 100)}, [entry("a"), entry("a")], [], DOUBLED),
        ({"a": Told(201, ID, 99)}, [entry("a")], [], "acknowledged with another id or balance"),
        ({"a": Told(201, ID[::-1], 100)}, [entry("a")], [], "acknowledged with another id or balance"),
        ({"a": Told(400, None, None)}, [entry("a")], ["a"], "in the ledger and refused"),
        ({"a": Told(400, None, None)}, [], [], "refused and not remembered"),
        ({"a": Told(201, ID, 100)}, [entry("a"), entry("b")], [], "in the ledger and never asked for"),
        ({}, [], [], "never answered"),
    ],
)
def test_the_audit_finds(
    told: dict[str, Told], ledger: list[dict[str, object]], refusals: list[str], finding: str
) -> None:
    findings = compare(Journal(asked={"a"}, told=told), ledger, refusals)
    assert {what for what, count in findings.items() if count} == {finding}


def test_the_audit_finds_nothing_where_all_is_well() -> None:
    told = {"a": Told(201, ID, 100), "b": Told(400, None, None)}
    assert not any(compare(Journal(asked={"a", "b"}, told=told), [entry("a")], ["b"]).values())
