"""Chromium, and pages in it that fail the test on an error in the console."""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

OpenPage = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """A browser that all tests share; each has its own cookies in it."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium (on Debian: apt install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path)
        yield browser
        await browser.close()


@pytest.fixture
async def open_page(chromium: Browser, address: str) -> AsyncIterator[OpenPage]:
    """Opens pages with cookies of their own, and with the options of a Playwright context."""
    messages: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # The response to wrong input is 400, which is no fault of the page.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            messages.append(message.text)

    async with AsyncExitStack() as opened:

        async def start(cookies: dict[str, str] | None = None, **options: Any) -> Page:
            context = await chromium.new_context(base_url=address, **{"locale": "en-GB", **options})
            opened.push_async_callback(context.close)
            for name, value in (cookies or {}).items():
                await context.add_cookies([{"name": name, "value": value, "url": address}])
            page = await context.new_page()
            page.on("console", note)
            page.on("pageerror", lambda error: messages.append(str(error)))
            return page

        yield start
    assert messages == []


@pytest.fixture
async def page(open_page: OpenPage, session_cookie: dict[str, str]) -> Page:
    """The start page, for an admin who has signed in."""
    opened = await open_page(session_cookie)
    await opened.goto("/admin/")
    return opened
