"""Who may call: API keys, their scopes and their rate limits."""

import re
from dataclasses import dataclass
from math import ceil
from time import monotonic

from aiohttp import web

from service import errors
from service.api_keys import Scope, digest
from service.database.batcher import ApiKeyRequest
from service.database.batchers import API_KEYS
from service.errors import Problem
from service.web import API_KEY, Handler

_MAX_CACHED = 10_000
_CREDENTIALS = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*) *", re.IGNORECASE)  # RFC 6750, section 2.1


@dataclass(slots=True)
class _Bucket:
    """A token bucket: `rate` requests per second, and a burst of as many after a second without requests."""

    rate: int
    tokens: float
    filled_at: float

    def take(self, now: float) -> float:
        """Takes a token. Returns 0, or the seconds until there is one to take."""
        self.tokens = min(self.rate, self.tokens + (now - self.filled_at) * self.rate)
        self.filled_at = now
        if self.tokens < 1:
            return (1 - self.tokens) / self.rate
        self.tokens -= 1
        return 0


@dataclass(slots=True)
class _ApiKey:
    name: str
    scope: Scope
    expires_at: float
    bucket: _Bucket | None


class ApiKeyCache:
    """API keys that were presented in the last few seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        # By the whole header, so that a request costs one look-up and no parsing.
        self._cached: dict[str, _ApiKey] = {}

    def get(self, headers: list[str]) -> _ApiKey | None:
        """The API key of a request's Authorization headers, if it is cached."""
        api_key = self._cached.get(headers[0]) if len(headers) == 1 else None
        return api_key if api_key is not None and api_key.expires_at > monotonic() else None

    async def look_up(self, app: web.Application, headers: list[str]) -> _ApiKey:
        """The API key of a request's Authorization headers, from the database. Raises the problem unauthorized."""
        if not headers:
            raise _unauthorized("API key required: send the header Authorization: Bearer KEY")
        credentials = _CREDENTIALS.fullmatch(headers[0]) if len(headers) == 1 else None
        if credentials is None:
            raise _unauthorized("Authorization must be one header of the form Bearer KEY")
        looked_up_at = monotonic()
        row = await app[API_KEYS].apply(ApiKeyRequest(digest(credentials[1])))
        previous = self._cached.pop(headers[0], None)
        if row["id"] is None:
            raise _unauthorized("API key unknown or revoked", 'Bearer error="invalid_token"')
        rate = row["rate_limit"]
        bucket = None if rate is None else _Bucket(rate, rate, looked_up_at)
        if bucket is not None and previous is not None and previous.bucket is not None and previous.bucket.rate == rate:
            bucket = previous.bucket
        if len(self._cached) >= _MAX_CACHED:
            self._cached.clear()
        api_key = _ApiKey(row["name"], Scope[row["scope"].upper()], looked_up_at + self._seconds, bucket)
        self._cached[headers[0]] = api_key
        return api_key


def guarded(handler: Handler, scope: Scope, cache: ApiKeyCache) -> Handler:
    """A handler that requires an API key with a scope. Raises unauthorized, forbidden or rate_limited."""

    async def guard(request: web.Request) -> web.StreamResponse:
        headers = request.headers.getall("Authorization", [])
        api_key = cache.get(headers) or await cache.look_up(request.app, headers)
        request[API_KEY] = api_key.name
        if api_key.scope < scope:
            raise _forbidden(api_key, scope)
        if api_key.bucket is not None and (seconds := api_key.bucket.take(monotonic())):
            raise _rate_limited(api_key.name, api_key.bucket.rate, seconds)
        return await handler(request)

    return guard


def _forbidden(api_key: _ApiKey, needed: Scope) -> Problem:
    scope = needed.name.lower()
    return Problem(
        errors.FORBIDDEN,
        f"API key of scope {scope} required; {api_key.name!r} has scope {api_key.scope.name.lower()}",
        {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
    )


def _rate_limited(name: str, rate: int, seconds: float) -> Problem:
    return Problem(
        errors.RATE_LIMITED,
        f"rate limit exceeded: API key {name!r} may send {rate} requests per second",
        {"Retry-After": str(ceil(seconds))},
    )


def _unauthorized(detail: str, challenge: str = "Bearer") -> Problem:
    return Problem(errors.UNAUTHORIZED, detail, {"WWW-Authenticate": challenge})
