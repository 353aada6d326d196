"""The admin page in a real browser: Debian's Chromium, without a window."""

from playwright.async_api import Page

from .. import PASSWORD, USERNAME


async def sign_in(page: Page, path: str = "/admin/") -> None:
    """Requests a page, signs in, and is led to it."""
    await page.goto(path)
    await page.locator("#username").fill(USERNAME)
    await page.locator("#password").fill(PASSWORD)
    await page.locator("main button").click()
