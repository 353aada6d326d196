"""Pages of a list by position, both ways: `?after=…` and `?before=…` are the cursor of a row."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from aiohttp import web

from service import cursor, errors
from service.database.admin_calls import Row, Rows
from service.errors import Problem

SIZE = 50
# Left out of links to another page of the list: they are about this one.
_OF_THIS_PAGE = ("after", "before", "done")

T = TypeVar("T", bound=tuple[object, ...])


class Page(NamedTuple):
    """Rows, and the URLs of the pages before and after them, if there are any."""

    rows: Rows
    before: str | None
    after: str | None


def position(request: web.Request, types: type[T]) -> tuple[T | None, bool]:
    """The position that a page goes on from, and whether backward. Raises invalid_request if it is no cursor."""
    is_backward = "before" in request.query
    text = request.query.get("before" if is_backward else "after")
    if text is None:
        return None, False
    try:
        return cursor.decode(text, types), is_backward
    except ValueError:
        raise Problem(errors.INVALID_REQUEST, "after and before must be the cursor of a page of this list") from None


def page(request: web.Request, rows: Rows, position_of: Callable[[Row], tuple[Any, ...]]) -> Page:
    """One row more than a page holds was requested: it says whether the list goes on."""
    has_more = len(rows) > SIZE
    if "before" in request.query:
        rows = rows[-SIZE:]
        is_first, is_last = not has_more, False
    else:
        rows = rows[:SIZE]
        is_first, is_last = "after" not in request.query, not has_more
    return Page(
        rows,
        None if is_first or not rows else link(request, before=cursor.encode(position_of(rows[0]))),
        None if is_last or not rows else link(request, after=cursor.encode(position_of(rows[-1]))),
    )


def link(request: web.Request, **query: str) -> str:
    """This list from another position."""
    return str(request.rel_url.without_query_params(*_OF_THIS_PAGE).update_query(query))
