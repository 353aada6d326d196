"""API keys: how one is generated, created and revoked, and the scopes that one can have.

The database stores the sha256 of an API key, and looks keys up by it. Nothing compares a key with a guess, so no
comparison has to take constant time.
"""

import secrets
from collections.abc import Awaitable
from enum import IntEnum
from hashlib import sha256

import asyncpg

from service import errors
from service.database import calls

_MAX_RATE_LIMIT = 999_999
_PREFIX = "wk_"  # lets a scanner find an API key that leaked into a text


class Scope(IntEnum):
    """What an API key allows; each scope includes those before it."""

    READ = 1
    OPERATE = 2
    MANAGE = 3


SCOPES = tuple(scope.name.lower() for scope in Scope)


class ApiKeyError(Exception):
    """An API key cannot be created or revoked; the text says why."""


def name(text: str) -> str:
    """An API key's name from a command line. Raises ValueError unless it is valid in the terminal's encoding."""
    text.encode()
    return text


def rate_limit(text: str) -> int:
    """Requests per second, from a command line or a form. Raises ValueError."""
    if text.isascii() and text.isdigit() and len(text) <= len(str(_MAX_RATE_LIMIT)) and int(text) > 0:
        return int(text)
    raise ValueError(f"rate limit must be between 1 and {_MAX_RATE_LIMIT} requests per second; got {text}")


def generate() -> str:
    """A new API key, with 256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


def digest(api_key: str) -> bytes:
    """The hash that the database stores. Random keys need no slow hash."""
    return sha256(api_key.encode()).digest()


async def create(connection: asyncpg.Connection, name: str, scope: str, rate_limit: int | None) -> str:
    """Creates an API key and returns it. Raises ApiKeyError."""
    api_key = generate()
    await _run(calls.create_api_key(connection, name, scope, digest(api_key), rate_limit))
    return api_key


async def revoke(connection: asyncpg.Connection, name: str) -> None:
    """Revokes an API key. Raises ApiKeyError."""
    await _run(calls.revoke_api_key(connection, name))


async def _run(call: Awaitable[None]) -> None:
    try:
        await call
    except asyncpg.PostgresError as exc:
        if exc.sqlstate not in errors.BY_SQLSTATE:
            raise
        raise ApiKeyError(exc.message) from exc
