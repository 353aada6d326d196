"""The daily work of an admin, and the page that shows the contract of the REST API."""

from uuid import UUID

import pytest
from ledger import Database
from playwright.async_api import Page, expect

from .. import PASSWORD
from .conftest import OpenPage


@pytest.fixture
async def wallet(database: Database) -> UUID:
    """A wallet that holds 100 roubles."""
    return await database.wallet(10000, p_name="Anna Karenina")


async def review(page: Page, wallet: UUID) -> None:
    """Fills in a deposit of 5 roubles."""
    await page.goto(f"/admin/wallets/{wallet}/")
    await page.get_by_role("link", name="Deposit").click()
    await page.get_by_label("Amount").fill("5")
    await page.get_by_label("Reason").fill("ticket 7")
    await page.get_by_role("button", name="Review").click()


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


async def test_a_double_click_deposits_once(page: Page, wallet: UUID, database: Database) -> None:
    await review(page, wallet)
    await page.get_by_role("button", name="Deposit").dblclick()
    await expect(page.get_by_text("Balance after: 105.00")).to_be_visible()
    assert await database.balance(wallet) == 10500


async def test_without_javascript_a_form_sent_twice_deposits_once(
    open_page: OpenPage, admin: str, wallet: UUID, database: Database
) -> None:
    page = await open_page(java_script_enabled=False)
    await page.goto("/admin/")
    await page.locator("#username").fill(admin)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("main button").click()
    await expect(page.get_by_text(f"Signed in as {admin}")).to_be_visible()
    await review(page, wallet)
    # Into a tab of its own each time: otherwise the browser cancels the first when the second is sent.
    await page.locator("main form").evaluate("form => form.target = '_blank'")
    for _ in range(2):
        async with page.context.expect_page() as opened:
            await page.get_by_role("button", name="Deposit").click()
        await expect((await opened.value).get_by_text("Balance after: 105.00")).to_be_visible()
    assert await database.balance(wallet) == 10500


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


async def test_the_contract_is_shown_from_this_server_alone(open_page: OpenPage, address: str) -> None:
    page = await open_page()
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.goto("/api/docs")
    await page.locator(".opblock").nth(7).wait_for()
    assert await page.locator(".opblock").count() == 8
    await page.locator("#operations-wallets-apply_operation").click()
    await page.get_by_text("Insufficient funds").first.wait_for()
    assert [url for url in requested if not url.startswith((address, "data:"))] == []
