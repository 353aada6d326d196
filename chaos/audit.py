"""What is held after every scenario: whether the ledger is what the clients were told, and whether anything leaked."""

import asyncio
import time
from collections import Counter

import asyncpg

from chaos.clients import FINAL, Journal, Told
from chaos.world import World

_SETTLE_SECONDS = 10.0
_MAX_CONNECTIONS = 16  # of a service's pool
_SPARE_DESCRIPTORS = 30
_SPARE_MEMORY = 40 << 20

LOST = "acknowledged and not in the ledger"
DOUBLED = "in the ledger more than once"


async def audit(world: World) -> dict[str, int]:
    """How often each thing that must never be was found."""
    connection = await asyncpg.connect(world.database.url)
    ledger = await connection.fetch("select * from wallet.operation_details")
    refused = await connection.fetch("select idempotency_key from wallet.rejection_details")
    broken = await connection.fetchval(
        "select count(*) from wallet.wallet_details as w cross join lateral wallet.verify_wallet(w.id)"
    )
    findings = compare(world.journal, ledger, [row["idempotency_key"] for row in refused])
    findings["invariants broken"] = broken
    if world.failed_requests_are_findings:
        findings["requests that failed"] = sum(
            count for status, count in world.journal.statuses.items() if status not in map(str, FINAL)
        )
    findings |= await _leaks(world, connection)
    await connection.close()
    return findings


def compare(journal: Journal, ledger: list[asyncpg.Record], refusals: list[str]) -> dict[str, int]:
    """Holds what the clients were told against what is written."""
    times = Counter(row["idempotency_key"] for row in ledger)
    applied = {row["idempotency_key"]: Told(201, str(row["operation_id"]), row["balance_after"]) for row in ledger}
    acknowledged = journal.acknowledged
    turned_down = [key for key, told in journal.told.items() if told.status == 400]
    return {
        LOST: sum(key not in applied for key in acknowledged),
        DOUBLED: sum(count > 1 for count in times.values()),
        "acknowledged with another id or balance": sum(
            applied.get(key, told) != told for key, told in acknowledged.items()
        ),
        "in the ledger and refused": sum(key in applied for key in turned_down),
        "refused and not remembered": len(set(turned_down) - set(refusals)),
        "in the ledger and never asked for": len(set(applied) - journal.asked),
        "answers that changed": journal.changed,
        "never answered": len(journal.asked - set(journal.told)),
        "503 without Retry-After": journal.shed_without_advice,
    }


async def _leaks(world: World, connection: asyncpg.Connection) -> dict[str, int]:
    """What is still held a while after the faults."""
    assert world.before is not None
    descriptors, memory = world.before
    service = world.services[0]
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        sessions = await connection.fetchval(
            "select count(*) from pg_stat_activity where application_name = 'wallets' and datname = current_database()"
        )
        found = {
            "connections to the database too many": max(0, sessions - _MAX_CONNECTIONS * len(world.services)),
            "descriptors leaked": max(0, service.descriptors() - descriptors - _SPARE_DESCRIPTORS),
            "megabytes leaked": max(0, service.memory() - memory - _SPARE_MEMORY) >> 20,
        }
        if not any(found.values()) or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.2)
