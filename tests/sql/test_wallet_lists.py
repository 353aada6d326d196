"""Lists of wallets: list_wallets and search_wallets, on one set of wallets that no test changes."""

from itertools import pairwise, product

import asyncpg
import pytest
from ledger import Database

NAMES = ["bob", None, "Alice", "carol", "Bob", "ALICE and Bob", None, "Боб", "100%", "100", "a_b", "axb", "back\\slash"]
BY_NAME = ["100", "100%", "a_b", "Alice", "ALICE and Bob", "axb", "back\\slash", "bob", "Bob", "carol", "Боб"]
ORDERS = ("newest", "oldest", "name", "name_desc")

# A text of three characters is looked for anywhere, a shorter one at the beginning.
FOUND_BY_TEXT: dict[str, set[str | None]] = {
    "lic": {"Alice", "ALICE and Bob"},
    "ALICE": {"Alice", "ALICE and Bob"},
    "боб": {"Боб"},
    "БОБ": {"Боб"},
    "e and b": {"ALICE and Bob"},
    "00%": {"100%"},
    "a_b": {"a_b"},
    "k\\s": {"back\\slash"},
    "...": set(),
    "Alice  ": set(),
    "bo": {"bob", "Bob"},
    "Б": {"Боб"},
    "1": {"100", "100%"},
    "a_": {"a_b"},
    "%": set(),
    "_": set(),
    "\\": set(),
}
FILTERS: list[tuple[dict[str, str], set[str]]] = [
    ({"p_status": "FROZEN"}, {"FROZEN EUR", "FROZEN RUB"}),
    ({"p_currency": "EUR"}, {"CLOSED EUR", "FROZEN EUR", "ACTIVE EUR"}),
    ({"p_status": "CLOSED", "p_currency": "RUB"}, {"CLOSED RUB"}),
    ({"p_status": "ACTIVE", "p_q": "eur"}, {"ACTIVE EUR"}),
    ({"p_status": "UNKNOWN"}, set()),
    ({"p_currency": "USD"}, set()),
]


@pytest.fixture(scope="module")
async def wallets(database: Database) -> list[asyncpg.Record]:
    """Wallets of all the names, oldest first."""
    return [await database.row("create_wallet", name) for name in NAMES]


def position(wallet: asyncpg.Record) -> dict[str, object]:
    return {"p_from_created_at": wallet["created_at"], "p_from_name": wallet["name"], "p_from_id": wallet["id"]}


async def list_pages(database: Database, limit: int, **filters: object) -> list[asyncpg.Record]:
    """All pages of list_wallets."""
    found: list[asyncpg.Record] = []
    before: dict[str, object] = {}
    while page := await database.rows("list_wallets", limit, **before, **filters):
        assert len(page) <= limit
        found += page
        assert len(found) < 1000
        before = {"p_before_created_at": page[-1]["created_at"], "p_before_id": page[-1]["id"]}
    return found


async def search_pages(database: Database, limit: int, order: str, **filters: object) -> list[asyncpg.Record]:
    """All pages of search_wallets, which are the same backward."""
    both = []
    for is_backward in (False, True):
        found: list[asyncpg.Record] = []
        page = await database.rows("search_wallets", limit, order, p_is_backward=is_backward, **filters)
        while page:
            assert len(page) <= limit
            found = page + found if is_backward else found + page
            assert len(found) < 1000
            end = position(page[0 if is_backward else -1])
            page = await database.rows("search_wallets", limit, order, p_is_backward=is_backward, **end, **filters)
        both.append(found)
    assert both[0] == both[1]
    return both[0]


async def test_every_order_is_paged_both_ways(database: Database, wallets: list[asyncpg.Record]) -> None:
    by_name = await database.rows("search_wallets", 50, "name")
    by_name_desc = await database.rows("search_wallets", 50, "name_desc")
    # Whatever the case; those without a name come last in both.
    for found, names in ((by_name, BY_NAME), (by_name_desc, BY_NAME[::-1])):
        assert [(wallet["name"] or "").lower() for wallet in found] == [*(name.lower() for name in names), "", ""]
    newest = wallets[::-1]
    assert await database.rows("list_wallets") == await database.rows("search_wallets", 50) == newest
    expected = dict(zip(ORDERS, (newest, wallets, by_name, by_name_desc), strict=True))
    for limit in (1, 2, 3, 7, len(NAMES), 1001):
        assert await list_pages(database, limit) == newest, limit
        for order in ORDERS:
            assert await search_pages(database, limit, order) == expected[order], (limit, order)
    for wrong in (None, "", "balance", "NEWEST"):
        message = await database.raises("WA022", "search_wallets", 1, wrong)
        assert message == f"order must be newest, oldest, name or name_desc; got {'null' if wrong is None else wrong}"


async def test_a_text_is_found_in_a_name(database: Database, wallets: list[asyncpg.Record]) -> None:
    everything = {order: await database.rows("search_wallets", 50, order) for order in ORDERS}
    for (q, names), order in product({**FOUND_BY_TEXT, "": {*NAMES}}.items(), ORDERS):
        found = await database.rows("search_wallets", 50, order, p_q=q)
        assert {wallet["name"] for wallet in found} == names, (q, order)
        assert found == [wallet for wallet in everything[order] if wallet in found]
        if order == "newest":
            assert await database.rows("list_wallets", p_q=q) == found
    for wallet, order in product(wallets[:2], ORDERS):
        assert await database.rows("search_wallets", 50, order, p_q=str(wallet["id"]).upper()) == [wallet]
        assert await database.rows("list_wallets", p_q=str(wallet["id"])) == [wallet]
    assert await database.rows("list_wallets", p_q="00000000-0000-4000-8000-000000000000") == []


async def test_a_name_may_contain_an_id(own: Database) -> None:
    first = await own.row("create_wallet")
    second = await own.row("create_wallet", f"of {first['id']}")
    assert await own.rows("search_wallets", 50, p_q=str(first["id"])) == [second, first]


async def test_filters_hold_together(own: Database) -> None:
    for currency, status in product(("RUB", "EUR"), ("ACTIVE", "FROZEN", "CLOSED")):
        await own.wallet(0, status, p_name=f"{status} {currency}", p_currency=currency)
    for filters, names in FILTERS:
        listed = await list_pages(own, 1, **filters)
        assert {wallet["name"] for wallet in listed} == names, filters
        assert all(before["created_at"] > after["created_at"] for before, after in pairwise(listed))
        for order in ORDERS:
            assert {wallet["name"] for wallet in await search_pages(own, 1, order, **filters)} == names, filters


async def test_few_matches_far_down_an_order_are_found(own: Database) -> None:
    many = "select wallet.create_wallet('mmm ' || i) from generate_series(1, 150) as i"
    await own.app.execute(many)
    for name in ("aaa rare", "mmm rare", "zzz rare"):
        await own.row("create_wallet", name)
    await own.app.execute(many)
    for order in ORDERS:
        found = [wallet["name"] for wallet in await search_pages(own, 1, order, p_q="rare")]
        assert found == ["aaa rare", "mmm rare", "zzz rare"][:: 1 if order in {"oldest", "name"} else -1]


async def test_pages_stay_in_place_while_wallets_are_created(own: Database) -> None:
    created = [await own.row("create_wallet", name) for name in "ABCDEFG"]
    await own.app.execute("select wallet.create_wallet('older') from generate_series(1, 51)")
    assert len(await own.rows("list_wallets")) == 50
    seen: list[asyncpg.Record] = []
    before: dict[str, object] = {}
    while page := await own.rows("list_wallets", 3, **before):
        seen += page
        assert len(seen) <= 58
        before = {"p_before_created_at": page[-1]["created_at"], "p_before_id": page[-1]["id"]}
        await own.row("create_wallet", "created meanwhile")
    assert len(seen) == 58
    assert seen[-7:] == created[::-1]


async def test_wallets_of_one_moment_and_name_are_in_order_of_ids(own: Database) -> None:
    created = [await own.row("create_wallet", "one") for _ in range(7)]
    await own.tamperer.execute("update wallet.wallets set created_at = $1, updated_at = $1", created[0]["created_at"])
    ascending = sorted(wallet["id"] for wallet in created)
    # An index gives the order even where none is required.
    for setting in ("on", "off"):
        await own.app.execute(f"set enable_indexscan = {setting}; set enable_bitmapscan = {setting}")
        assert [wallet["id"] for wallet in await list_pages(own, 2)] == ascending[::-1]
        for order in ORDERS:
            ids = [wallet["id"] for wallet in await search_pages(own, 2, order)]
            assert ids == (ascending if order in {"oldest", "name"} else ascending[::-1]), order
