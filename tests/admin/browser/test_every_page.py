"""Every page in every form: accessible in both themes and languages, and within the width of a phone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.base import AXE_FILE_PATH  # type: ignore[import-untyped]
from ledger import Database
from playwright.async_api import Page

from .conftest import OpenPage

# The options of the browser. The longer words are those of Russian.
_LOOKS: dict[str, dict[str, Any]] = {
    "desktop": {},
    "phone": {"locale": "ru-RU", "viewport": {"width": 360, "height": 740}},
}
# A theme changes nothing but colours: the second theme of a page is checked for contrast alone.
_SERIOUS = """
async (options) => (await axe.run(document, {resultTypes: ["violations"], ...options})).violations
    .filter((violation) => ["serious", "critical"].includes(violation.impact))
    .map((violation) => `${violation.id}: ${violation.nodes[0].html}`)
"""
_IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
async def wallet(database: Database, session_cookie: dict[str, str]) -> UUID:
    """A wallet with everything that a page can show of it: operations, rejections, audit, a failed verification."""
    name = "A name as long as nobody would ever give to a wallet of theirs"
    wallet_id = await database.wallet(p_name=name, p_currency="KWD")
    await database.rows(
        "apply_operations",
        *([wallet_id] * 60, ["DEPOSIT"] * 59 + ["WITHDRAW"], [123456789012] * 59 + [9 * 10**18]),
        ["k" * 200 + str(n) for n in range(60)],
    )
    session = session_cookie["wallets_session"]
    await database.rows("admin_set_wallet_status", session, "127.0.0.1", wallet_id, "FROZEN", "requested")
    await database.owner.execute("update wallet.wallets set balance = balance + 1 where id = $1", wallet_id)
    await database.rows("record_verification", wallet_id)
    await database.rows("create_api_key", "shop", "manage", bytes(32), 50)
    return wallet_id


async def _pages(page: Page, wallet: UUID) -> AsyncIterator[str]:
    """Goes to each page, and to each form as it is after wrong input; each by its name."""
    for path in (
        *("", "wallets/", "wallets/?q=nobody", "wallets/new", "audit/", "keys/", "keys/new", "password", "nowhere"),
        *(f"wallets/{wallet}/{rest}" for rest in ("", "?tab=refusals", "?tab=audit", "operate", "status?to=ACTIVE")),
        f"wallets/{wallet}/operations.csv?from=x&until=2026-01-01",
    ):
        await page.goto(f"/admin/{path}")
        yield path
    wrong = {"wallets/new": {"opening": "1.2345"}, f"wallets/{wallet}/operate": {"amount": "1.2345", "reason": " "}}
    for path, typed in wrong.items():
        await _submit(page, path, typed)
        await page.locator(".error").first.wait_for()
        yield f"{path} after wrong input"
    await page.goto("/admin/keys/")
    await page.get_by_role("link", name="Revoke").or_(page.get_by_role("link", name="Отозвать")).first.click()
    await page.locator(".danger").wait_for()
    yield "revocation of a key"
    await _submit(page, "keys/new", {"name": f"report {page.viewport_size}"})
    await page.locator("code").first.wait_for()
    yield "a new key"
    await _submit(page, f"wallets/{wallet}/operate", {"amount": "99999999999", "reason": "ticket 7"})
    await page.locator("button[value=confirm]").wait_for()
    yield "review"
    await page.context.clear_cookies()
    await page.goto("/admin/login")
    yield "sign-in"


async def _submit(page: Page, path: str, typed: dict[str, str]) -> None:
    await page.goto(f"/admin/{path}")
    for field, text in typed.items():
        await page.locator(f"#{field}").fill(text)
    await page.locator("main .button.first").click()


async def _faults(page: Page, *, is_dark_too: bool) -> list[str]:
    found: list[str] = await page.evaluate(_SERIOUS, {})
    if await page.evaluate(_IS_TOO_WIDE):
        found.append("wider than the screen")
    if is_dark_too:
        await page.emulate_media(color_scheme="dark")
        found += await page.evaluate(_SERIOUS, {"runOnly": ["color-contrast", "link-in-text-block"]})
        await page.emulate_media(color_scheme="light")
    return found


async def test_every_page_is_accessible_and_fits_the_screen(
    open_page: OpenPage, wallet: UUID, session_cookie: dict[str, str]
) -> None:
    faults: dict[str, list[str]] = {}
    for look, options in _LOOKS.items():
        # axe is a script from outside, which the pages' policy forbids; test_work.py has the policy in force.
        page = await open_page(session_cookie, bypass_csp=True, reduced_motion="reduce", **options)
        await page.context.add_init_script(path=AXE_FILE_PATH)
        async for name in _pages(page, wallet):
            faults[f"{look}: {name}"] = await _faults(page, is_dark_too=look == "desktop")
    assert len(faults) == 2 * 21
    assert {name: found for name, found in faults.items() if found} == {}
