"""The list of wallets: searched, in every order, each wallet exactly once on its pages."""

import asyncio
import html
import re

from ledger import Database

from . import Browser, create_admin_app, visiting

LIST = "/admin/wallets/"


def names(text: str) -> list[str]:
    """The names in the list, from top to bottom."""
    return [html.unescape(name) for name in re.findall(r'head-cell"><a [^>]*><bdi>(.*?)</bdi>', text)]


def link(text: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]*)" rel="{rel}"', text)
    return html.unescape(found[1]) if found else None


async def test_pages_hold_every_wallet_once_both_ways(signed_in: Browser, database: Database) -> None:
    created = [f"Wallet {n:03}" for n in range(120)]
    await database.app.executemany("select wallet.create_wallet($1)", [(name,) for name in created])
    for order in ("newest", "oldest", "name", "name_desc"):
        page = await signed_in.get(f"{LIST}?order={order}&q=wallet")
        forward = [names(page.text)]
        while path := link(page.text, "next"):
            page = await signed_in.get(path)
            forward.append(names(page.text))
        backward = [forward[-1]]
        while path := link(page.text, "prev"):
            page = await signed_in.get(path)
            backward.insert(0, names(page.text))
        assert [len(rows) for rows in forward] == [50, 50, 20]
        expected = created if order in ("oldest", "name") else created[::-1]
        assert [name for names_there in forward for name in names_there] == expected
        assert backward == forward


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
