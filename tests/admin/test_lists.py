"""The list of wallets: found by what an admin types, in every order, each exactly once on its pages."""

import html
import re

import asyncpg
import pytest

from . import Browser

LIST = "/admin/wallets/"


def names(text: str) -> list[str]:
    """The names in the list, from top to bottom."""
    return [html.unescape(name) for name in re.findall(r'head-cell"><a [^>]*><bdi>(.*?)</bdi>', text)]


def link(text: str, rel: str) -> str | None:
    found = re.search(rf'href="([^"]*)" rel="{rel}"', text)
    return html.unescape(found[1]) if found else None


@pytest.fixture
async def many(app_connection: asyncpg.Connection) -> list[str]:
    """The names of 120 wallets, in the order of the alphabet and of their making."""
    made = [f"Wallet {n:03}" for n in range(120)]
    await app_connection.executemany("select wallet.create_wallet($1)", [(name,) for name in made])
    return made


@pytest.mark.parametrize("order", ["newest", "oldest", "name", "name_desc"])
async def test_its_pages_hold_every_wallet_once_both_ways(signed_in: Browser, many: list[str], order: str) -> None:
    expected = many if order in ("oldest", "name") else many[::-1]
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
    assert [name for names_there in forward for name in names_there] == expected
    assert backward == forward


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Carl Jones", "Ann Smith", "Ann Jones"]),
        ("q=JONES", ["Carl Jones", "Ann Jones"]),
        ("q=An", ["Ann Smith", "Ann Jones"]),
        ("q=%25", []),
        ("status=FROZEN", ["Ann Smith"]),
        ("currency=KWD", ["Carl Jones"]),
        ("q=ann&status=ACTIVE&currency=RUB", ["Ann Jones"]),
        ("order=name", ["Ann Jones", "Ann Smith", "Carl Jones"]),
        ("order=nonsense", ["Carl Jones", "Ann Smith", "Ann Jones"]),
    ],
)
async def test_it_is_searched_filtered_and_sorted(
    signed_in: Browser, app_connection: asyncpg.Connection, query: str, found: list[str]
) -> None:
    for name, currency in (("Ann Jones", "RUB"), ("Ann Smith", "RUB"), ("Carl Jones", "KWD")):
        await app_connection.execute("select wallet.create_wallet($1, $2)", name, currency)
    await app_connection.execute(
        "select wallet.set_wallet_status(id, 'FROZEN') from wallet.search_wallets(1, p_q => 'Smith')"
    )
    page = await signed_in.get(f"{LIST}?{query}")
    assert page.status == 200
    assert names(page.text) == found


async def test_a_wallet_is_found_by_its_id(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    wallet_id = await app_connection.fetchval("select id from wallet.create_wallet('Ann')")
    await app_connection.execute("select wallet.create_wallet('Carl')")
    assert names((await signed_in.get(f"{LIST}?q={str(wallet_id).upper()}")).text) == ["Ann"]


async def test_it_tells_the_totals(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    for currency, amount in (("KWD", 1234567), ("JPY", 5000), ("JPY", 1)):
        await app_connection.execute(
            "select wallet.apply_operation(id, 'DEPOSIT', $2) from wallet.create_wallet(null, $1)", currency, amount
        )
    for path in (LIST, "/admin/"):
        text = re.sub(r"<[^>]*>", "", (await signed_in.get(path)).text).replace("&nbsp;", " ")
        assert "1,234.567 KWD" in text
        assert "5,001 JPY" in text
        assert "2 wallets" in text


@pytest.mark.parametrize("where", ["after=x", "before=WyJBIiwgMV0", "after=bnVsbA", "after=WyJcdTAwMDAiLCAiYSJd"])
@pytest.mark.parametrize("order", ["newest", "name"])
async def test_a_position_that_is_none_is_refused(signed_in: Browser, where: str, order: str) -> None:
    page = await signed_in.get(f"{LIST}?order={order}&{where}")
    assert page.status == 400
    assert "not the address of a page" in page.text
