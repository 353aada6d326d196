"""A wallet's operations of some days as CSV, written while they are read: any number of them."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus

from aiohttp import web

from service.admin import currencies, page
from service.admin.i18n import gettext as _
from service.admin.session import ADMIN
from service.admin.wallet import WALLET, find_wallet
from service.database import admin_calls
from service.database.admin_calls import Row, Rows
from service.database.pool import POOL
from service.vocabulary import MAX_PAGE

_COLUMNS = (
    "seq",
    "created_at",
    "operation_type",
    "amount",
    "balance_after",
    "currency",
    "idempotency_key",
    "operation_id",
)
# A spreadsheet takes a text that begins like this for a formula, and API callers choose the key.
_FORMULA = ("=", "+", "-", "@")


def setup(app: web.Application) -> None:
    """Adds the download."""
    app.router.add_get(f"{WALLET}/operations.csv", export, name="csv")


async def export(request: web.Request) -> web.StreamResponse:
    """The operations of some days, the first and the last included, in UTC."""
    wallet = await find_wallet(request)
    typed = {name: request.query.get(name, "").strip() for name in ("from", "until")}
    wrong: dict[str, str] = {}
    first = _day("from", typed["from"], wrong)
    last = _day("until", typed["until"], wrong)
    if not wrong and first > last:
        wrong["until"] = _("The last day is before the first one.")
    if wrong:
        return page.render(request, "export.html", HTTPStatus.BAD_REQUEST, wallet=wallet, typed=typed, errors=wrong)
    begin = datetime.combine(first, time(), UTC)
    end = datetime.combine(last, time(), UTC) + timedelta(days=1)
    await admin_calls.record_export(request.config_dict[POOL], request[ADMIN], wallet["id"], begin, end)
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="wallet-{wallet["id"]}-{first}-{last}.csv"',
        }
    )
    await _stream(request, response, wallet, _pages(request, wallet, begin, end))
    return response


async def _pages(request: web.Request, wallet: Row, begin: datetime, end: datetime) -> AsyncIterator[Rows]:
    after_seq: int | None = None
    while True:
        rows = await admin_calls.list_operations_between(
            request.config_dict[POOL], wallet["id"], begin, end, after_seq, MAX_PAGE
        )
        yield rows
        if len(rows) < MAX_PAGE:
            return
        after_seq = rows[-1]["seq"]


async def _stream(request: web.Request, response: web.StreamResponse, wallet: Row, pages: AsyncIterator[Rows]) -> None:
    decimals = (await currencies.known(request))[wallet["currency"]]
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(_COLUMNS)
    async for rows in pages:
        writer.writerows(_line(row, wallet["currency"], decimals) for row in rows)
        # Not before something was read: until then a failure can be responded to with a page.
        if not response.prepared:
            await response.prepare(request)
        await response.write(lines.getvalue().encode())
        lines.seek(0)
        lines.truncate()
    await response.write_eof()


def _line(row: Row, currency: str, decimals: int) -> tuple[object, ...]:
    key = row["idempotency_key"]
    return (
        row["seq"],
        row["created_at"].astimezone(UTC).isoformat(timespec="microseconds"),
        row["operation_type"],
        _major(row["amount"], decimals),
        _major(row["balance_after"], decimals),
        currency,
        f"'{key}" if key.startswith(_FORMULA) else key,
        row["operation_id"],
    )


def _major(minor: int, decimals: int) -> str:
    """For programs: a point, and nothing between the digits."""
    digits = str(minor).zfill(decimals + 1)
    return f"{digits[:-decimals]}.{digits[-decimals:]}" if decimals else digits


def _day(name: str, text: str, wrong: dict[str, str]) -> date:
    try:
        day = date.fromisoformat(text)
        # The day after it must exist, as a time on which PostgreSQL and Python agree.
        if date.min < day < date.max:
            return day
    except ValueError:
        pass
    wrong[name] = _("Enter a date such as %(example)s.") % {"example": datetime.now(UTC).date().isoformat()}
    return date.min
