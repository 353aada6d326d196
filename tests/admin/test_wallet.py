"""Creating a wallet, once however often the form is sent; and its page, which shows any name without harm."""

from uuid import UUID

from ledger import Database

from . import UNKNOWN, Browser

NEW = "/admin/wallets/new"


def page_of(wallet_id: UUID | str) -> str:
    return f"/admin/wallets/{wallet_id}/"


async def test_pages_exist_where_there_is_nothing_to_show(signed_in: Browser, database: Database) -> None:
    for path in ("", "wallets/", "wallets/?q=nobody", "wallets/new", "audit/", "keys/"):
        assert (await signed_in.get(f"/admin/{path}")).status == 200, path
    wallet_id = await database.wallet()
    for tab in ("operations", "refusals", "audit", "nonsense"):
        assert (await signed_in.get(f"{page_of(wallet_id)}?tab={tab}")).status == 200, tab


async def test_a_wallet_is_created_once_per_form(signed_in: Browser, database: Database) -> None:
    for name, opening, balance in (("Rent", "", 0), ("Food", "1 250.50", 125050)):
        form = (await signed_in.get(NEW)).forms[NEW] | {"name": name, "currency": "RUB", "opening": opening}
        locations = [(await signed_in.post(NEW, form)).location for _ in range(2)]
        assert "The wallet was created." in (await signed_in.get(locations[0])).text
        wallet = await database.row("search_wallets", 10, p_q=name)
        assert (wallet["name"], wallet["currency"], wallet["balance"]) == (name, "RUB", balance)
        other = await signed_in.post(NEW, form | {"name": "Other"})
        assert "already used for another wallet" in other.text
        assert other.forms[NEW]["id"] != form["id"]


async def test_wrong_input_is_explained_and_kept(signed_in: Browser, database: Database) -> None:
    right = {"name": "Rent", "currency": "JPY", "opening": "15"}
    for field, typed in (("opening", "1.5"), ("currency", "XXX"), ("currency", ""), ("name", "x" * 201)):
        given = right | {field: typed}
        response = await signed_in.send(NEW, on=NEW, headers=None, **given)
        assert (response.status, response.explains(field)) == (400, True), typed
        assert response.forms[NEW]["opening"] == given["opening"]
    assert (await signed_in.send(NEW, on=NEW, id="7")).status == 400
    assert await database.rows("search_wallets", 10) == []


async def test_a_name_cannot_become_markup(signed_in: Browser, database: Database) -> None:
    wallet_id = await database.wallet(p_name="<script>alert(1)</script>\"'")
    for path in (page_of(wallet_id), "/admin/wallets/"):
        text = (await signed_in.get(path)).text
        assert "<script>alert" not in text
        assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;</bdi>" in text


async def test_an_unknown_wallet_is_not_found(signed_in: Browser) -> None:
    for path in ("", "operate", "status?to=FROZEN", "operations.csv?from=2026-01-01&until=2026-01-02"):
        assert (await signed_in.get(f"{page_of(UNKNOWN)}{path}")).status == 404, path


async def test_operations_have_pages_both_ways(signed_in: Browser, database: Database) -> None:
    wallet_id = await database.wallet()
    await database.deposit(wallet_id, *[1] * 60)
    page = page_of(wallet_id)
    assert f'href="{page}?before=11" rel="next"' in (await signed_in.get(page)).text
    assert f'href="{page}" rel="prev"' in (await signed_in.get(f"{page}?before=11")).text
    for before in ("0", "x", "9" * 19, "1" * 20):
        assert (await signed_in.get(f"{page}?before={before}")).status == 400, before


async def test_the_language_is_kept_and_leads_back_to_the_site(signed_in: Browser) -> None:
    for language, target, location, heading in (
        ("ru", "/admin/wallets/?q=a", "/admin/wallets/?q=a", "Обзор"),
        ("en", "https://example.com/", "/admin/", "Overview"),
        ("ru", "//example.com/", "/admin/", "Обзор"),
    ):
        response = await signed_in.send("/admin/language", on="/admin/", language=language, next=target)
        assert response.location == location
        text = (await signed_in.get("/admin/")).text
        assert f'lang="{language}"' in text
        assert f"<h1>{heading}</h1>" in text
