"""Clients that move money, retry with their keys until they are told what became of it, and write it down."""

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


class Told(NamedTuple):
    """What a client was told of an operation."""

    status: int
    operation_id: str | None
    balance: int | None


@dataclass
class Journal:
    """What all clients asked for and were told."""

    asked: set[str] = field(default_factory=set)
    told: dict[str, Told] = field(default_factory=dict)
    statuses: Counter[str] = field(default_factory=Counter)
    changed: int = 0
    shed_without_advice: int = 0
    # Of single requests, in seconds.
    accepted: list[float] = field(default_factory=list)
    shed: list[float] = field(default_factory=list)

    @property
    def acknowledged(self) -> dict[str, Told]:
        """Those that were applied, as far as the clients know."""
        return {key: told for key, told in self.told.items() if told.status == 201}


def percentile(seconds: list[float], share: float) -> float:
    """In milliseconds; 0 of nothing."""
    return sorted(seconds)[min(int(len(seconds) * share), len(seconds) - 1)] * 1000 if seconds else 0


class Client:
    """Does one thing after the other, at any of the services; as many of them as `work` is called."""

    def __init__(self, session: aiohttp.ClientSession, addresses: list[str], wallets: list[str], journal: Journal):
        self._session = session
        self._addresses = addresses
        self._wallets = wallets
        self._journal = journal

    async def work(self, stopped: asyncio.Event) -> None:
        """Goes on until told to stop; and then until it knows what became of the last operation."""
        while not stopped.is_set():
            # Every other operation goes to one hot wallet.
            wallet = random.choice([self._wallets[0], random.choice(self._wallets)])
            body = {"operation_type": random.choice(["DEPOSIT", "WITHDRAW"]), "amount": random.randint(1, 100)}
            key = secrets.token_urlsafe(12)
            self._journal.asked.add(key)
            await self.until_told(wallet, body, key)
            if random.random() < 0.1:
                await self.until_told(wallet, body, key)

    async def until_told(self, wallet: str, body: dict[str, object], key: str) -> None:
        """Sends an operation until it is applied or refused."""
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
                    answer = await response.json()
                    seconds = time.monotonic() - began_at
                    if response.status in FINAL:
                        balance = answer.get("new_balance")
                        told = Told(
                            response.status, answer.get("operation_id"), None if balance is None else int(balance)
                        )
                        journal.changed += journal.told.setdefault(key, told) != told
                        journal.accepted.append(seconds)
                        return
                    if answer["code"] == "overloaded":
                        journal.shed.append(seconds)
                    journal.shed_without_advice += response.status == 503 and "Retry-After" not in response.headers
            except (aiohttp.ClientError, TimeoutError) as exc:
                journal.statuses[type(exc).__name__] += 1
            await asyncio.sleep(_PAUSE_SECONDS)
