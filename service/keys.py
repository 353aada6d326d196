"""API keys: who may call, and for what. Asked of the database, remembered for seconds.

The database knows a key by its sha256 alone. Nowhere is one compared with a guess: hashes are looked up, which takes no
longer the closer a guess comes to a key, and that is what a comparison in constant time is for.
"""

import re
import secrets
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from math import ceil
from time import monotonic

from aiohttp import web

from service import errors
from service.database.batcher import KeyRequest
from service.database.calls import KEYS
from service.errors import Problem
from service.web import API_KEY, Handler

_MAX_REMEMBERED = 10_000
_MAX_RATE_DIGITS = 6
_PREFIX = "wk_"  # so that a key that has leaked into a text can be found there

_CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)  # RFC 6750, section 2.1


class Scope(IntEnum):
    """What a key is for; each scope includes those before it."""

    READ = 1
    OPERATE = 2
    MANAGE = 3


SCOPES = tuple(scope.name.lower() for scope in Scope)


class KeyRefusedError(Exception):
    """A key cannot be made or revoked as asked; the text says why."""


def name(text: str) -> str:
    """A key's name, from a command line. Raises ValueError."""
    text.encode()  # what is no text in the terminal's encoding comes as halves of surrogate pairs
    return text


def rate_limit(text: str) -> int:
    """Requests a second, from a command line or a form. Raises ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_RATE_DIGITS and int(text) > 0):
        raise ValueError(f"a limit is a number of requests a second from 1 to {10**_MAX_RATE_DIGITS - 1}")
    return int(text)


def draw() -> str:
    """A new key: 256 bits that nobody can guess."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> bytes:
    """What the database knows a key by. Nothing slower is needed for what is drawn and not chosen."""
    return sha256(key.encode()).digest()


@dataclass(slots=True)
class _Bucket:
    """A token bucket: `rate` requests a second, and as many at once after a second of none."""

    rate: int
    tokens: float
    filled_at: float

    def take(self, now: float) -> float:
        """Takes a token; answers how many seconds there are until there is one to take, 0 when one was."""
        self.tokens = min(self.rate, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.tokens < 1:
            return (1 - self.tokens) / self.rate
        self.tokens -= 1
        return 0


@dataclass(slots=True)
class _Key:
    name: str
    scope: Scope
    expires_at: float
    bucket: _Bucket | None


class Keys:
    """The keys that have been presented of late."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # By the whole header: what every request pays for is one look-up.
        self._known: dict[str, _Key] = {}

    def known(self, presented: list[str]) -> _Key | None:
        """The key of a request, if it was looked up a moment ago."""
        key = self._known.get(presented[0]) if len(presented) == 1 else None
        return key if key is not None and key.expires_at > monotonic() else None

    async def look_up(self, app: web.Application, presented: list[str]) -> _Key:
        """The key of a request, by the database. Raises unauthorized."""
        if not presented:
            raise _unauthorized("this needs an API key: Authorization: Bearer …")
        given = _CREDENTIALS.fullmatch(presented[0]) if len(presented) == 1 else None
        if given is None:
            raise _unauthorized("Authorization has to be the word Bearer and an API key")
        asked_at = monotonic()
        row = await app[KEYS].apply(KeyRequest(digest(given[1])))
        before = self._known.pop(presented[0], None)
        if row["id"] is None:
            raise _unauthorized("there is no such API key, or it was revoked", 'Bearer error="invalid_token"')
        rate = row["rate_limit"]
        bucket = None if rate is None else _Bucket(rate, rate, asked_at)
        if bucket is not None and before is not None and before.bucket is not None and before.bucket.rate == rate:
            bucket = before.bucket
        if len(self._known) >= _MAX_REMEMBERED:
            self._known.clear()
        key = _Key(row["name"], Scope[row["scope"].upper()], asked_at + self._seconds, bucket)
        self._known[presented[0]] = key
        return key


def guarded(handler: Handler, needed: Scope, keys: Keys) -> Handler:
    """A handler for whoever presents a key that has a scope; others meet unauthorized, forbidden or rate_limited."""

    async def guard(request: web.Request) -> web.StreamResponse:
        presented = request.headers.getall("Authorization", [])
        key = keys.known(presented) or await keys.look_up(request.app, presented)
        request[API_KEY] = key.name
        if key.scope < needed:
            raise _forbidden(key, needed)
        if key.bucket is not None and (seconds := key.bucket.take(monotonic())):
            raise _rate_limited(key.name, key.bucket.rate, seconds)
        return await handler(request)

    return guard


def _forbidden(key: _Key, needed: Scope) -> Problem:
    scope = needed.name.lower()
    return Problem(
        errors.FORBIDDEN,
        f"this needs an API key of scope {scope}, and the key {key.name!r} has {key.scope.name.lower()}",
        {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
    )


def _rate_limited(name: str, rate: int, seconds: float) -> Problem:
    return Problem(
        errors.RATE_LIMITED,
        f"the API key {name!r} has a limit of {rate} requests a second",
        {"Retry-After": str(ceil(seconds))},
    )


def _unauthorized(detail: str, challenge: str = "Bearer") -> Problem:
    return Problem(errors.UNAUTHORIZED, detail, {"WWW-Authenticate": challenge})
