"""Clients that retry with their keys for a minute, while PostgreSQL is killed five times and the service twice.

Then the audit: every operation that was acknowledged is in the ledger exactly once, with the balance that was
acknowledged; nothing is in the ledger that no client asked for; and every wallet verifies.
"""

import argparse
import asyncio
import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import asyncpg

from service import eventloop
from service.embedded import EmbeddedPostgres

_CLIENTS = 64
_WALLETS = 50
_FINAL = (201, 400)


@dataclass
class Journal:
    """What the clients asked for and were told."""

    asked: set[str] = field(default_factory=set)
    # by key: status, operation id, balance
    answered: dict[str, tuple[int, str | None, int | None]] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    changed_answers: int = 0


class Service:
    """The service as a process, which can be killed and started again on the same port and data."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Returns when it accepts connections."""
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "service", "serve"),
            env={**os.environ, "DATA_DIR": str(self.directory), "PORT": str(self.port), "LOG_LEVEL": "error"},
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        while True:
            with contextlib.suppress(OSError, aiohttp.ClientError):
                async with (
                    aiohttp.ClientSession() as session,
                    session.get(f"http://127.0.0.1:{self.port}/health/ready") as response,
                ):
                    if response.status == 200:
                        return
            await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9, and start again at once."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()
        await self.start()

    def kill_postgres(self) -> None:
        """kill -9 of the server process, which leaves its backends orphaned."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.directory / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)


async def main() -> None:
    """Runs the minute and the audit; ends with status 1 when anything was lost, doubled or invented."""
    parser = argparse.ArgumentParser(prog="python -m chaos")
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="wallets-chaos-"))
    directory.chmod(0o755)
    journal = Journal()
    service = Service(directory)
    try:
        await service.start()
        address = f"http://127.0.0.1:{service.port}"
        async with aiohttp.ClientSession(address, timeout=aiohttp.ClientTimeout(total=20)) as session:
            wallets = [await _create(session) for _ in range(_WALLETS)]
            stopped = asyncio.Event()
            clients = [asyncio.create_task(_client(session, wallets, journal, stopped)) for _ in range(_CLIENTS)]
            await _inject(service, options.seconds)
            stopped.set()
            await asyncio.gather(*clients)
        assert service.process is not None
        service.process.terminate()
        await service.process.wait()
        findings = await _audit(directory, journal)
    finally:
        if service.process is not None and service.process.returncode is None:
            service.process.kill()
            await service.process.wait()
        shutil.rmtree(directory, ignore_errors=True)
    sys.exit(1 if findings else 0)


async def _inject(service: Service, seconds: float) -> None:
    faults = ["postgres", "postgres", "service", "postgres", "postgres", "service", "postgres"]
    for fault in faults:
        await asyncio.sleep(seconds / (len(faults) + 1))
        print(f"{time.strftime('%X')} kill -9 {fault}", flush=True)
        if fault == "postgres":
            service.kill_postgres()
        else:
            await service.kill()
    await asyncio.sleep(seconds / (len(faults) + 1))


async def _create(session: aiohttp.ClientSession) -> str:
    async with session.post("/api/wallets/", json={}) as response:
        wallet_id: str = (await response.json())["id"]
        return wallet_id


async def _client(session: aiohttp.ClientSession, wallets: list[str], journal: Journal, stopped: asyncio.Event) -> None:
    while not stopped.is_set():
        # Every other operation goes to one hot wallet.
        wallet = random.choice([wallets[0], random.choice(wallets)])
        body = {"operation_type": random.choice(["DEPOSIT", "WITHDRAW"]), "amount": random.randint(1, 100)}
        key = secrets.token_urlsafe(12)
        journal.asked.add(key)
        await _until_answered(session, wallet, body, key, journal)
        if random.random() < 0.1:
            await _until_answered(session, wallet, body, key, journal)


async def _until_answered(
    session: aiohttp.ClientSession, wallet: str, body: dict[str, object], key: str, journal: Journal
) -> None:
    while True:
        try:
            async with session.post(
                f"/api/wallets/{wallet}/operation", json=body, headers={"Idempotency-Key": key}
            ) as response:
                journal.statuses[str(response.status)] += 1
                answer = await response.json()
                if response.status in _FINAL:
                    balance = answer.get("new_balance")
                    told = (response.status, answer.get("operation_id"), None if balance is None else int(balance))
                    journal.changed_answers += journal.answered.setdefault(key, told) != told
                    return
        except (aiohttp.ClientError, TimeoutError) as exc:
            journal.statuses[type(exc).__name__] += 1
        await asyncio.sleep(0.05)


async def _audit(directory: Path, journal: Journal) -> int:
    postgres = EmbeddedPostgres(directory)
    await postgres.start()
    try:
        connection = await asyncpg.connect(postgres.url)
        ledger = await connection.fetch("select * from wallet.operation_details")
        refused = await connection.fetch("select idempotency_key from wallet.rejection_details")
        broken = await connection.fetchval(
            "select count(*) from wallet.wallet_details as w cross join lateral wallet.verify_wallet(w.id)"
        )
        await connection.close()
    finally:
        await postgres.stop()
    times = Counter(row["idempotency_key"] for row in ledger)
    applied = {row["idempotency_key"]: (201, str(row["operation_id"]), row["balance_after"]) for row in ledger}
    refusals = {row["idempotency_key"] for row in refused}
    acknowledged = {key: told for key, told in journal.answered.items() if told[0] == 201}
    findings = {
        "acknowledged but not in the ledger": sum(key not in applied for key in acknowledged),
        "acknowledged with another id or balance": sum(
            applied.get(key, told) != told for key, told in acknowledged.items()
        ),
        "in the ledger more than once": sum(count > 1 for count in times.values()),
        "in the ledger but refused": sum(key in applied for key, told in journal.answered.items() if told[0] == 400),
        "refused but not remembered": sum(
            key not in refusals for key, told in journal.answered.items() if told[0] == 400
        ),
        "in the ledger but never asked for": sum(key not in journal.asked for key in applied),
        "answers that changed on a retry": journal.changed_answers,
        "invariants broken": broken,
    }
    print(f"asked {len(journal.asked):,}, applied and acknowledged {len(acknowledged):,}, refused {len(refusals):,}")
    print("answers:", dict(journal.statuses))
    for what, count in findings.items():
        print(f"{what:<45}{count:>6}")
    return sum(findings.values())


if __name__ == "__main__":
    eventloop.run(main())
