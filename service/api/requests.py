"""Parsing what a request has in its path, its headers and its body. Faults raise a problem."""

import asyncio
import re
from collections.abc import Mapping
from typing import Generic, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from service import errors
from service.errors import Problem, ProblemType
from service.limits import LIMITS
from service.vocabulary import AMOUNT, MAX_AMOUNT, MAX_AMOUNT_DIGITS, UUID

T = TypeVar("T", bound=Struct)

_JSON = "application/json"
# Where msgspec names the member that is of the wrong type, or missing.
_MEMBER = re.compile(r"`\$\.(\w+)`$|field `(\w+)`$")
_MAX_SHOWN = 40  # characters

_INTEGER = f"amount must be between 1 and {MAX_AMOUNT}"
WRONG_AMOUNT = (errors.INVALID_AMOUNT, f"{_INTEGER}, as an integer or a string of digits")


class Body(Generic[T]):
    """A JSON body; `problems` are those of members of the wrong type."""

    def __init__(self, struct: type[T], problems: Mapping[str, tuple[ProblemType, str]]) -> None:
        self._decode = msgspec.json.Decoder(struct).decode
        self._problems = problems

    async def read(self, request: web.Request) -> T:
        """The body of a request. Raises Problem."""
        # The second condition ignores the parameters of the type.
        if request.headers.get("Content-Type", _JSON) != _JSON and request.content_type != _JSON:
            raise Problem(errors.UNSUPPORTED_MEDIA_TYPE, f"Content-Type must be {_JSON}; got {request.content_type}")
        try:
            return self._decode(await _read(request))
        except TimeoutError:
            seconds = request.app[LIMITS].body_seconds
            raise Problem(
                errors.REQUEST_TIMEOUT, f"request body not received within {seconds:g} s", closes_connection=True
            ) from None
        except (web.RequestPayloadError, ConnectionError):
            raise Problem(
                errors.INVALID_REQUEST,
                "request body incomplete, or not in its Content-Encoding",
                closes_connection=True,
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            member = _MEMBER.search(str(exc))
            problem = self._problems.get(member[1] or member[2]) if member else None
            raise Problem(*problem or (errors.INVALID_REQUEST, f"request body invalid: {exc}")) from None


async def _read(request: web.Request) -> bytes:
    if request.content.is_eof():  # small bodies arrive with their headers
        content = request.content.read_nowait()
        if len(content) > request.client_max_size:
            raise web.HTTPRequestEntityTooLarge(request.client_max_size)
        return content
    async with asyncio.timeout(request.app[LIMITS].body_seconds):
        return await request.read()


def wallet_id(text: str) -> str:
    """A wallet's id, in lower case: the batcher keeps operations together by this text."""
    if not UUID.fullmatch(text):
        raise Problem(errors.WALLET_NOT_FOUND, "wallet not found: wallet_id must be a UUID")
    return text.lower()


def operation_id(text: str) -> str:
    """An operation's id."""
    if not UUID.fullmatch(text):
        raise Problem(errors.OPERATION_NOT_FOUND, "operation not found: operation_id must be a UUID")
    return text


def amount(value: int | str) -> int:
    """A positive amount in minor units."""
    number = value
    if isinstance(number, str):
        number = int(number) if len(number) <= MAX_AMOUNT_DIGITS and AMOUNT.fullmatch(number) else 0
    if 1 <= number <= MAX_AMOUNT:
        return number
    raise Problem(errors.INVALID_AMOUNT, f"{_INTEGER}; got {shown(value)}")


def shown(value: object) -> str:
    """The beginning of a value, for a message."""
    return str(value)[:_MAX_SHOWN].encode(errors="backslashreplace").decode()


def text(value: str, kind: ProblemType) -> str:
    """A text that PostgreSQL can store. A lone surrogate comes from aiohttp without its C parser."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Problem(kind, "text must be valid UTF-8") from None
    if "\0" in value:
        raise Problem(kind, "text must not contain the character NUL")
    return value
