"""`make chaos` works, and its audit can fail."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from chaos.audit import DOUBLED, LOST, compare
from chaos.clients import Journal, Outcome

ROOT = Path(__file__).parent.parent
ID = "39af52dd-8a7e-88b5-80bf-438234635f5c"


@pytest.mark.skipif("TEST_DATABASE_URL" in os.environ, reason="kills the embedded PostgreSQL")
async def test_killing_postgresql_and_the_service_loses_nothing() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "chaos", "kills", "--seconds", "1"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed = (await process.communicate())[0].decode()
    assert process.returncode == 0, printed
    kills = next(line.split() for line in printed.splitlines() if line.startswith("kills"))
    faults, requested, applied = (int(text.replace(",", "")) for text in kills[1:4])
    assert faults == 7
    assert 0 < applied < requested


def entry(key: str, balance: int = 100) -> dict[str, object]:
    return {"idempotency_key": key, "operation_id": ID, "balance_after": balance}


@pytest.mark.parametrize(
    ("outcomes", "ledger", "rejections", "finding"),
    [
        ({"a": Outcome(201, ID, 100)}, [], [], LOST),
        ({"a": Outcome(201, ID, 100)}, [entry("a"), entry("a")], [], DOUBLED),
        ({"a": Outcome(201, ID, 99)}, [entry("a")], [], "acknowledged with another id or balance"),
        ({"a": Outcome(201, ID[::-1], 100)}, [entry("a")], [], "acknowledged with another id or balance"),
        ({"a": Outcome(400, None, None)}, [entry("a")], ["a"], "in the ledger and rejected"),
        ({"a": Outcome(400, None, None)}, [], [], "rejected and not remembered"),
        ({"a": Outcome(201, ID, 100)}, [entry("a"), entry("b")], [], "in the ledger and never requested"),
        ({}, [], [], "without a final response"),
    ],
)
def test_the_audit_finds(
    outcomes: dict[str, Outcome], ledger: list[dict[str, object]], rejections: list[str], finding: str
) -> None:
    findings = compare(Journal(requested={"a"}, outcomes=outcomes), ledger, rejections)
    assert {what for what, count in findings.items() if count} == {finding}


def test_the_audit_finds_nothing_in_a_correct_ledger() -> None:
    outcomes = {"a": Outcome(201, ID, 100), "b": Outcome(400, None, None)}
    assert not any(compare(Journal(requested={"a", "b"}, outcomes=outcomes), [entry("a")], ["b"]).values())
