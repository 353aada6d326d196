"""Depositing into a wallet and withdrawing from it, in two steps: a form, then a review to confirm.

A form's idempotency key is generated when it is shown: however often it is clicked, reloaded or sent again, the
operation is applied once.
"""

from http import HTTPStatus

from aiohttp import web

from service import errors
from service.admin import currencies, page, reason
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.i18n import language
from service.admin.money import MoneyError, parse_money
from service.admin.session import ADMIN
from service.admin.wallet import WALLET, find_wallet, wallet_url
from service.database import admin_calls
from service.database.admin_calls import Row
from service.database.pool import POOL
from service.errors import Problem, ProblemType
from service.ids import new_id
from service.vocabulary import OPERATION_TYPES


def setup(app: web.Application) -> None:
    """Adds the page."""
    resource = app.router.add_resource(f"{WALLET}/operate", name="operate")
    resource.add_route("GET", operation_form)
    resource.add_route("POST", operate)


async def operation_form(request: web.Request) -> web.Response:
    """The empty form."""
    chosen = request.query.get("type", "")
    typed = {
        "operation_type": chosen if chosen in OPERATION_TYPES else OPERATION_TYPES[0],
        "amount": "",
        "reason": "",
        "key": new_id(),
    }
    return _render_form(request, await find_wallet(request), typed, {})


async def operate(request: web.Request) -> web.Response:
    """Checks the form, shows the review, then applies the operation."""
    form, wallet = request[FORM], await find_wallet(request)
    typed = {name: form.get(name, "") for name in ("operation_type", "amount", "reason", "key")}
    if form.get("step") == "edit":
        return _render_form(request, wallet, typed, {})
    amount, wrong = await _check(request, wallet, typed)
    if wrong:
        return _render_form(request, wallet, typed, wrong, HTTPStatus.BAD_REQUEST)
    pool = request.config_dict[POOL]
    if form.get("step") != "confirm":
        preview = await admin_calls.preview_operation(pool, wallet["id"], typed["operation_type"], amount)
        return page.render(request, "operation_review.html", wallet=wallet, typed=typed, amount=amount, preview=preview)
    row = await admin_calls.apply_operation(
        pool, request[ADMIN], wallet["id"], typed["operation_type"], amount, typed["key"], typed["reason"]
    )
    if row["error_code"] is None:
        return page.redirect(wallet_url(request, wallet["id"], done=str(row["operation_id"])))
    # The rejection is remembered under this key: what is sent next is another operation.
    typed["key"] = new_id()
    wallet, kind = await find_wallet(request), errors.BY_SQLSTATE[row["error_code"]]
    return _render_form(request, wallet, typed, _explain(request, kind, row, wallet), kind.status)


async def _check(request: web.Request, wallet: Row, typed: dict[str, str]) -> tuple[int, dict[str, str]]:
    """The amount in minor units, and what is wrong with the form by field."""
    wrong = reason.problems(typed["reason"])
    if typed["operation_type"] not in OPERATION_TYPES:
        wrong["operation_type"] = _("Choose a deposit or a withdrawal.")
    decimals = await currencies.known(request)
    try:
        return parse_money(typed["amount"], decimals[wallet["currency"]], language()), wrong
    except MoneyError as exc:
        return 0, wrong | {"amount": str(exc)}


def _explain(request: web.Request, kind: ProblemType, row: Row, wallet: Row) -> dict[str, str]:
    """Why an operation was rejected, by the field to change."""
    if kind is errors.INSUFFICIENT_FUNDS:
        available, requested = (
            currencies.amount(request, minor, wallet["currency"]) for minor in (wallet["available"], row["amount"])
        )
        text = _("Insufficient funds: %(available)s available, %(requested)s requested. Nothing was withdrawn.")
        return {"amount": text % {"available": available, "requested": requested}}
    if kind is errors.BALANCE_LIMIT_EXCEEDED:
        return {"amount": _("With this deposit the balance would exceed the maximum. Nothing was deposited.")}
    if kind is errors.WALLET_NOT_ACTIVE:
        return {"form": _("The wallet is not active. Nothing was changed.")}
    if kind is errors.IDEMPOTENCY_KEY_REUSED:
        return {
            "form": _(
                "This form was already used for another operation. Nothing was changed. "
                "Check the wallet's operations before you send it again."
            )
        }
    raise Problem(kind, row["detail"])


def _render_form(
    request: web.Request, wallet: Row, typed: dict[str, str], wrong: dict[str, str], status: int = HTTPStatus.OK
) -> web.Response:
    return page.render(
        request, "operation.html", status, wallet=wallet, typed=typed, errors=wrong, operation_types=OPERATION_TYPES
    )
