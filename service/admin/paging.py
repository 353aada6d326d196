"""Pages of a list by position, both ways: `?after=…` and `?before=…` say which row a page goes on from."""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple, TypeVar

import asyncpg
import msgspec
from aiohttp import web

from service import errors
from service.errors import Problem

SIZE = 50
# What links to another page of a list leave behind: they are about this one.
_PASSING = ("after", "before", "done")

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
T = TypeVar("T")


class Page(NamedTuple):
    """Rows, and where the pages before and after them are, if there are any."""

    rows: Sequence[asyncpg.Record]
    before: str | None
    after: str | None


def position(request: web.Request, kind: type[T]) -> tuple[T | None, bool]:
    """The position that a page goes on from, and whether backward. Raises Problem when it is none of ours."""
    is_backward = "before" in request.query
    text = request.query.get("before" if is_backward else "after")
    if text is None:
        return None, False
    try:
        content = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        place = msgspec.json.decode(content, type=kind)
    except ValueError:
        content = None
    # PostgreSQL takes no NUL in a text.
    if content is None or b"\\u0000" in content:
        raise Problem(errors.INVALID_REQUEST, "this is not the address of a page of this list")
    return place, is_backward


def page(request: web.Request, rows: Sequence[asyncpg.Record], position_of: Callable[[asyncpg.Record], Any]) -> Page:
    """One row more than a page holds was asked for: whether it came says whether the list goes on that way."""
    has_more = len(rows) > SIZE
    if "before" in request.query:
        rows = rows[-SIZE:]
        is_first, is_last = not has_more, False
    else:
        rows = rows[:SIZE]
        is_first, is_last = "after" not in request.query, not has_more
    return Page(
        rows,
        None if is_first or not rows else link(request, before=_text(position_of(rows[0]))),
        None if is_last or not rows else link(request, after=_text(position_of(rows[-1]))),
    )


def link(request: web.Request, **query: str) -> str:
    """This list from another position."""
    return str(request.rel_url.without_query_params(*_PASSING).update_query(query))


def _text(place: Any) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")
