"""Deposits and withdrawals: reviewed, confirmed, applied once; rejections are explained."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest

from . import Browser, Page
from .conftest import CreateWallet

pytestmark = pytest.mark.shared_database

REASON = "ticket 7"


def page_of(wallet_id: UUID) -> str:
    return f"/admin/wallets/{wallet_id}/"


async def review(browser: Browser, wallet_id: UUID, operation_type: str, amount: str) -> Page:
    path = f"{page_of(wallet_id)}operate"
    return await browser.send(path, on=path, operation_type=operation_type, amount=amount, reason=REASON)


async def confirm(browser: Browser, wallet_id: UUID, reviewed: Page, **changed: Any) -> Page:
    path = f"{page_of(wallet_id)}operate"
    return await browser.request("POST", path, data=reviewed.forms[path] | {"step": "confirm"} | changed)


async def balance_of(connection: asyncpg.Connection, wallet_id: UUID) -> int:
    balance: int = await connection.fetchval("select wallet.get_balance($1)", wallet_id)
    return balance


async def test_an_operation_is_reviewed_then_applied_once(
    signed_in: Browser, app_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    for operation_type, balance, shown in (("DEPOSIT", 1500, "+5.00"), ("WITHDRAW", 500, "−5.00")):
        wallet_id = await create_wallet(balance=1000)
        reviewed = await review(signed_in, wallet_id, operation_type, "5.00")
        assert f"{balance // 100}.00&nbsp;" in reviewed.text
        assert await balance_of(app_connection, wallet_id) == 1000
        responses = [await confirm(signed_in, wallet_id, reviewed) for _ in range(2)]
        assert [response.status for response in responses] == [303, 303]
        assert await balance_of(app_connection, wallet_id) == balance
        for path in (responses[0].headers["Location"], "/admin/"):
            assert f">{shown}</span>" in (await signed_in.get(path)).text


async def test_an_overdraft_is_announced_explained_not_applied(
    signed_in: Browser,
    app_connection: asyncpg.Connection,
    owner_connection: asyncpg.Connection,
    create_wallet: CreateWallet,
) -> None:
    for held, amount, available in ((0, "10.01", "10.00"), (300, "7.01", "7.00")):
        wallet_id = await create_wallet(balance=1000)
        await owner_connection.execute("update wallet.wallets set held = $2 where id = $1", wallet_id, held)
        reviewed = await review(signed_in, wallet_id, "WITHDRAW", amount)
        assert "The operation will be rejected: Insufficient funds" in reviewed.text
        assert "Balance after" not in reviewed.text
        response = await confirm(signed_in, wallet_id, reviewed)
        assert response.status == 400
        assert f"Insufficient funds: {available} RUB available, {amount} RUB requested." in response.text
        assert await balance_of(app_connection, wallet_id) == 1000


async def test_a_deposit_into_a_frozen_wallet_is_rejected(
    signed_in: Browser, app_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    wallet_id, path = await create_wallet(), ""
    reviewed = await review(signed_in, wallet_id, "DEPOSIT", "5")
    await app_connection.execute("select wallet.set_wallet_status($1, 'FROZEN')", wallet_id)
    response = await confirm(signed_in, wallet_id, reviewed)
    assert response.status == 409
    assert "The wallet is not active. Nothing was changed." in response.text
    path = f"{page_of(wallet_id)}operate"
    assert response.forms[path]["key"] != reviewed.forms[path]["key"]
    for path in (f"{page_of(wallet_id)}?tab=refusals", f"{page_of(wallet_id)}?tab=audit", "/admin/"):
        text = (await signed_in.get(path)).text
        assert "Wallet not active" in text
        assert "5.00" in text


async def test_the_balance_limit_is_explained(signed_in: Browser, create_wallet: CreateWallet) -> None:
    wallet_id = await create_wallet(balance=2**63 - 2)
    reviewed = await review(signed_in, wallet_id, "DEPOSIT", "0.02")
    assert "The operation will be rejected: Balance limit exceeded" in reviewed.text
    response = await confirm(signed_in, wallet_id, reviewed)
    assert response.status == 400
    assert "the balance would exceed the maximum" in response.text


async def test_a_form_used_for_another_operation_says_so(
    signed_in: Browser, app_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    wallet_id = await create_wallet()
    reviewed = await review(signed_in, wallet_id, "DEPOSIT", "5")
    await confirm(signed_in, wallet_id, reviewed)
    response = await confirm(signed_in, wallet_id, reviewed, amount="6")
    assert response.status == 422
    assert "already used for another operation" in response.text
    assert await balance_of(app_connection, wallet_id) == 500


async def test_an_invalid_key_is_an_error_page_and_audited(
    signed_in: Browser, app_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    wallet_id = await create_wallet()
    reviewed = await review(signed_in, wallet_id, "DEPOSIT", "5")
    response = await confirm(signed_in, wallet_id, reviewed, key="no key")
    assert response.status == 400
    assert "Invalid request" in response.text
    assert await balance_of(app_connection, wallet_id) == 0
    assert "Invalid idempotency key" in (await signed_in.get("/admin/audit/")).text


async def test_wrong_input_is_explained_and_kept(signed_in: Browser, create_wallet: CreateWallet) -> None:
    wallet_id = await create_wallet()
    path = f"{page_of(wallet_id)}operate"
    right: dict[str, Any] = {"operation_type": "DEPOSIT", "amount": "5", "reason": REASON, "step": "confirm"}
    for field, typed in (("operation_type", "TRANSFER"), ("operation_type", ""), ("amount", "1.234"), ("amount", "-1")):
        response = await signed_in.send(path, on=path, **right | {field: typed})
        assert response.status == 400
        assert f'id="{field}-error" role="alert"' in response.text
        assert 'value="ticket 7"' in response.text
    again = await signed_in.send(path, on=path, **right | {"step": "edit", "amount": "1.234"})
    assert (again.status, again.forms[path]["amount"]) == (200, "1.234")
