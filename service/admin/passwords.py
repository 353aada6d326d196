"""Passwords: argon2, off the event loop, and what is too weak to be one."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar, TypeVarTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service import errors

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

_MIN_LENGTH = 10
_MAX_LENGTH = 1000
# zxcvbn takes no more: its time grows with the square of the length, and what is weak is so from its beginning.
_MAX_RATED_LENGTH = 72
_MIN_SCORE = 3
_THREADS = 2
_MOST_WAITING = 32

_hasher = PasswordHasher()
# Each takes 64 MiB and a core for a while.
_threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="argon2")
_places = asyncio.Semaphore(_THREADS + _MOST_WAITING)
# zxcvbn keeps the username that it compares with in a global of its own.
_rating = Lock()

# What a password is compared with where there is no admin: made with the same parameters, so that it takes as long.
_NOBODY = f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${'A' * 22}${'A' * 43}"


def N_(message: str) -> str:  # noqa: N802 -- the name by which catalogues are extracted
    """Marks a text for translation where it is shown."""
    return message


async def digest(password: str) -> str:
    """What is stored in place of a password."""
    return await _run(_hasher.hash, _normal(password))


async def verify(stored: str | None, password: str) -> bool:
    """Whether a password is the stored one. Without a stored one it takes just as long, and is not."""
    return await _run(_verify, stored or _NOBODY, _normal(password)) and stored is not None


def is_outdated(stored: str) -> bool:
    """Whether a hash was made with parameters that are no longer ours."""
    return _hasher.check_needs_rehash(stored)


async def weakness(username: str, password: str) -> str | None:
    """Why a password will not do, in words; None when it will."""
    normal = _normal(password)
    if len(normal) < _MIN_LENGTH:
        return N_("This password is too short: it has to have at least 10 characters.")
    if len(normal) > _MAX_LENGTH:
        return N_("This password is too long: it can have at most 1000 characters.")
    if normal.isdigit():
        return N_("The password cannot be digits alone.")
    if await _run(_score, _normal(username), normal) < _MIN_SCORE:
        return N_(
            "This password is too easy to guess: it is a common one, or close to your username, or made of words, "
            "dates or keys that often follow each other."
        )
    return None


def _normal(password: str) -> str:
    # The same letters can be typed as different characters: й is one on Windows, and two on a Mac.
    return unicodedata.normalize("NFKC", password)


def _verify(stored: str, password: str) -> bool:
    try:
        return _hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _score(username: str, password: str) -> int:
    """From 0, guessed at once, to 4."""
    # Here, since it loads its lists of words, which only few processes ever need.
    from zxcvbn import zxcvbn  # noqa: PLC0415

    with _rating:
        rated = zxcvbn(password[:_MAX_RATED_LENGTH], user_inputs=[username[:_MAX_RATED_LENGTH]])
    score: int = rated["score"]
    return score


async def _run(function: Callable[[*_Ts], _T], *arguments: *_Ts) -> _T:
    if _places.locked():
        raise errors.overloaded()
    async with _places:
        return await asyncio.get_running_loop().run_in_executor(_threads, function, *arguments)
