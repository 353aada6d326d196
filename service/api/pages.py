"""Pages of a list: the query parameters `limit` and `cursor`, and the response's `next_cursor`."""

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web
from asyncpg import Record

from service import cursor, errors
from service.api.requests import shown
from service.api.routing import Parameter
from service.errors import Problem
from service.vocabulary import DEFAULT_PAGE, MAX_PAGE

T = TypeVar("T", bound=tuple[object, ...])

LIMIT = Parameter(
    "limit", "Items per page", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": DEFAULT_PAGE}
)
CURSOR = Parameter("cursor", "The `next_cursor` of an earlier page", {"type": "string"})


def limit_of(request: web.Request) -> int:
    """The page's size."""
    text = request.query.get("limit")
    if text is None:
        return DEFAULT_PAGE
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_PAGE)) and 1 <= int(text) <= MAX_PAGE:
        return int(text)
    raise Problem(errors.INVALID_LIMIT, f"limit must be between 1 and {MAX_PAGE}; got {shown(text)}")


def cursor_of(request: web.Request, types: type[T]) -> T | None:
    """The values of the last row of the page before; None on the first page."""
    text = request.query.get("cursor")
    if text is None:
        return None
    try:
        return cursor.decode(text, types)
    except ValueError:
        raise Problem(errors.INVALID_REQUEST, "cursor must be the next_cursor of an earlier page") from None


def page(
    rows: list[Record], limit: int, values_of: Callable[[Record], tuple[object, ...]]
) -> tuple[list[Record], str | None]:
    """The page's rows and its next_cursor, of rows that were read with a limit of one more."""
    return rows[:limit], cursor.encode(values_of(rows[limit - 1])) if len(rows) > limit else None
