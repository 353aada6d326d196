"""Wallets: created once per form, listed each exactly once, and shown whatever their names are."""

import asyncio
import html
import re

from ledger import Database

from . import UNKNOWN, Browser, create_admin_app, visiting

LIST = "/admin/wallets/"
NEW = "/admin/wallets/new"


def names(text: str) -> list[str]:
    return [html.unescape(name) for name in re.findall(r'head-cell"><a [^>]*><bdi>(.*?)</bdi>', text)]


def link(text: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]*)" rel="{rel}"', text)
    return html.unescape(found[1]) if found else None


async def test_pages_hold_every_wallet_once_both_ways(signed_in: Browser, database: Database) -> None:
    created = [f"Wallet {n:03}" for n in range(120)]
    await database.app.executemany("select wallet.create_wallet($1)", [(name,) for name in created])
    for order in ("newest", "oldest", "name", "name_desc"):
        walked: dict[str, list[list[str]]] = {"next": [], "prev": []}
        path: str | None = f"{LIST}?order={order}&q=wallet"
        for rel, found in walked.items():
            while path:
                last, text = path, (await signed_in.get(path)).text
                found.append(names(text))
                path = link(text, rel)
            path = last
        assert [len(rows) for rows in walked["next"]] == [50, 50, 20]
        assert walked["prev"] == walked["next"][::-1]
        assert [name for rows in walked["next"] for name in rows] == (
            created if order in ("oldest", "name") else created[::-1]
        )


async def test_it_is_searched_filtered_and_sorted(signed_in: Browser, database: Database) -> None:
    ann = await database.wallet(p_name="Ann Jones")
    await database.wallet(status="FROZEN", p_name="Ann Smith")
    await database.wallet(p_name="Carl Jones", p_currency="KWD")
    for query, found in {
        "": ["Carl Jones", "Ann Smith", "Ann Jones"],
        "q=JONES": ["Carl Jones", "Ann Jones"],
        "q=An": ["Ann Smith", "Ann Jones"],
        "q=%25": [],
        f"q={str(ann).upper()}": ["Ann Jones"],
        "status=FROZEN": ["Ann Smith"],
        "currency=KWD": ["Carl Jones"],
        "q=ann&status=ACTIVE&currency=RUB": ["Ann Jones"],
        "order=name": ["Ann Jones", "Ann Smith", "Carl Jones"],
        "order=nonsense": ["Carl Jones", "Ann Smith", "Ann Jones"],
    }.items():
        page = await signed_in.get(f"{LIST}?{query}")
        assert (page.status, names(page.text)) == (200, found), query
    # The search on every page leads there.
    assert re.search(rf'<form class="find" action="{LIST}" role="search">\s*<input type="search" name="q"', page.text)


async def test_a_position_that_is_no_cursor_is_rejected(signed_in: Browser) -> None:
    for order in ("newest", "name"):
        for where in ("after=x", "before=WyJBIiwgMV0", "after=bnVsbA", "after=JTAwIDAwMDAwMDAwLTAwMDAtNDAwMC04MDAw"):
            page = await signed_in.get(f"{LIST}?order={order}&{where}")
            assert page.status == 400, where
            assert "must be the cursor of a page" in page.text


async def test_pages_show_the_totals(database: Database, admin: str) -> None:
    for currency, amount in (("KWD", 1234567), ("JPY", 5000), ("JPY", 1)):
        await database.wallet(amount, p_currency=currency)
    # A service of its own: totals are kept for a while.
    async with visiting(create_admin_app(database.url)) as browser:
        await browser.sign_in(admin)
        async with asyncio.timeout(60):
            while "are being added up" in (await browser.get("/admin/")).text:
                pass
        for path in ("/admin/", LIST):
            text = re.sub(r"<[^>]*>", "", (await browser.get(path)).text).replace("&nbsp;", " ")
            for total in ("1,234.567 KWD", "5,001 JPY", "2 wallets"):
                assert total in text, path


async def test_pages_exist_without_rows_but_not_without_a_wallet(signed_in: Browser, database: Database) -> None:
    for path in ("", "wallets/", "wallets/?q=nobody", "wallets/new", "audit/", "keys/"):
        assert (await signed_in.get(f"/admin/{path}")).status == 200, path
    wallet_id = await database.wallet()
    for tab in ("operations", "refusals", "audit", "nonsense"):
        assert (await signed_in.get(f"{LIST}{wallet_id}/?tab={tab}")).status == 200, tab
    for path in ("", "operate", "status?to=FROZEN", "operations.csv?from=2026-01-01&until=2026-01-02"):
        assert (await signed_in.get(f"{LIST}{UNKNOWN}/{path}")).status == 404, path


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
    for path in (f"{LIST}{wallet_id}/", LIST):
        text = (await signed_in.get(path)).text
        assert "<script>alert" not in text
        assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;</bdi>" in text


async def test_each_history_has_pages_both_ways(signed_in: Browser, database: Database) -> None:
    wallet_id = await database.wallet()
    kinds, amounts = ["DEPOSIT"] * 60 + ["WITHDRAW"] * 60, [1] * 60 + [1000] * 60
    await database.rows("apply_operations", [wallet_id] * 120, kinds, amounts, [str(n) for n in range(120)])
    for n in range(60):
        await database.row("create_admin", f"admin{n}", "hash")
    page = f"{LIST}{wallet_id}/"
    for path, rows in ((page, 60), (f"{page}?tab=refusals", 60), ("/admin/audit/", 62)):
        texts = [(await signed_in.get(path)).text]
        for rel in ("next", "prev"):
            texts.append((await signed_in.get(link(texts[-1], rel) or "")).text)
        assert [text.count("<tr>") for text in texts] == [51, rows - 50 + 1, 51]
        assert link(texts[0], "prev") is None
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
