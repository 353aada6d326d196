"""The audit log: who did what to which wallet, and why."""

import re
from uuid import UUID

import asyncpg
import pytest

from . import Browser
from .conftest import CreateWallet, Open

pytestmark = pytest.mark.shared_database

RECORD = "insert into wallet.audit (admin, action, outcome, detail) values"


@pytest.fixture
async def wallet(create_wallet: CreateWallet) -> UUID:
    """An empty wallet."""
    return await create_wallet("Ann")


async def test_an_entry_says_who_did_what_and_why(signed_in: Browser, wallet: UUID) -> None:
    path = f"/admin/wallets/{wallet}/operate"
    typed = {"operation_type": "DEPOSIT", "amount": "1 234.5", "reason": "<i>ticket</i>", "step": "confirm"}
    await signed_in.send(path, on=path, headers=None, **typed)
    text = (await signed_in.get("/admin/audit/")).text
    row = re.sub(r"\s*<[^>]*>\s*", "|", text[text.index("<tbody>") : text.index("</tr>", text.index("<tbody>"))])
    cells = [cell for cell in row.replace("…", "").split("|") if cell]
    assert cells[1:] == [
        *("alice", "127.0.0.1", "Deposit", str(wallet)[:8]),
        *("Amount:", "1,234.50 RUB", "Reason:", "&lt;i&gt;ticket&lt;/i&gt;", "Operation:", cells[-2], "Done"),
    ]


async def test_a_failed_sign_in_is_shown(signed_in: Browser, open_browser: Open) -> None:
    await open_browser().sign_in("mallory", "wrong")
    text = (await signed_in.get("/admin/audit/")).text
    assert "mallory" in text
    assert ">Failed</span>" in text


async def test_an_unknown_action_is_shown_as_recorded(signed_in: Browser, owner_connection: asyncpg.Connection) -> None:
    await owner_connection.execute(f"{RECORD} ('ann', 'teleport', 'done', '{{\"planet\": \"Mars\"}}')")
    text = (await signed_in.get("/admin/audit/")).text
    assert ">teleport<" in text
    assert "planet: <bdi>Mars" in text


async def test_an_unknown_outcome_fails_loudly(signed_in: Browser, owner_connection: asyncpg.Connection) -> None:
    await owner_connection.execute(f"{RECORD} ('ann', 'deposit', 'WA999', '{{}}')")
    assert (await signed_in.get("/admin/audit/")).status == 500


async def test_the_log_has_pages(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    await app_connection.execute(
        "select count(wallet.create_admin('admin' || n, 'hash')) from generate_series(1, 60) as n"
    )
    first = (await signed_in.get("/admin/audit/")).text
    older = re.search(r'href="([^"]*)" rel="next"', first)
    assert older
    assert first.count("<time") == 50
    second = (await signed_in.get(older[1])).text
    assert 'rel="prev"' in second
    assert second.count("<time") == 62 - 50
    newer = re.search(r'href="([^"]*)" rel="prev"', second)
    assert newer
    assert (await signed_in.get(newer[1])).text.count("<time") == 50
