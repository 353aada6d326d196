"""Looking after a wallet: freezing, unfreezing and closing it, with a reason; verifying it."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from . import Browser, Page
from .conftest import CreateWallet

pytestmark = pytest.mark.shared_database

REASON = "a court's order"


@pytest.fixture
async def wallet(create_wallet: CreateWallet) -> UUID:
    """An empty wallet."""
    return await create_wallet("Ann")


async def status_of(app_connection: asyncpg.Connection, wallet: UUID) -> str:
    status: str = await app_connection.fetchval("select status from wallet.get_wallet($1)", wallet)
    return status


async def audited(app_connection: asyncpg.Connection, wallet: UUID) -> list[tuple[str, str]]:
    rows = await app_connection.fetch("select action, outcome from wallet.list_audit(50, p_wallet_id => $1)", wallet)
    return [(row["action"], row["outcome"]) for row in rows]


async def review(browser: Browser, wallet: UUID, to: str) -> Page:
    path = f"/admin/wallets/{wallet}/status"
    return await browser.send(path, on=f"{path}?to={to}", reason=REASON)


async def set_status(browser: Browser, wallet: UUID, to: str) -> Page:
    path = f"/admin/wallets/{wallet}/status"
    form = (await review(browser, wallet, to)).forms[path]
    return await browser.request("POST", path, data=form | {"step": "confirm"})


async def test_a_wallet_is_frozen_unfrozen_and_closed(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    words = {"FROZEN": "The wallet is frozen", "ACTIVE": "The wallet is active", "CLOSED": "The wallet is closed"}
    for to, word in words.items():
        response = await set_status(signed_in, wallet, to)
        assert response.status == 303
        assert await status_of(app_connection, wallet) == to
        assert word in (await signed_in.get(response.headers["Location"])).text
    actions = [("close", "done"), ("unfreeze", "done"), ("freeze", "done")]
    assert await audited(app_connection, wallet) == actions
    reopened = await set_status(signed_in, wallet, "ACTIVE")
    assert reopened.status == 409
    assert "The wallet is closed and cannot be reopened." in reopened.text


async def test_a_link_cannot_claim_what_was_not_done(signed_in: Browser, wallet: UUID) -> None:
    for done in ("FROZEN", "CLOSED", "nonsense", str(wallet)):
        page = await signed_in.get(f"/admin/wallets/{wallet}/?done={done}")
        assert (page.status, 'class="notice' in page.text) == (200, False), done


async def test_nothing_is_done_before_it_is_confirmed(
    signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID
) -> None:
    response = await review(signed_in, wallet, "CLOSED")
    assert response.status == 200
    assert "a court&#39;s order" in response.text
    assert 'name="step" value="confirm"' in response.text
    assert await status_of(app_connection, wallet) == "ACTIVE"
    assert await audited(app_connection, wallet) == []


async def test_a_wallet_that_holds_money_is_not_closed(
    signed_in: Browser, app_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    wallet = await create_wallet(balance=1)
    response = await set_status(signed_in, wallet, "CLOSED")
    assert response.status == 409
    assert "only an empty wallet can be closed" in response.text
    assert "a court&#39;s order" in response.text
    assert await status_of(app_connection, wallet) == "ACTIVE"


async def test_an_unknown_status_is_an_error_page(signed_in: Browser, wallet: UUID) -> None:
    for to in ("", "OPEN", "active"):
        page = await signed_in.get(f"/admin/wallets/{wallet}/status?to={to}")
        assert page.status == 400
        assert "status must be one of ACTIVE, FROZEN, CLOSED" in page.text


async def test_a_reason_is_required(signed_in: Browser, app_connection: asyncpg.Connection, wallet: UUID) -> None:
    typed: dict[str, Any] = {"operation_type": "DEPOSIT", "amount": "5", "step": "confirm", "to": "FROZEN"}
    for form in ("status", "operate"):
        path = f"/admin/wallets/{wallet}/{form}"
        for reason in ("", "  ", "x" * 501, "a\nb"):
            response = await signed_in.send(path, on=f"{path}?to=FROZEN", **typed, reason=reason)
            assert response.status == 400
            assert 'id="reason-error" role="alert"' in response.text
            assert 'aria-describedby="reason-error reason-hint" aria-invalid="true"' in response.text
    assert await status_of(app_connection, wallet) == "ACTIVE"
    assert await audited(app_connection, wallet) == []


async def test_verification_shows_findings_and_warns(
    signed_in: Browser, owner_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    wallet = await create_wallet(balance=100)
    verify = f"/admin/wallets/{wallet}/verify"
    sound = await signed_in.send(verify, on=f"/admin/wallets/{wallet}/")
    assert "the balance and every operation agree" in sound.text
    assert "fails verification" not in (await signed_in.get("/admin/")).text

    await owner_connection.execute("update wallet.wallets set balance = 70 where id = $1", wallet)
    broken = await signed_in.send(verify, on=f"/admin/wallets/{wallet}/")
    assert "does not agree with its operations" in broken.text
    assert "balance_exact" in broken.text
    assert "1 wallet fails verification" in (await signed_in.get("/admin/")).text
    again = await signed_in.get(verify)
    assert (again.status, again.headers["Location"]) == (303, f"/admin/wallets/{wallet}/")
