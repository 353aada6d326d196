"""Creating a wallet, once however often the form is sent; and its page, which shows any name without harm."""

from uuid import UUID

import asyncpg
import pytest

from . import Browser
from .conftest import CreateWallet

pytestmark = pytest.mark.shared_database

NEW = "/admin/wallets/new"
UNKNOWN = "00000000-0000-4000-8000-000000000000"


def page_of(wallet_id: UUID | str) -> str:
    return f"/admin/wallets/{wallet_id}/"


async def test_every_page_exists_in_an_empty_database(signed_in: Browser) -> None:
    for path in ("", "wallets/", "wallets/?q=nobody", "wallets/new", "audit/", "keys/"):
        assert (await signed_in.get(f"/admin/{path}")).status == 200


async def test_a_new_wallet_has_every_tab(signed_in: Browser, create_wallet: CreateWallet) -> None:
    wallet_id = await create_wallet()
    for tab in ("operations", "refusals", "audit", "nonsense"):
        assert (await signed_in.get(f"{page_of(wallet_id)}?tab={tab}")).status == 200


async def test_a_wallet_is_created_once_per_form(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    for name, opening, balance in (("Rent", "", 0), ("Food", "1 250.50", 125050)):
        form = (await signed_in.get(NEW)).forms[NEW] | {"name": name, "currency": "RUB", "opening": opening}
        responses = [await signed_in.request("POST", NEW, data=form) for _ in range(2)]
        assert [response.status for response in responses] == [303, 303]
        assert "The wallet was created." in (await signed_in.get(responses[0].headers["Location"])).text
        wallets = await app_connection.fetch(
            "select name, currency, balance from wallet.search_wallets(10, p_q => $1)", name
        )
        assert [tuple(wallet) for wallet in wallets] == [(name, "RUB", balance)]
        other = await signed_in.request("POST", NEW, data=form | {"name": "Other"})
        assert "already used for another wallet" in other.text
        assert other.forms[NEW]["id"] != form["id"]


async def test_wrong_input_is_explained_and_kept(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    right = {"name": "Rent", "currency": "JPY", "opening": "15"}
    for field, typed in (("opening", "1.5"), ("currency", "XXX"), ("currency", ""), ("name", "x" * 201)):
        response = await signed_in.send(NEW, on=NEW, headers=None, **right | {field: typed})
        assert response.status == 400
        assert f'id="{field}-error" role="alert"' in response.text
        assert response.forms[NEW]["opening"] == (right | {field: typed})["opening"]
    assert (await signed_in.send(NEW, on=NEW, id="7")).status == 400
    assert await app_connection.fetch("select * from wallet.search_wallets(10)") == []


async def test_amounts_have_the_decimals_of_the_currency(signed_in: Browser, create_wallet: CreateWallet) -> None:
    for currency, shown in (("JPY", "1,234,567"), ("KWD", "1,234.567")):
        wallet_id = await create_wallet(currency=currency, balance=1234567)
        assert f">{shown}&nbsp;" in (await signed_in.get(page_of(wallet_id))).text


async def test_a_name_cannot_become_markup(signed_in: Browser, create_wallet: CreateWallet) -> None:
    wallet_id = await create_wallet("<script>alert(1)</script>\"'")
    for path in (page_of(wallet_id), "/admin/wallets/"):
        text = (await signed_in.get(path)).text
        assert "<script>alert" not in text
        assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;</bdi>" in text


async def test_an_unknown_wallet_is_not_found(signed_in: Browser) -> None:
    for path in ("", "operate", "status?to=FROZEN", "operations.csv?from=2026-01-01&until=2026-01-02"):
        assert (await signed_in.get(f"{page_of(UNKNOWN)}{path}")).status == 404


async def test_operations_have_pages_both_ways(
    signed_in: Browser, app_connection: asyncpg.Connection, create_wallet: CreateWallet
) -> None:
    wallet_id = await create_wallet()
    await app_connection.execute(
        """
        select count(*) from wallet.apply_operations(
            array_fill($1::uuid, array[60]), array_fill('DEPOSIT'::text, array[60]), array_fill(1::bigint, array[60]),
            array(select n::text from generate_series(1, 60) as n)
        )
        """,
        wallet_id,
    )
    first = (await signed_in.get(page_of(wallet_id))).text
    assert f'href="{page_of(wallet_id)}?before=11" rel="next"' in first
    assert f'href="{page_of(wallet_id)}" rel="prev"' in (await signed_in.get(f"{page_of(wallet_id)}?before=11")).text
    for before in ("0", "x", "9" * 19, "1" * 20):
        assert (await signed_in.get(f"{page_of(wallet_id)}?before={before}")).status == 400


async def test_the_language_is_kept_and_leads_back_to_the_site(signed_in: Browser) -> None:
    for target in ("/admin/wallets/?q=a", "https://example.com/", "//example.com/"):
        response = await signed_in.send("/admin/language", on="/admin/", language="ru", next=target)
        assert response.headers["Location"] == (target if target.startswith("/admin/") else "/admin/")
        assert "Обзор" in (await signed_in.get("/admin/")).text
