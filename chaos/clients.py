"""Clients that move money, retry with their idempotency keys until the outcome is final, and record it."""

import asyncio
import random
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp

FINAL = (201, 400)
_PAUSE_SECONDS = 0.05


class Outcome(NamedTuple):
    """The final response to an operation."""

    status: int
    operation_id: str | None
    balance: int | None


@dataclass
class Journal:
    """What all clients requested, and the outcomes."""

    requested: set[str] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    without_retry_after: int = 0
    # Of single requests, in seconds.
    accepted: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)

    @property
    def acknowledged(self) -> dict[str, Outcome]:
        """The operations that the clients know to be applied."""
        return {key: outcome for key, outcome in self.outcomes.items() if outcome.status == 201}


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds; 0 of an empty list."""
    return sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)] * 1000 if seconds else 0


class Client:
    """Sends operations to any of the services, each `work` one after the other."""

    def __init__(self, session: aiohttp.ClientSession, addresses: list[str], wallets: list[str], journal: Journal):
        self._session = session
        self._addresses = addresses
        self._wallets = wallets
        self._journal = journal

    async def work(self, stopped: asyncio.Event) -> None:
        """Works until stopped, and until the outcome of its last operation is known."""
        while not stopped.is_set():
            # Every other operation goes to one hot wallet.
            wallet = random.choice([self._wallets[0], random.choice(self._wallets)])
            body = {"operation_type": random.choice(["DEPOSIT", "WITHDRAW"]), "amount": random.randint(1, 100)}
            key = secrets.token_urlsafe(12)
            self._journal.requested.add(key)
            await self.until_final(wallet, body, key)
            if random.random() < 0.1:
                await self.until_final(wallet, body, key)

    async def until_final(self, wallet: str, body: dict[str, object], key: str) -> None:
        """Sends an operation until it is applied or rejected."""
        journal = self._journal
        while True:
            began_at = time.monotonic()
            try:
                async with self._session.post(
                    f"{random.choice(self._addresses)}/api/wallets/{wallet}/operation",
                    json=body,
                    headers={"Idempotency-Key": key},
                ) as response:
                    journal.statuses[str(response.status)] += 1
                    content = await response.json()
                    seconds = time.monotonic() - began_at
                    if response.status in FINAL:
                        balance = content.get("new_balance")
                        outcome = Outcome(
                            response.status, content.get("operation_id"), None if balance is None else int(balance)
                        )
                        journal.changed += journal.outcomes.setdefault(key, outcome) != outcome
                        journal.accepted.append(seconds)
                        return
                    if content["code"] == "overloaded":
                        journal.shed.append(seconds)
                    journal.without_retry_after += response.status == 503 and "Retry-After" not in response.headers
            except (aiohttp.ClientError, TimeoutError) as exc:
                journal.statuses[type(exc).__name__] += 1
            await asyncio.sleep(_PAUSE_SECONDS)
