"""A wallet's operations of some days as CSV, written while they are read: as many as there are."""

import csv
import io
from datetime import UTC, date, datetime, time, timedelta
from http import HTTPStatus
from typing import Any

from aiohttp import web

from service.admin import currencies, page, wallets
from service.admin.i18n import gettext as _
from service.admin.session import ADMIN
from service.admin.wallets import WALLET
from service.database.pool import POOL

_AT_ONCE = 1000
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
# What makes a spreadsheet take a text for a formula. A caller of the API chose the key.
_FORMULA = ("=", "+", "-", "@")


def setup(app: web.Application) -> None:
    """Adds the download."""
    app.router.add_get(f"{WALLET}/operations.csv", download, name="csv")


async def download(request: web.Request) -> web.StreamResponse:
    """The operations from one day to another, both included, in UTC."""
    wallet = await wallets.find(request)
    typed = {name: request.query.get(name, "").strip() for name in ("from", "until")}
    wrong: dict[str, str] = {}
    first = _day("from", typed["from"], wrong)
    last = _day("until", typed["until"], wrong)
    if not wrong and first > last:
        wrong["until"] = _("The last day is before the first one.")
    if wrong:
        return page.render(request, "statement.html", HTTPStatus.BAD_REQUEST, wallet=wallet, typed=typed, errors=wrong)
    return await _stream(request, wallet, first, last)


async def _stream(request: web.Request, wallet: Any, first: date, last: date) -> web.StreamResponse:
    pool, admin = request.config_dict[POOL], request[ADMIN]
    begin = datetime.combine(first, time(), UTC)
    end = datetime.combine(last, time(), UTC) + timedelta(days=1)
    decimals = (await currencies.known(request))[wallet["currency"]]
    await pool.execute(
        "select wallet.admin_record_export($1, $2, $3, $4, $5)", admin.token, admin.address, wallet["id"], begin, end
    )
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="wallet-{wallet["id"]}-{first}-{last}.csv"',
        }
    )
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(_COLUMNS)
    after: int | None = None
    while True:
        rows = await pool.fetch(
            "select * from wallet.list_operations_between($1, $2, $3, $4, $5)",
            *(wallet["id"], begin, end, after, _AT_ONCE),
        )
        for row in rows:
            writer.writerow(_line(row, wallet["currency"], decimals))
        # Only now: until something was read, a failure can still be answered with a page.
        if not response.prepared:
            await response.prepare(request)
        await response.write(lines.getvalue().encode())
        if len(rows) < _AT_ONCE:
            break
        after = rows[-1]["seq"]
        lines.seek(0)
        lines.truncate()
    await response.write_eof()
    return response


def _line(row: Any, currency: str, decimals: int) -> tuple[object, ...]:
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
        # The day after it has to exist, and be a time that PostgreSQL and Python agree on.
        if date.min < day < date.max:
            return day
    except ValueError:
        pass
    wrong[name] = _("Enter a date such as %(example)s.") % {"example": datetime.now(UTC).date().isoformat()}
    return date.min
