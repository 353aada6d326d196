"""Passwords: hashed with argon2 off the event loop, and rejected when they are easy to guess."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar, TypeVarTuple

from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service import errors
from service.admin.i18n import N_

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_MIN_LENGTH = 10
_MAX_LENGTH = 1000
# zxcvbn's time grows with the square of the length, and a weak password is weak from its beginning.
_MAX_RATED_LENGTH = 72
_MIN_SCORE = 3

# zxcvbn keeps the username that it compares with in a global variable.
_rating = Lock()


class Passwords:
    """Hashes and rates passwords in a few threads: with the default parameters each hash takes 64 MiB and a core."""

    def __init__(self, hasher: PasswordHasher | None = None, *, threads: int = 2, max_queued: int = 32) -> None:
        self._hasher = hasher or PasswordHasher()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._room = asyncio.Semaphore(threads + max_queued)
        parameters = f"m={self._hasher.memory_cost},t={self._hasher.time_cost},p={self._hasher.parallelism}"
        self.hash_of_nobody = f"$argon2id$v=19${parameters}${'A' * 22}${'A' * 43}"

    async def digest(self, password: str) -> str:
        """The hash to store. Raises overloaded, as all that follow do."""
        return await self._run(self._hasher.hash, _normal(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether a password is the stored one. Without a stored one it takes as long and is false."""
        is_right = await self._run(self._verify, stored or self.hash_of_nobody, _normal(password))
        return is_right and stored is not None

    def is_outdated(self, stored: str) -> bool:
        """Whether a hash was created with other parameters."""
        return self._hasher.check_needs_rehash(stored)

    async def weakness(self, username: str, password: str) -> str | None:
        """Why a password is not accepted, as a message to translate; None if it is."""
        normal = _normal(password)
        if len(normal) < _MIN_LENGTH:
            return N_("This password is too short: it must have at least 10 characters.")
        if len(normal) > _MAX_LENGTH:
            return N_("This password is too long: it can have at most 1000 characters.")
        if normal.isdigit():
            return N_("The password cannot be digits alone.")
        if await self._run(_score, _normal(username), normal) < _MIN_SCORE:
            return N_(
                "This password is too easy to guess: it is a common one, or close to your username, or made of words, "
                "dates or keys that often follow each other."
            )
        return None

    def close(self) -> None:
        """Ends the threads."""
        self._threads.shutdown(wait=False)

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
        if self._room.locked():
            raise errors.overloaded()
        async with self._room:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


PASSWORDS: web.AppKey[Passwords] = web.AppKey("PASSWORDS", Passwords)


def setup(app: web.Application) -> None:
    """Hashes passwords for as long as the application runs."""
    app[PASSWORDS] = Passwords()
    app.cleanup_ctx.append(_close)


async def _close(app: web.Application) -> AsyncIterator[None]:
    yield
    app[PASSWORDS].close()


def _normal(password: str) -> str:
    # The same letters can be typed as different characters: й is one on Windows, and two on a Mac.
    return unicodedata.normalize("NFKC", password)


def _score(username: str, password: str) -> int:
    """From 0, guessed at once, to 4."""
    # Here, because it loads its word lists, which few processes need.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    with _rating:
        rated = zxcvbn(password[:_MAX_RATED_LENGTH], user_inputs=[username[:_MAX_RATED_LENGTH]])
    score: int = rated["score"]
    return score
