"""The audit log: what admins did, in words."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from service.admin import currencies, page, paging, wording
from service.admin.i18n import gettext as _
from service.admin.paging import Page
from service.database import admin_calls
from service.database.admin_calls import Row, Rows
from service.database.pool import POOL


def setup(app: web.Application) -> None:
    """Adds the page."""
    app.router.add_get("/audit/", audit_log, name="audit")


async def audit_log(request: web.Request) -> web.Response:
    """A page of what admins did, newest first."""
    listed = await list_entries(request)
    await currencies.known(request, {row["currency"] for row in listed.rows if row["currency"]})
    return page.render(request, "audit.html", page=listed, entries=entries(request, listed.rows))


async def list_entries(request: web.Request, wallet_id: UUID | None = None) -> Page:
    """A page of the log, of one wallet or of all."""
    position, is_backward = paging.position(request, tuple[int])
    from_id = position[0] if position else None
    rows = await admin_calls.list_audit(request.config_dict[POOL], paging.SIZE + 1, from_id, is_backward, wallet_id)
    return paging.page(request, rows, lambda row: (row["id"],))


def entries(request: web.Request, rows: Rows) -> list[dict[str, Any]]:
    """Rows of the log in words. Their currencies must be known."""
    return [
        {
            **row,
            "action": _action(row["action"]),
            "outcome": _outcome(row["outcome"]),
            "is_done": row["outcome"] == "done",
            "details": list(_details(request, row)),
        }
        for row in rows
    ]


def _details(request: web.Request, row: Row) -> Iterator[tuple[str, str]]:
    detail = msgspec.json.decode(row["detail"] or "{}")
    names = {
        "name": _("Name"),
        "scope": _("Scope"),
        "rate_limit": _("Requests per second"),
        "currency": _("Currency"),
        "opening_amount": _("Opening deposit"),
        "amount": _("Amount"),
        "reason": _("Reason"),
        "operation_id": _("Operation"),
        "findings": _("Findings"),
        "from": _("From"),
        "until": _("Until"),
    }
    order = {name: index for index, name in enumerate(names)}
    for key, value in sorted(detail.items(), key=lambda item: (order.get(item[0], len(order)), item[0])):
        if value is None:
            continue
        is_amount = key in ("amount", "opening_amount") and row["currency"] is not None
        text = currencies.amount(request, value, row["currency"]) if is_amount else str(value)
        yield names.get(key, key), text


def _action(action: str) -> str:
    names = {
        "create_admin": _("Create an admin"),
        "set_password": _("Set a password"),
        "login": _("Sign in"),
        "logout": _("Sign out"),
        "create_wallet": _("Create a wallet"),
        "deposit": _("Deposit"),
        "withdraw": _("Withdraw"),
        "freeze": _("Freeze"),
        "unfreeze": _("Unfreeze"),
        "close": _("Close"),
        "verify": _("Verify"),
        "export": _("Download operations"),
        "create_api_key": _("Create an API key"),
        "revoke_api_key": _("Revoke an API key"),
    }
    # The log is evidence, also what a newer version recorded: better the bare word than no page.
    return names.get(action, action)


def _outcome(outcome: str) -> str:
    match outcome:
        case "done":
            return _("Done")
        case "refused":
            return _("Failed")
        case sqlstate:
            return wording.rejection(sqlstate)
