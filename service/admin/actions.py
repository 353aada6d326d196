"""What an admin does to a wallet, in two steps: a form, then what it would do, shown to be confirmed.

A form's idempotency key is drawn when it is shown: however often it is clicked, reloaded or resent, it is done once.
"""

import re
from http import HTTPStatus

import asyncpg
from aiohttp import web

from service import errors
from service.admin import currencies, page, wallets
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.i18n import language
from service.admin.money import MoneyError, format_money, parse_money
from service.admin.session import ADMIN
from service.admin.wallets import WALLET
from service.database.pool import POOL
from service.errors import Problem
from service.ids import new_id

_TYPES = ("DEPOSIT", "WITHDRAW")
_STATUSES = ("ACTIVE", "FROZEN", "CLOSED")
_MAX_REASON = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def setup(app: web.Application) -> None:
    """Adds the pages."""
    for name, show, act in (
        ("operate", operation_form, operate),
        ("status", status_form, set_status),
        ("verify", show_wallet, verify),
    ):
        resource = app.router.add_resource(f"{WALLET}/{name}", name=name)
        resource.add_route("GET", show)
        resource.add_route("POST", act)


async def operation_form(request: web.Request) -> web.Response:
    """The form of a deposit or a withdrawal."""
    chosen = request.query.get("type", "")
    typed = {
        "operation_type": chosen if chosen in _TYPES else _TYPES[0],
        "amount": "",
        "reason": "",
        "key": new_id(),
    }
    return page.render(request, "operate.html", wallet=await wallets.find(request), typed=typed, errors={})


async def operate(request: web.Request) -> web.Response:
    """Checks the form, asks whether it is meant, then applies the operation."""
    wallet = await wallets.find(request)
    form, admin = request[FORM], request[ADMIN]
    typed = {name: form.get(name, "") for name in ("operation_type", "amount", "reason", "key")}
    decimals = (await currencies.known(request))[wallet["currency"]]
    amount = 0
    wrong = _wrong_reason(typed["reason"])
    if typed["operation_type"] not in _TYPES:
        wrong["operation_type"] = _("Choose a deposit or a withdrawal.")
    try:
        amount = parse_money(typed["amount"], decimals, language())
    except MoneyError as exc:
        wrong["amount"] = str(exc)
    if form.get("step") == "edit":
        return page.render(request, "operate.html", wallet=wallet, typed=typed, errors={})
    if wrong:
        return page.render(request, "operate.html", HTTPStatus.BAD_REQUEST, wallet=wallet, typed=typed, errors=wrong)
    if form.get("step") != "confirm":
        return page.render(request, "operate_confirm.html", wallet=wallet, typed=typed, amount=amount)
    row = await request.config_dict[POOL].fetchrow(
        "select * from wallet.admin_apply_operation($1, $2, $3, $4, $5, $6, $7)",
        admin.token,
        admin.address,
        wallet["id"],
        typed["operation_type"],
        amount,
        typed["key"],
        typed["reason"],
    )
    if row["error_code"] is None:
        return page.redirect(wallets.url(request, wallet["id"], done=str(row["operation_id"])))
    wrong = _refusal(row, wallet, decimals)
    # This key's answer stays a refusal: what is sent next is another operation.
    typed["key"] = new_id()
    status = errors.BY_SQLSTATE[row["error_code"]].status
    return page.render(request, "operate.html", status, wallet=wallet, typed=typed, errors=wrong)


async def status_form(request: web.Request) -> web.Response:
    """The form to freeze, unfreeze or close."""
    status = _status(request.query.get("to", ""))
    wallet = await wallets.find(request)
    return page.render(request, "status.html", wallet=wallet, to=status, reason="", errors={}, is_review=False)


async def set_status(request: web.Request) -> web.Response:
    """Checks the form, asks whether it is meant, then sets the status."""
    wallet = await wallets.find(request)
    form, admin = request[FORM], request[ADMIN]
    status, reason = _status(form.get("to", "")), form.get("reason", "")
    wrong = {} if form.get("step") == "edit" else _wrong_reason(reason)
    is_review = not wrong and form.get("step") not in ("edit", "confirm")
    code = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK
    if not wrong and form.get("step") == "confirm":
        try:
            await request.config_dict[POOL].execute(
                "select wallet.admin_set_wallet_status($1, $2, $3, $4, $5)",
                admin.token,
                admin.address,
                wallet["id"],
                status,
                reason,
            )
            return page.redirect(wallets.url(request, wallet["id"], done=status))
        except asyncpg.PostgresError as exc:
            if exc.sqlstate == "WA013":
                wrong["form"] = _(
                    "The wallet still holds money. Withdraw it first: only an empty wallet can be closed."
                )
            elif exc.sqlstate == "WA006":
                wrong["form"] = _("The wallet is closed, and stays so.")
            else:
                raise
            code = errors.BY_SQLSTATE[exc.sqlstate].status
    return page.render(
        request, "status.html", code, wallet=wallet, to=status, reason=reason, errors=wrong, is_review=is_review
    )


async def verify(request: web.Request) -> web.Response:
    """Derives the wallet anew from its operations, and shows what does not agree."""
    wallet = await wallets.find(request)
    admin = request[ADMIN]
    findings = await request.config_dict[POOL].fetch(
        "select * from wallet.admin_verify_wallet($1, $2, $3)", admin.token, admin.address, wallet["id"]
    )
    return await wallets.render(request, wallet, findings=findings)


async def show_wallet(request: web.Request) -> web.Response:
    """For whoever asks again for the address that a form was sent to."""
    return page.redirect(wallets.url(request, request.match_info["id"]))


def _status(text: str) -> str:
    if text not in _STATUSES:
        raise Problem(errors.BY_SQLSTATE["WA012"], f"status has to be one of {', '.join(_STATUSES)}")
    return text


def _wrong_reason(reason: str) -> dict[str, str]:
    if not reason.strip():
        return {"reason": _("Say why: it goes into the audit log.")}
    if len(reason) > _MAX_REASON or _CONTROL.search(reason):
        return {"reason": _("A reason has at most 500 characters, on one line.")}
    return {}


def _refusal(row: asyncpg.Record, wallet: asyncpg.Record, decimals: int) -> dict[str, str]:
    """Why an operation was refused, by the field that has to change."""

    def money(minor: int) -> str:
        return f"{format_money(minor, decimals, language())} {wallet['currency']}"

    match row["error_code"]:
        case "WA002":
            text = _("The wallet holds %(balance)s, and %(amount)s is more. Nothing was withdrawn.")
            return {"amount": text % {"balance": money(row["new_balance"]), "amount": money(row["amount"])}}
        case "WA005":
            return {"amount": _("With this deposit the wallet would hold more than a balance can be.")}
        case "WA006":
            return {"form": _("The wallet is not active. Nothing was changed.")}
        case "WA007":
            return {
                "form": _(
                    "This form was already used for another operation, and nothing was done now. "
                    "Look at the wallet's operations before you send it again."
                )
            }
        case _:
            return {"form": _("The operation was refused. Nothing was changed. Send it again.")}
