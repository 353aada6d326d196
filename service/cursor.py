"""Opaque cursors of keyset pagination: the sort key of the row that a page goes on from."""

import base64
from datetime import UTC, datetime
from typing import TypeVar
from urllib.parse import quote, unquote

import msgspec

T = TypeVar("T", bound=tuple[object, ...])


def encode(values: tuple[object, ...]) -> str:
    """A cursor for a row with these values: integers, UUIDs, times with a zone, texts or None."""
    return base64.urlsafe_b64encode(_content(values)).decode().rstrip("=")


def decode(cursor: str, types: type[T]) -> T:
    """The values of a cursor, of a type such as `tuple[datetime, UUID]`. Raises ValueError for what is no cursor."""
    content = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    parts = [unquote(part) or None for part in content.decode().split(" ")]
    values = msgspec.convert(parts, types, strict=False)
    try:
        is_ours = _content(values) == content
    except OverflowError:  # a time that is before the year 1 in UTC
        is_ours = False
    if not is_ours or b"%00" in content:  # PostgreSQL takes no NUL in a text
        raise ValueError("not a cursor")
    return values


def _content(values: tuple[object, ...]) -> bytes:
    return " ".join(map(_text, values)).encode()


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    return quote(str(value), safe="")
