"""The daily work of an admin."""

from uuid import UUID

import asyncpg
import pytest
from playwright.async_api import Page, expect

from . import sign_in
from .conftest import OpenPage

pytestmark = pytest.mark.shared_database


@pytest.fixture
async def wallet(app_connection: asyncpg.Connection) -> UUID:
    """A wallet that holds 100 roubles."""
    wallet_id: UUID = await app_connection.fetchval("select id from wallet.create_wallet('Anna Karenina', 'RUB')")
    await app_connection.execute("select wallet.apply_operation($1, 'DEPOSIT', 10000)", wallet_id)
    return wallet_id


async def review(page: Page, wallet: UUID, what: str, amount: str) -> None:
    await page.goto(f"/admin/wallets/{wallet}/")
    await page.get_by_role("link", name=what).click()
    await page.get_by_label("Amount").fill(amount)
    await page.get_by_label("Reason").fill("ticket 7")
    await page.get_by_role("button", name="Review").click()


async def amounts(app_connection: asyncpg.Connection, wallet: UUID) -> list[int]:
    return [row["amount"] for row in await app_connection.fetch("select * from wallet.list_operations($1)", wallet)]


async def test_signing_in_leads_to_the_requested_page(open_page: OpenPage, admin: str) -> None:
    page = await open_page()
    await sign_in(page, "/admin/wallets/?q=anna")
    await expect(page).to_have_url("/admin/wallets/?q=anna")
    await expect(page.get_by_text(f"Signed in as {admin}")).to_be_visible()


async def test_a_wallet_is_created_and_its_id_copied(page: Page) -> None:
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("link", name="New wallet").click()
    await page.get_by_label("Name", exact=True).fill("Rent")
    await page.get_by_label("Currency").select_option("KWD")
    await page.get_by_label("Opening deposit").fill("1,2345")
    await page.get_by_role("button", name="Create wallet").click()
    await expect(page.get_by_role("alert")).to_contain_text("this currency has 3")
    await expect(page.get_by_label("Name", exact=True)).to_have_value("Rent")

    await page.get_by_label("Opening deposit").fill("1 250.5")
    await page.get_by_role("button", name="Create wallet").click()
    await expect(page.get_by_role("heading", name="Rent")).to_be_visible()
    await expect(page.locator(".balance")).to_contain_text("1,250.500")
    await page.get_by_role("button", name="Copy").click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == page.url.split("/")[-2]


async def test_a_double_click_deposits_once(page: Page, wallet: UUID, app_connection: asyncpg.Connection) -> None:
    await review(page, wallet, "Deposit", "5")
    await page.get_by_role("button", name="Deposit").dblclick()
    await expect(page.get_by_text("Balance after: 105.00")).to_be_visible()
    assert await amounts(app_connection, wallet) == [500, 10000]


async def test_without_javascript_a_form_sent_twice_deposits_once(
    open_page: OpenPage, admin: str, wallet: UUID, app_connection: asyncpg.Connection
) -> None:
    page = await open_page(java_script_enabled=False)
    await sign_in(page)
    await review(page, wallet, "Deposit", "5")
    # Into a tab of its own each time: otherwise the browser cancels the first when the second is sent.
    await page.locator("main form").evaluate("form => form.target = '_blank'")
    for _ in range(2):
        async with page.context.expect_page() as opened:
            await page.get_by_role("button", name="Deposit").click()
        await expect((await opened.value).get_by_text("Balance after: 105.00")).to_be_visible()
    assert await amounts(app_connection, wallet) == [500, 10000]


async def test_an_overdraft_is_explained_and_input_is_kept(page: Page, wallet: UUID) -> None:
    await review(page, wallet, "Withdraw", "100.01")
    await expect(page.get_by_text("The operation will be rejected")).to_be_visible()
    await page.get_by_role("button", name="Withdraw").click()
    await expect(page.get_by_role("alert")).to_have_text(
        "Insufficient funds: 100.00 RUB available, 100.01 RUB requested. Nothing was withdrawn."
    )
    await expect(page.get_by_label("Amount")).to_have_value("100.01")
    await expect(page.get_by_label("Reason")).to_have_value("ticket 7")


async def test_a_frozen_wallet_offers_no_operation(page: Page, wallet: UUID) -> None:
    await page.goto(f"/admin/wallets/{wallet}/")
    await page.get_by_role("link", name="Freeze").click()
    await page.get_by_label("Reason").fill("a court's order")
    await page.get_by_role("button", name="Review").click()
    await page.get_by_role("button", name="Freeze").click()
    await expect(page.get_by_role("heading", name="Anna Karenina")).to_contain_text("Frozen")
    await expect(page.get_by_role("link", name="Deposit")).to_have_count(0)
    await expect(page.get_by_role("link", name="Unfreeze")).to_be_visible()
    await page.get_by_role("navigation", name="History").get_by_role("link", name="Audit log").click()
    await expect(page.get_by_role("table")).to_contain_text("a court's order")


async def test_a_wallet_is_found_by_a_part_of_its_name(page: Page, wallet: UUID) -> None:
    await page.get_by_placeholder("Name or id").fill("KAREN")
    await page.keyboard.press("Enter")
    await page.get_by_role("link", name="Anna Karenina").click()
    await expect(page).to_have_url(f"/admin/wallets/{wallet}/")
    await page.get_by_placeholder("Name or id").fill("nobody")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("No wallets match.")).to_be_visible()


async def test_pages_lead_forward_and_back(page: Page, app_connection: asyncpg.Connection) -> None:
    await app_connection.execute(
        "select wallet.create_wallet('Wallet ' || lpad(n::text, 3, '0')) from generate_series(1, 60) as n"
    )
    await page.goto("/admin/wallets/?order=name")
    await expect(page.get_by_role("row")).to_have_count(51)
    await page.get_by_role("link", name="Next").click()
    await expect(page.get_by_role("row")).to_have_count(11)
    await expect(page.get_by_role("link", name="Wallet 060")).to_be_visible()
    await page.get_by_role("link", name="Previous").click()
    await expect(page.get_by_role("link", name="Wallet 001")).to_be_visible()


async def test_the_language_is_switched_and_kept(page: Page, wallet: UUID) -> None:
    await page.goto(f"/admin/wallets/{wallet}/")
    await page.get_by_role("button", name="Русский").click()
    await expect(page).to_have_url(f"/admin/wallets/{wallet}/")
    await page.goto("/admin/")
    await expect(page.get_by_role("heading", name="Обзор")).to_be_visible()
    await expect(page.locator("html")).to_have_attribute("lang", "ru")
    await page.get_by_role("button", name="English").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible()


async def test_after_signing_out_going_back_shows_nothing(page: Page, wallet: UUID) -> None:
    await page.goto(f"/admin/wallets/{wallet}/")
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_text("You have signed out.")).to_be_visible()
    await page.go_back()
    await expect(page.get_by_label("Password")).to_be_visible()
    await expect(page.get_by_text("Anna Karenina")).to_have_count(0)


async def test_a_printed_wallet_has_nothing_to_click(page: Page, wallet: UUID) -> None:
    await page.goto(f"/admin/wallets/{wallet}/")
    await page.emulate_media(media="print")
    await expect(page.get_by_role("table")).to_be_visible()
    await expect(page.locator(".balance")).to_be_visible()
    for element in await page.locator("a.button, button, nav, input:not([type=hidden])").all():
        await expect(element).to_be_hidden()
