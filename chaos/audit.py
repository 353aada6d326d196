"""The audit after every scenario: the ledger matches the responses, and nothing leaked."""

import asyncio
import time
from collections import Counter

import asyncpg

from chaos.clients import FINAL, Journal, Outcome
from chaos.world import World

_RELEASE_SECONDS = 10.0
_MAX_CONNECTIONS = 16  # of a service's pool
_SPARE_DESCRIPTORS = 30
_SPARE_MEMORY = 40 << 20

LOST = "acknowledged and not in the ledger"
DOUBLED = "in the ledger more than once"


async def audit(world: World) -> dict[str, int]:
    """The number of findings of each kind; all must be 0."""
    connection = await asyncpg.connect(world.database.url)
    ledger = await connection.fetch("select * from wallet.operation_details")
    rejected = await connection.fetch("select idempotency_key from wallet.rejection_details")
    broken = await connection.fetchval(
        "select count(*) from wallet.wallet_details as w cross join lateral wallet.verify_wallet(w.id)"
    )
    findings = compare(world.journal, ledger, [row["idempotency_key"] for row in rejected])
    findings["invariants broken"] = broken
    if world.failed_requests_are_findings:
        findings["requests that failed"] = sum(
            count for status, count in world.journal.statuses.items() if status not in map(str, FINAL)
        )
    findings |= await _leaks(world, connection)
    await connection.close()
    return findings


def compare(journal: Journal, ledger: list[asyncpg.Record], rejections: list[str]) -> dict[str, int]:
    """Compares the outcomes that the clients know with the ledger."""
    times = Counter(row["idempotency_key"] for row in ledger)
    applied = {row["idempotency_key"]: Outcome(201, str(row["operation_id"]), row["balance_after"]) for row in ledger}
    acknowledged = journal.acknowledged
    rejected = [key for key, outcome in journal.outcomes.items() if outcome.status == 400]
    return {
        LOST: sum(key not in applied for key in acknowledged),
        DOUBLED: sum(count > 1 for count in times.values()),
        "acknowledged with another id or balance": sum(
            applied.get(key, outcome) != outcome for key, outcome in acknowledged.items()
        ),
        "in the ledger and rejected": sum(key in applied for key in rejected),
        "rejected and not remembered": len(set(rejected) - set(rejections)),
        "in the ledger and never requested": len(set(applied) - journal.requested),
        "responses that changed": journal.changed,
        "without a final response": len(journal.requested - set(journal.outcomes)),
        "503 without Retry-After": journal.without_retry_after,
    }


async def _leaks(world: World, connection: asyncpg.Connection) -> dict[str, int]:
    """What the service has not released a while after the faults."""
    assert world.before is not None
    descriptors, memory = world.before
    service = world.services[0]
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        sessions = await connection.fetchval(
            "select count(*) from pg_stat_activity where application_name = 'wallets' and datname = current_database()"
        )
        found = {
            "database connections leaked": max(0, sessions - _MAX_CONNECTIONS * len(world.services)),
            "descriptors leaked": max(0, service.descriptors() - descriptors - _SPARE_DESCRIPTORS),
            "megabytes leaked": max(0, service.memory() - memory - _SPARE_MEMORY) >> 20,
        }
        if not any(found.values()) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)
