"""Looking after a wallet: its status, its verification, its refusals, and what the audit tells of it all."""

import re
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from . import Browser, Page

REASON = "a court's order"


@pytest.fixture
async def wallet(app_connection: asyncpg.Connection) -> UUID:
    """An empty wallet."""
    wallet_id: UUID = await app_connection.fetchval("select id from wallet.create_wallet('Ann', 'RUB')")
    return wallet_id


async def deposit(app_connection: asyncpg.Connection, wallet: UUID, amount: int) -> None:
    await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', $2)", wallet, amount)


async def status_of(app_connection: asyncpg.Connection, wallet: UUID) -> str:
    status: str = await app_connection.fetchval("select status from wallet.get_wallet($1)", wallet)
    return status


async def audited(app_connection: asyncpg.Connection, wallet: UUID) -> list[tuple[str, str]]:
    rows = await app_connection.fetch("select action, outcome from wallet.list_audit(50, p_wallet_id => $1)", wallet)
    return [(row["action"], row["outcome"]) for row in rows]


async def ask(browser: Browser, wallet: UUID, to: str, reason: str = REASON) -> Page:
    """Sends the form of a change of status: the answer asks whether it is meant."""
    path = f"/admin/wallets/{wallet}/status"
    return await browser.send(path, on=f"{path}?to={to}", reason=reason)


async def set_status(browser: Browser, wallet: UUID, to: str) -> Page:
    path = f"/admin/wallets/{wallet}/status"
    form = (await ask(browser, wallet, to)).forms[path]
    return await browser.request("POST", path, data=form | {"step": "confirm"})


async def test_a_wallet_is_frozen_unfrozen_and_closed(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    words = {"FROZEN": "The wallet is frozen", "ACTIVE": "The wallet is active", "CLOSED": "The wallet is closed"}
    for to, word in words.items():
        answer = await set_status(signed_in, wallet, to)
        assert answer.status == 303
        assert await status_of(app_connection, wallet) == to
        assert word in (await signed_in.get(answer.headers["Location"])).text
    actions = [("close", "done"), ("unfreeze", "done"), ("freeze", "done")]
    assert await audited(app_connection, wallet) == actions


async def test_nothing_happens_before_it_is_confirmed(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    answer = await ask(signed_in, wallet, "CLOSED")
    assert answer.status == 200
    assert "a court&#39;s order" in answer.text
    assert 'name="step" value="confirm"' in answer.text
    assert await status_of(app_connection, wallet) == "ACTIVE"
    assert await audited(app_connection, wallet) == []


async def test_a_wallet_that_holds_money_is_not_closed(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    await deposit(app_connection, wallet, 1)
    answer = await set_status(signed_in, wallet, "CLOSED")
    assert answer.status == 409
    assert "only an empty wallet can be closed" in answer.text
    assert "a court&#39;s order" in answer.text
    assert await status_of(app_connection, wallet) == "ACTIVE"


@pytest.mark.parametrize("reason", ["", "  ", "x" * 501, "a\nb"])
@pytest.mark.parametrize("form", ["status", "operate"])
async def test_a_reason_is_asked_for(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID, form: str, reason: str
) -> None:
    path = f"/admin/wallets/{wallet}/{form}"
    typed: dict[str, Any] = {
        "operation_type": "DEPOSIT",
        "amount": "5",
        "step": "confirm",
        "reason": reason,
        "to": "FROZEN",
    }
    answer = await signed_in.send(path, on=f"{path}?to=FROZEN", **typed)
    assert answer.status == 400
    assert 'id="reason-error" role="alert"' in answer.text
    assert 'aria-describedby="reason-error reason-hint" aria-invalid="true"' in answer.text
    assert await status_of(app_connection, wallet) == "ACTIVE"
    assert await audited(app_connection, wallet) == []


async def test_a_deposit_into_a_frozen_wallet_is_refused_and_told(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    path = f"/admin/wallets/{wallet}/operate"
    form = (await signed_in.get(path)).forms[path]
    await set_status(signed_in, wallet, "FROZEN")
    typed: dict[str, Any] = {"operation_type": "DEPOSIT", "amount": "5", "reason": REASON, "step": "confirm"}
    answer = await signed_in.request("POST", path, data=form | typed)
    assert answer.status == 409
    assert "The wallet is not active. Nothing was changed." in answer.text
    assert answer.forms[path]["key"] != form["key"]
    assert await audited(app_connection, wallet) == [("deposit", "WA006"), ("freeze", "done")]
    for page in (f"/admin/wallets/{wallet}/?tab=refusals", f"/admin/wallets/{wallet}/?tab=audit", "/admin/"):
        assert "Wallet was not active" in (await signed_in.get(page)).text


async def test_the_most_a_wallet_can_hold_is_explained(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    await deposit(app_connection, wallet, 2**63 - 2)
    path = f"/admin/wallets/{wallet}/operate"
    typed: dict[str, Any] = {"operation_type": "DEPOSIT", "amount": "0.02", "reason": REASON, "step": "confirm"}
    answer = await signed_in.send(path, on=path, **typed)
    assert answer.status == 400
    assert "more than a balance can be" in answer.text


async def test_verification_tells_what_it_found_and_the_start_page_warns(
    signed_in: Browser, app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, wallet: UUID
) -> None:
    await deposit(app_connection, wallet, 100)
    verify = f"/admin/wallets/{wallet}/verify"
    sound = await signed_in.send(verify, on=f"/admin/wallets/{wallet}/")
    assert "the balance and every operation agree" in sound.text
    assert "fails verification" not in (await signed_in.get("/admin/")).text

    await owner_connection.execute("update wallet.wallets set balance = 70")
    broken = await signed_in.send(verify, on=f"/admin/wallets/{wallet}/")
    assert "does not agree with its operations" in broken.text
    assert "balance_exact" in broken.text
    assert "1 wallet fails verification" in (await signed_in.get("/admin/")).text


async def test_the_audit_tells_who_did_what_to_which_wallet_and_why(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    path = f"/admin/wallets/{wallet}/operate"
    typed: dict[str, Any] = {
        "operation_type": "DEPOSIT",
        "amount": "1 234.5",
        "reason": "<i>ticket</i>",
        "step": "confirm",
    }
    await signed_in.send(path, on=path, **typed)
    text = (await signed_in.get("/admin/audit/")).text
    row = re.sub(r"\s*<[^>]*>\s*", "|", text[text.index("<tbody>") : text.index("</tr>", text.index("<tbody>"))])
    cells = [cell for cell in row.replace("…", "").split("|") if cell]
    assert cells[1:] == [
        *("alice", "127.0.0.1", "Deposit", str(wallet)[:8]),
        *("Amount:", "1,234.50 RUB", "Reason:", "&lt;i&gt;ticket&lt;/i&gt;", "Operation:", cells[-2], "Done"),
    ]


async def test_the_audit_has_pages(signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID) -> None:
    for n in range(60):
        await app_connection.execute("select wallet.create_admin($1, 'hash')", f"admin{n}")
    first = (await signed_in.get("/admin/audit/")).text
    older = re.search(r'href="([^"]*)" rel="next"', first)
    assert older
    assert first.count("<time") == 50
    second = (await signed_in.get(older[1])).text
    assert 'rel="prev"' in second
    assert second.count("<time") == 62 - 50


@pytest.mark.parametrize("path", ["", "operate", "status?to=FROZEN", "operations.csv?from=2026-01-01&until=2026-01-02"])
async def test_a_wallet_that_there_is_not_is_not_found(signed_in: Browser, path: str) -> None:
    page = await signed_in.get(f"/admin/wallets/00000000-0000-4000-8000-000000000000/{path}")
    assert page.status == 404


@pytest.mark.parametrize("next_page", ["/admin/wallets/?q=a", "https://example.com/", "//example.com/"])
async def test_the_language_is_kept_and_leads_back_only_within_the_site(signed_in: Browser, next_page: str) -> None:
    answer = await signed_in.send("/admin/language", on="/admin/", language="ru", next=next_page)
    assert answer.headers["Location"] == (next_page if next_page.startswith("/admin/") else "/admin/")
    assert "Обзор" in (await signed_in.get("/admin/")).text
