"""Looking after a wallet: freezing, unfreezing and closing it, with a reason; verifying it."""

import re
from typing import Any
from uuid import UUID

from ledger import Database

from . import Browser, Page


async def state_of(database: Database, wallet: UUID) -> tuple[str, list[tuple[str, str]]]:
    """A wallet's status, and what admins did to it with which outcome, newest first."""
    rows = await database.rows("list_audit", 50, p_wallet_id=wallet)
    status: str = (await database.row("get_wallet", wallet))["status"]
    return status, [(row["action"], row["outcome"]) for row in rows]


async def review(browser: Browser, wallet: UUID, to: str) -> Page:
    path = f"/admin/wallets/{wallet}/status"
    return await browser.send(path, on=f"{path}?to={to}", reason="a court's order")


async def set_status(browser: Browser, wallet: UUID, to: str) -> Page:
    path = f"/admin/wallets/{wallet}/status"
    form = (await review(browser, wallet, to)).forms[path]
    return await browser.post(path, form | {"step": "confirm"})


async def test_a_change_is_reviewed_then_made(signed_in: Browser, database: Database) -> None:
    wallet = await database.wallet()
    operations = ["operate?type=DEPOSIT", "operate?type=WITHDRAW"]
    done: list[tuple[str, str]] = []
    for to, action, word, links in (
        ("FROZEN", "freeze", "The wallet is frozen", ["status?to=ACTIVE", "status?to=CLOSED"]),
        ("ACTIVE", "unfreeze", "The wallet is active", [*operations, "status?to=FROZEN", "status?to=CLOSED"]),
        ("CLOSED", "close", "The wallet is closed", []),
    ):
        before, reviewed = await state_of(database, wallet), (await review(signed_in, wallet, to)).text
        assert await state_of(database, wallet) == before
        assert "a court&#39;s order" in reviewed
        assert 'name="step" value="confirm"' in reviewed
        text = (await signed_in.get((await set_status(signed_in, wallet, to)).location)).text
        assert word in text
        done.insert(0, (action, "done"))
        assert await state_of(database, wallet) == (to, done)
        assert re.findall(rf'href="/admin/wallets/{wallet}/((?:operate|status)\?[^"]*)"', text) == links


async def test_a_link_cannot_claim_what_was_not_done(signed_in: Browser, database: Database) -> None:
    wallet = await database.wallet()
    for done in ("FROZEN", "CLOSED", "nonsense", str(wallet)):
        page = await signed_in.get(f"/admin/wallets/{wallet}/?done={done}")
        assert (page.status, 'class="notice' in page.text) == (200, False), done


async def test_a_rejected_change_is_explained(signed_in: Browser, database: Database) -> None:
    for balance, status, to, text in (
        (1, "ACTIVE", "CLOSED", "only an empty wallet can be closed"),
        (0, "CLOSED", "ACTIVE", "The wallet is closed and cannot be reopened."),
    ):
        wallet = await database.wallet(balance, status)
        response = await set_status(signed_in, wallet, to)
        assert response.status == 409
        assert text in response.text
        assert "a court&#39;s order" in response.text
        assert await state_of(database, wallet) == (status, [])


async def test_an_unknown_status_is_an_error_page(signed_in: Browser, database: Database) -> None:
    wallet = await database.wallet()
    for to in ("", "OPEN", "active"):
        page = await signed_in.get(f"/admin/wallets/{wallet}/status?to={to}")
        assert page.status == 400
        assert "status must be one of ACTIVE, FROZEN, CLOSED" in page.text


async def test_a_reason_is_required(signed_in: Browser, database: Database) -> None:
    wallet = await database.wallet()
    typed: dict[str, Any] = {"operation_type": "DEPOSIT", "amount": "5", "step": "confirm", "to": "FROZEN"}
    for form in ("status", "operate"):
        path = f"/admin/wallets/{wallet}/{form}"
        for reason in ("", "  ", "x" * 501, "a\nb"):
            response = await signed_in.send(path, on=f"{path}?to=FROZEN", **typed, reason=reason)
            assert (response.status, response.explains("reason")) == (400, True), reason
            assert 'aria-describedby="reason-error reason-hint" aria-invalid="true"' in response.text
    assert await state_of(database, wallet) == ("ACTIVE", [])


async def test_verification_shows_findings_and_warns(signed_in: Browser, database: Database) -> None:
    wallet = await database.wallet(100)
    page = f"/admin/wallets/{wallet}/"
    sound = await signed_in.send(f"{page}verify", on=page)
    assert "the balance and every operation agree" in sound.text
    assert "fails verification" not in (await signed_in.get("/admin/")).text

    await database.owner.execute("update wallet.wallets set balance = 70 where id = $1", wallet)
    broken = await signed_in.send(f"{page}verify", on=page)
    assert "does not agree with its operations" in broken.text
    assert "balance_exact" in broken.text
    assert "1 wallet fails verification" in (await signed_in.get("/admin/")).text
    assert (await signed_in.get(f"{page}verify")).location == page
