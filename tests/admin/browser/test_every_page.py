"""Every page in every form: usable by everybody, and within the width of a phone."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page

from . import sign_in
from .conftest import OpenPage

pytestmark = pytest.mark.shared_database

_LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    # The longer words of the two languages.
    "phone": {"locale": "ru-RU", "viewport": {"width": 360, "height": 740}},
}


@pytest.fixture
async def wallet(app_connection: asyncpg.Connection, owner_connection: asyncpg.Connection, admin: str) -> UUID:
    """A wallet with everything that a page can show of it: operations, refusals, audit, a failed verification."""
    wallet_id: UUID = await app_connection.fetchval(
        "select id from wallet.create_wallet('A name as long as nobody would ever give to a wallet of theirs', 'KWD')"
    )
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
    await app_connection.execute("select wallet.begin_session($1, 'a token', '127.0.0.1')", admin)
    await app_connection.execute(
        "select wallet.admin_set_wallet_status('a token', '127.0.0.1', $1, 'FROZEN', 'asked for')", wallet_id
    )
    await owner_connection.execute("update wallet.wallets set balance = balance + 1 where id = $1", wallet_id)
    await app_connection.execute("select wallet.record_verification($1)", wallet_id)
    await app_connection.execute("select wallet.create_api_key('shop', 'manage', sha256('a key'), 50)")
    return wallet_id


async def _pages(page: Page, wallet: UUID) -> AsyncIterator[str]:
    """Goes to each page, and to each form as it is after wrong input; each by its name."""
    await page.goto("/admin/login")
    yield "log-in"
    await sign_in(page)
    for path in (
        *("", "wallets/", "wallets/?q=nobody", "wallets/new", "audit/", "keys/", "keys/new", "password", "nowhere"),
        *(f"wallets/{wallet}/{rest}" for rest in ("", "?tab=refusals", "?tab=audit", "operate", "status?to=ACTIVE")),
        f"wallets/{wallet}/operations.csv?from=x&until=2026-01-01",
    ):
        await page.goto(f"/admin/{path}")
        yield path
    wrong = {"wallets/new": "opening", f"wallets/{wallet}/operate": "amount"}
    for path, field in wrong.items():
        await page.goto(f"/admin/{path}")
        await page.locator(f"#{field}").fill("1.2345")
        if await page.locator("#reason").count():
            await page.locator("#reason").fill(" ")
        await page.locator("main .button.first").click()
        await page.locator(".error").first.wait_for()
        yield f"{path} after wrong input"
    await page.goto("/admin/keys/")
    await page.get_by_role("link", name="Revoke").or_(page.get_by_role("link", name="Отозвать")).click()
    await page.locator(".danger").wait_for()
    yield "revocation of a key"
    await page.goto("/admin/keys/new")
    await page.locator("#name").fill("report")
    await page.locator("main .button.first").click()
    await page.locator("code").first.wait_for()
    yield "a new key"
    await page.goto(f"/admin/wallets/{wallet}/operate")
    await page.locator("#reason").fill("ticket 7")
    await page.locator("#amount").fill("99999999999")
    await page.locator("#reason").fill("ticket 7")
    await page.locator("main .button.first").click()
    await page.locator("button[value=confirm]").wait_for()
    yield "confirmation"


@pytest.mark.parametrize("look", _LOOKS)
async def test_no_page_shuts_anybody_out_or_is_wider_than_the_screen(
    open_page: OpenPage, wallet: UUID, look: str
) -> None:
    # axe is a script from outside, which the pages' policy forbids; test_work.py has the policy in force.
    page = await open_page(bypass_csp=True, **_LOOKS[look])
    found: dict[str, list[str]] = {}
    async for name in _pages(page, wallet):
        violations = (await Axe().run(page)).response["violations"]
        found[name] = [
            f"{violation['id']}: {violation['nodes'][0]['html']}"
            for violation in violations
            if violation["impact"] in ("serious", "critical")
        ]
        if await page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            found[name].append("wider than the screen")
    assert {name: findings for name, findings in found.items() if findings} == {}
