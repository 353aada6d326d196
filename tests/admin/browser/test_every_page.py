"""Every page in every form: accessible in both themes and languages, and within the width of a phone."""

from collections.abc import AsyncIterator
from typing import Any, Literal
from uuid import UUID

import asyncpg
import pytest
from axe_playwright_python.base import AXE_FILE_PATH  # type: ignore[import-untyped]
from playwright.async_api import Page

from ..conftest import CreateWallet
from .conftest import OpenPage

pytestmark = pytest.mark.shared_database

Theme = Literal["light", "dark"]

# The options of the browser, its theme, and another theme in which each page is checked too.
_LOOKS: dict[str, tuple[dict[str, Any], Theme, Theme | None]] = {
    "desktop": ({}, "light", "dark"),
    # The longer words of the two languages.
    "phone": ({"locale": "ru-RU", "viewport": {"width": 360, "height": 740}}, "light", None),
}
# A theme changes nothing but colours: the second theme of a page is checked for contrast alone.
_SERIOUS = """
async (options) => (await axe.run(document, {resultTypes: ["violations"], ...options})).violations
    .filter((violation) => ["serious", "critical"].includes(violation.impact))
    .map((violation) => `${violation.id}: ${violation.nodes[0].html}`)
"""
_IS_TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest.fixture
async def wallet(
    app_connection: asyncpg.Connection,
    owner_connection: asyncpg.Connection,
    session_cookie: dict[str, str],
    create_wallet: CreateWallet,
) -> UUID:
    """A wallet with everything that a page can show of it: operations, rejections, audit, a failed verification."""
    wallet_id = await create_wallet("A name as long as nobody would ever give to a wallet of theirs", currency="KWD")
    await app_connection.execute(
        """
        select count(*) from wallet.apply_operations(
            array_fill($1::uuid, array[60]),
            array_fill('DEPOSIT'::text, array[59]) || 'WITHDRAW'::text,
            array_fill(123456789012, array[59]) || 9000000000000000000,
            array(select repeat('k', 200) || n from generate_series(1, 60) as n)
        )
        """,
        wallet_id,
    )
    await app_connection.execute(
        "select wallet.admin_set_wallet_status($1, '127.0.0.1', $2, 'FROZEN', 'requested')",
        *(session_cookie["wallets_session"], wallet_id),
    )
    await owner_connection.execute("update wallet.wallets set balance = balance + 1 where id = $1", wallet_id)
    await app_connection.execute("select wallet.record_verification($1)", wallet_id)
    await app_connection.execute("select wallet.create_api_key('shop', 'manage', sha256('a key'), 50)")
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


async def _submit(page: Page, path: str, typed: dict[str, str]) -> None:
    await page.goto(f"/admin/{path}")
    for field, text in typed.items():
        await page.locator(f"#{field}").fill(text)
    await page.locator("main .button.first").click()


async def _faults(page: Page, theme: Theme, other_theme: Theme | None) -> list[str]:
    found: list[str] = await page.evaluate(_SERIOUS, {})
    if await page.evaluate(_IS_TOO_WIDE):
        found.append("wider than the screen")
    if other_theme is not None:
        await page.emulate_media(color_scheme=other_theme)
        found += await page.evaluate(_SERIOUS, {"runOnly": ["color-contrast", "link-in-text-block"]})
        await page.emulate_media(color_scheme=theme)
    return found


async def test_every_page_is_accessible_and_fits_the_screen(
    open_page: OpenPage, wallet: UUID, session_cookie: dict[str, str], address: str
) -> None:
    faults: dict[str, list[str]] = {}
    for look, (options, theme, other) in _LOOKS.items():
        # axe is a script from outside, which the pages' policy forbids; test_work.py has the policy in force.
        page = await open_page(bypass_csp=True, reduced_motion="reduce", **options)
        await page.context.add_init_script(path=AXE_FILE_PATH)
        await page.goto("/admin/login")
        faults[f"{look}: sign-in"] = await _faults(page, theme, other)
        await page.context.add_cookies(
            [{"name": name, "value": value, "url": address} for name, value in session_cookie.items()]
        )
        async for name in _pages(page, wallet):
            faults[f"{look}: {name}"] = await _faults(page, theme, other)
    assert len(faults) == 2 * 21
    assert {name: found for name, found in faults.items() if found} == {}
