"""Freezing, unfreezing and closing a wallet, in two steps: a form, then a review to confirm."""

from http import HTTPStatus
from typing import NamedTuple

import asyncpg
from aiohttp import web

from service import errors
from service.admin import page, reason
from service.admin.guard import FORM
from service.admin.i18n import N_
from service.admin.i18n import gettext as _
from service.admin.session import ADMIN
from service.admin.wallet import WALLET, find_wallet, wallet_url
from service.database import admin_calls
from service.database.pool import POOL
from service.errors import Problem
from service.vocabulary import WALLET_STATUSES


class _Change(NamedTuple):
    verb: str
    heading: str
    effect: str


_CHANGES = {
    "ACTIVE": _Change(
        N_("Unfreeze"), N_("Unfreeze this wallet"), N_("Deposits and withdrawals become possible again.")
    ),
    "FROZEN": _Change(
        N_("Freeze"), N_("Freeze this wallet"), N_("Every deposit and withdrawal is rejected until it is unfrozen.")
    ),
    "CLOSED": _Change(
        N_("Close"), N_("Close this wallet"), N_("A closed wallet cannot be reopened. Its operations are kept.")
    ),
}
_REJECTIONS = {
    errors.WALLET_NOT_EMPTY.sqlstate: N_(
        "The wallet still holds money. Withdraw it first: only an empty wallet can be closed."
    ),
    errors.WALLET_NOT_ACTIVE.sqlstate: N_("The wallet is closed and cannot be reopened."),
}


def setup(app: web.Application) -> None:
    """Adds the page."""
    resource = app.router.add_resource(f"{WALLET}/status", name="status")
    resource.add_route("GET", status_form)
    resource.add_route("POST", set_status)


async def status_form(request: web.Request) -> web.Response:
    """The form that asks for the reason."""
    to = _status(request.query.get("to", ""))
    return await _render(request, to)


async def set_status(request: web.Request) -> web.Response:
    """Checks the form, shows the review, then sets the status."""
    form, to = request[FORM], _status(request[FORM].get("to", ""))
    given, step = form.get("reason", ""), form.get("step")
    if step == "edit":
        return await _render(request, to, reason=given)
    if wrong := reason.problems(given):
        return await _render(request, to, HTTPStatus.BAD_REQUEST, reason=given, errors=wrong)
    if step != "confirm":
        return await _render(request, to, reason=given, is_review=True)
    wallet_id = request.match_info["id"]
    try:
        await admin_calls.set_wallet_status(request.config_dict[POOL], request[ADMIN], wallet_id, to, given)
    except asyncpg.PostgresError as exc:
        if exc.sqlstate not in _REJECTIONS:
            raise
        wrong = {"form": _(_REJECTIONS[exc.sqlstate])}
        return await _render(request, to, errors.BY_SQLSTATE[exc.sqlstate].status, reason=given, errors=wrong)
    return page.redirect(wallet_url(request, wallet_id, done=to))


def _status(text: str) -> str:
    if text not in WALLET_STATUSES:
        raise Problem(errors.INVALID_STATUS, f"status must be one of {', '.join(WALLET_STATUSES)}; got {text[:40]}")
    return text


async def _render(request: web.Request, to: str, status: int = HTTPStatus.OK, **form: object) -> web.Response:
    return page.render(
        request,
        "status.html",
        status,
        wallet=await find_wallet(request),
        to=to,
        change=_Change(*map(_, _CHANGES[to])),
        **{"reason": "", "errors": {}, "is_review": False} | form,
    )
