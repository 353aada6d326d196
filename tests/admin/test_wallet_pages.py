"""Wallets on the admin page: made, acted upon once however often a form is sent, and shown without harm."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Browser, Page

NEW = "/admin/wallets/new"
REASON = "ticket 7"


async def make(
    connection: asyncpg.Connection, name: str | None = None, currency: str = "RUB", balance: int = 0
) -> UUID:
    """A wallet that holds something."""
    wallet_id: UUID = await connection.fetchval("select id from wallet.create_wallet($1, $2)", name, currency)
    if balance:
        await connection.execute("select wallet.apply_operation($1, 'DEPOSIT', $2)", wallet_id, balance)
    return wallet_id


def page_of(wallet_id: UUID | str) -> str:
    return f"/admin/wallets/{wallet_id}/"


async def review(browser: Browser, wallet_id: UUID, operation_type: str, amount: str) -> Page:
    """The page that asks whether an operation is meant."""
    path = f"{page_of(wallet_id)}operate"
    return await browser.send(path, on=path, operation_type=operation_type, amount=amount, reason=REASON)


async def confirm(browser: Browser, wallet_id: UUID, reviewed: Page) -> Page:
    path = f"{page_of(wallet_id)}operate"
    return await browser.request("POST", path, data=reviewed.forms[path] | {"step": "confirm"})


@pytest.mark.parametrize("path", ["", "wallets/", "wallets/?q=nobody", "wallets/new", "audit/"])
async def test_a_page_is_there_while_the_database_is_empty(signed_in: Browser, path: str) -> None:
    assert (await signed_in.get(f"/admin/{path}")).status == 200


@pytest.mark.parametrize("tab", ["operations", "refusals", "audit"])
async def test_a_wallet_without_a_history_has_every_tab(
    signed_in: Browser, app_connection: asyncpg.Connection, tab: str
) -> None:
    wallet_id = await make(app_connection)
    assert (await signed_in.get(f"{page_of(wallet_id)}?tab={tab}")).status == 200


@pytest.mark.parametrize(("opening", "balance"), [("", 0), ("1 250.50", 125050)])
async def test_a_wallet_is_made_once_however_often_its_form_is_sent(
    signed_in: Browser, app_connection: asyncpg.Connection, opening: str, balance: int
) -> None:
    form = (await signed_in.get(NEW)).forms[NEW] | {"name": "Rent", "currency": "RUB", "opening": opening}
    answers = [await signed_in.request("POST", NEW, data=form) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    wallets = await app_connection.fetch("select name, currency, balance from wallet.search_wallets(10)")
    assert [tuple(wallet) for wallet in wallets] == [("Rent", "RUB", balance)]


async def test_a_wrong_opening_deposit_is_explained_and_nothing_typed_is_lost(
    signed_in: Browser, app_connection: asyncpg.Connection
) -> None:
    answer = await signed_in.send(NEW, on=NEW, name="Rent", currency="JPY", opening="1.5")
    assert answer.status == 400
    assert 'id="opening-error" role="alert"' in answer.text
    assert answer.forms[NEW].items() >= {"name": "Rent", "opening": "1.5"}.items()
    assert await app_connection.fetch("select * from wallet.search_wallets(10)") == []


@pytest.mark.parametrize(("operation_type", "balance"), [("DEPOSIT", 1500), ("WITHDRAW", 500)])
async def test_an_operation_is_asked_about_then_applied_once(
    signed_in: Browser, app_connection: asyncpg.Connection, operation_type: str, balance: int
) -> None:
    wallet_id = await make(app_connection, balance=1000)
    reviewed = await review(signed_in, wallet_id, operation_type, "5.00")
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 1000
    answers = [await confirm(signed_in, wallet_id, reviewed) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == balance


async def test_an_overdraw_is_explained_and_changes_nothing(
    signed_in: Browser, app_connection: asyncpg.Connection
) -> None:
    wallet_id = await make(app_connection, balance=1000)
    answer = await confirm(signed_in, wallet_id, await review(signed_in, wallet_id, "WITHDRAW", "10.01"))
    assert answer.status == 400
    assert "10.00 RUB" in answer.text
    assert "10.01 RUB" in answer.text
    assert await app_connection.fetchval("select wallet.get_balance($1)", wallet_id) == 1000


@pytest.mark.parametrize(("currency", "shown"), [("JPY", "1,234,567"), ("KWD", "1,234.567")])
async def test_amounts_have_the_decimals_of_their_currency(
    signed_in: Browser, app_connection: asyncpg.Connection, currency: str, shown: str
) -> None:
    wallet_id = await make(app_connection, currency=currency, balance=1234567)
    assert f">{shown}&nbsp;" in (await signed_in.get(page_of(wallet_id))).text


async def test_a_name_cannot_become_markup(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    wallet_id = await make(app_connection, "<script>alert(1)</script>\"'")
    for path in (page_of(wallet_id), "/admin/wallets/"):
        text = (await signed_in.get(path)).text
        assert "<script>alert" not in text
        assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;</bdi>" in text


async def test_a_download_holds_every_operation_of_several_reads(
    signed_in: Browser, app_connection: asyncpg.Connection
) -> None:
    wallet_id, count = await make(app_connection), 2001
    await app_connection.execute(
        "select wallet.apply_operations($1::uuid[], $2::text[], $3::bigint[], $4::text[])",
        [wallet_id] * count,
        ["DEPOSIT"] * count,
        [105] * count,
        [str(uuid4()) for _ in range(count)],
    )
    today = datetime.now(UTC).date()
    answer = await signed_in.get(f"{page_of(wallet_id)}operations.csv?from={today}&until={today}")
    lines = [line.split(",") for line in answer.text.splitlines()]
    assert [line[0] for line in lines] == ["seq", *map(str, range(1, count + 1))]
    assert lines[-1][2:6] == ["DEPOSIT", "1.05", "2101.05", "RUB"]
