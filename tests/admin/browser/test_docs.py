"""The page that shows the contract of the REST API."""

from .conftest import OpenPage


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
