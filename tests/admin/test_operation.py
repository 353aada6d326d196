"""Deposits and withdrawals: reviewed, confirmed, applied once; rejections are explained; and the audit log."""

import re
from typing import Any
from uuid import UUID

from ledger import MAX, Database

from . import Browser, Page
from .conftest import Open

AUDIT = "/admin/audit/"
REASON = "ticket 7"
RECORD = "insert into wallet.audit (admin, action, outcome, detail) values"


def path_of(wallet_id: UUID) -> str:
    return f"/admin/wallets/{wallet_id}/operate"


async def review(browser: Browser, wallet_id: UUID, operation_type: str, amount: str) -> Page:
    path = path_of(wallet_id)
    return await browser.send(path, on=path, operation_type=operation_type, amount=amount, reason=REASON)


async def confirm(browser: Browser, wallet_id: UUID, reviewed: Page, **changed: Any) -> Page:
    path = path_of(wallet_id)
    return await browser.post(path, reviewed.forms[path] | {"step": "confirm"} | changed)


async def test_an_operation_is_reviewed_then_applied_once(signed_in: Browser, database: Database) -> None:
    for operation_type, balance, shown in (("DEPOSIT", 1500, "+5.00"), ("WITHDRAW", 500, "−5.00")):
        wallet_id = await database.wallet(1000)
        reviewed = await review(signed_in, wallet_id, operation_type, "5.00")
        assert f"{balance // 100}.00&nbsp;" in reviewed.text
        assert await database.balance(wallet_id) == 1000
        locations = [(await confirm(signed_in, wallet_id, reviewed)).location for _ in range(2)]
        assert await database.balance(wallet_id) == balance
        for path in (locations[0], "/admin/"):
            assert f">{shown}</span>" in (await signed_in.get(path)).text


async def test_a_rejection_is_announced_explained_not_applied(signed_in: Browser, database: Database) -> None:
    overdraft = "Insufficient funds: {} RUB available, {} RUB requested. Nothing was withdrawn."
    for balance, held, operation_type, amount, announced, explained in (
        (1000, 0, "WITHDRAW", "10.01", "Insufficient funds", overdraft.format("10.00", "10.01")),
        (1000, 300, "WITHDRAW", "7.01", "Insufficient funds", overdraft.format("7.00", "7.01")),
        (MAX - 1, 0, "DEPOSIT", "0.02", "Balance limit exceeded", "the balance would exceed the maximum"),
    ):
        wallet_id = await database.wallet(balance, held=held)
        reviewed = await review(signed_in, wallet_id, operation_type, amount)
        assert f"The operation will be rejected: {announced}" in reviewed.text
        assert "Balance after" not in reviewed.text
        response = await confirm(signed_in, wallet_id, reviewed)
        assert response.status == 400
        assert explained in response.text
        form = response.forms[path_of(wallet_id)]
        assert (form["amount"], form["reason"]) == (amount, REASON)
        assert await database.balance(wallet_id) == balance


async def test_a_deposit_into_a_frozen_wallet_is_rejected(signed_in: Browser, database: Database) -> None:
    wallet_id = await database.wallet()
    reviewed = await review(signed_in, wallet_id, "DEPOSIT", "5")
    await database.row("set_wallet_status", wallet_id, "FROZEN")
    response = await confirm(signed_in, wallet_id, reviewed)
    assert response.status == 409
    assert "The wallet is not active. Nothing was changed." in response.text
    path = path_of(wallet_id)
    assert response.forms[path]["key"] != reviewed.forms[path]["key"]
    for page in (f"/admin/wallets/{wallet_id}/?tab=refusals", f"/admin/wallets/{wallet_id}/?tab=audit", "/admin/"):
        text = (await signed_in.get(page)).text
        assert "Wallet not active" in text
        assert "5.00" in text


async def test_a_form_with_a_wrong_key_says_so(signed_in: Browser, database: Database) -> None:
    wallet_id = await database.wallet()
    reviewed = await review(signed_in, wallet_id, "DEPOSIT", "5")
    await confirm(signed_in, wallet_id, reviewed)
    for changed, status, text in (
        ({"amount": "6"}, 422, "already used for another operation"),
        ({"key": "no key"}, 400, "Invalid request"),
    ):
        response = await confirm(signed_in, wallet_id, reviewed, **changed)
        assert response.status == status
        assert text in response.text
    assert await database.balance(wallet_id) == 500
    assert "Invalid idempotency key" in (await signed_in.get(AUDIT)).text


async def test_wrong_input_is_explained_and_kept(signed_in: Browser, database: Database) -> None:
    path = path_of(await database.wallet())
    right: dict[str, Any] = {"operation_type": "DEPOSIT", "amount": "5", "reason": REASON, "step": "confirm"}
    for field, typed in (("operation_type", "TRANSFER"), ("operation_type", ""), ("amount", "1.234"), ("amount", "-1")):
        response = await signed_in.send(path, on=path, **right | {field: typed})
        assert (response.status, response.explains(field)) == (400, True), typed
        assert response.forms[path]["reason"] == REASON
    again = await signed_in.send(path, on=path, **right | {"step": "edit", "amount": "1.234"})
    assert (again.status, again.forms[path]["amount"]) == (200, "1.234")


async def test_an_entry_says_who_did_what_and_why(signed_in: Browser, database: Database) -> None:
    wallet = await database.wallet()
    path = path_of(wallet)
    typed = {"operation_type": "DEPOSIT", "amount": "1 234.5", "reason": "<i>ticket</i>", "step": "confirm"}
    await signed_in.send(path, on=path, headers=None, **typed)
    text = (await signed_in.get(AUDIT)).text
    row = re.sub(r"\s*<[^>]*>\s*", "|", text[text.index("<tbody>") : text.index("</tr>", text.index("<tbody>"))])
    cells = [cell for cell in row.replace("…", "").split("|") if cell]
    assert cells[1:] == [
        *("alice", "127.0.0.1", "Deposit", str(wallet)[:8]),
        *("Amount:", "1,234.50 RUB", "Reason:", "&lt;i&gt;ticket&lt;/i&gt;", "Operation:", cells[-2], "Done"),
    ]


async def test_only_an_unknown_outcome_is_not_shown_as_recorded(
    signed_in: Browser, open_browser: Open, database: Database
) -> None:
    await open_browser().sign_in("mallory", "wrong")
    await database.owner.execute(f"{RECORD} ('ann', 'teleport', 'done', '{{\"planet\": \"Mars\"}}')")
    text = (await signed_in.get(AUDIT)).text
    for shown in ("mallory", ">Failed</span>", ">teleport<", "planet: <bdi>Mars"):
        assert shown in text
    await database.owner.execute(f"{RECORD} ('ann', 'deposit', 'WA999', '{{}}')")
    assert (await signed_in.get(AUDIT)).status == 500
