"""wallet.search_wallets"""

from collections.abc import Awaitable, Callable
from itertools import pairwise

import asyncpg
import pytest

from . import Refused

Search = Callable[..., Awaitable[list[asyncpg.Record]]]

NAMES = ["bob", None, "Alice", "carol", "Bob", "ALICE and Bob", None, "Боб", "100%", "a_b", "back\\slash"]
BY_NAME = ["100%", "a_b", "Alice", "ALICE and Bob", "back\\slash", "bob", "Bob", "carol", "Боб"]
ORDERS = ("newest", "oldest", "name", "name_desc")


@pytest.fixture
def search(app_connection: asyncpg.Connection) -> Search:
    """Searches by named arguments: `await search(p_limit=10, p_q="ali")`."""

    async def call(**arguments: object) -> list[asyncpg.Record]:
        given = ", ".join(f"{name} => ${place}" for place, name in enumerate(arguments, 1))
        rows: list[asyncpg.Record] = await app_connection.fetch(
            f"select * from wallet.search_wallets({given})", *arguments.values()
        )
        return rows

    return call


@pytest.fixture
async def wallets(app_connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Wallets of all the names, oldest first."""
    return [await app_connection.fetchrow("select * from wallet.create_wallet($1)", name) for name in NAMES]


def position(wallet: asyncpg.Record) -> dict[str, object]:
    return {
        "p_from_created_at": wallet["created_at"],
        "p_from_name": wallet["name"],
        "p_from_id": wallet["id"],
    }


async def test_the_newest_come_first_unless_told_otherwise(search: Search, wallets: list[asyncpg.Record]) -> None:
    assert await search(p_limit=50) == wallets[::-1]


async def test_the_oldest_come_first(search: Search, wallets: list[asyncpg.Record]) -> None:
    assert await search(p_limit=50, p_order="oldest") == wallets


@pytest.mark.usefixtures("wallets")
@pytest.mark.parametrize(("order", "names"), [("name", BY_NAME), ("name_desc", BY_NAME[::-1])])
async def test_by_name_whatever_the_case_those_without_come_last(search: Search, order: str, names: list[str]) -> None:
    found = [wallet["name"] for wallet in await search(p_limit=50, p_order=order)]
    assert [(name or "").lower() for name in found] == [*(name.lower() for name in names), "", ""]


@pytest.mark.usefixtures("wallets")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 2, 3, 11, 1001])
async def test_its_pages_cover_every_wallet_once_both_ways(search: Search, order: str, limit: int) -> None:
    everything = await search(p_limit=50, p_order=order)
    assert len(everything) == len(NAMES)

    forward: list[asyncpg.Record] = []
    page = await search(p_limit=limit, p_order=order)
    while page:
        forward += page
        assert len(forward) <= len(everything)
        page = await search(p_limit=limit, p_order=order, **position(page[-1]))
    assert forward == everything

    backward: list[asyncpg.Record] = []
    page = await search(p_limit=limit, p_order=order, p_is_backward=True)
    while page:
        backward = page + backward
        assert len(backward) <= len(everything)
        page = await search(p_limit=limit, p_order=order, p_is_backward=True, **position(page[0]))
    assert backward == everything


async def test_wallets_of_one_name_or_one_moment_are_in_order_of_their_ids(
    search: Search, superuser_connection: asyncpg.Connection, wallets: list[asyncpg.Record]
) -> None:
    await superuser_connection.execute(
        "update wallet.wallets set created_at = $1, updated_at = $1, name = 'one'", wallets[0]["created_at"]
    )
    for order, ascending in (("newest", False), ("oldest", True), ("name", True), ("name_desc", False)):
        ids = [wallet["id"] for wallet in await search(p_limit=50, p_order=order)]
        assert ids == sorted(ids, reverse=not ascending)


@pytest.mark.usefixtures("wallets")
@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("lic", {"Alice", "ALICE and Bob"}),
        ("ALICE", {"Alice", "ALICE and Bob"}),
        ("боб", {"Боб"}),
        ("e and b", {"ALICE and Bob"}),
        ("00%", {"100%"}),
        ("a_b", {"a_b"}),
        ("k\\s", {"back\\slash"}),
        ("...", set()),
        ("bo", {"bob", "Bob"}),
        ("Б", {"Боб"}),
        ("%", set()),
        ("_", set()),
        ("", {*NAMES}),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
async def test_it_finds_a_part_of_a_name_or_the_beginning_if_that_is_short(
    search: Search, order: str, q: str, names: set[str | None]
) -> None:
    found = await search(p_limit=50, p_order=order, p_q=q)
    assert {wallet["name"] for wallet in found} == names
    places = {wallet["id"]: place for place, wallet in enumerate(await search(p_limit=50, p_order=order))}
    assert all(places[one["id"]] < places[other["id"]] for one, other in pairwise(found))


@pytest.mark.parametrize("order", ORDERS)
async def test_it_finds_a_wallet_by_its_id(search: Search, wallets: list[asyncpg.Record], order: str) -> None:
    for wallet in wallets[:2]:
        assert await search(p_limit=50, p_order=order, p_q=str(wallet["id"]).upper()) == [wallet]


async def test_an_id_can_be_a_name_too(app_connection: asyncpg.Connection, search: Search) -> None:
    first = await app_connection.fetchrow("select * from wallet.create_wallet()")
    second = await app_connection.fetchrow("select * from wallet.create_wallet($1)", f"of {first['id']}")
    assert await search(p_limit=50, p_q=str(first["id"])) == [second, first]


@pytest.mark.parametrize("order", ORDERS)
async def test_few_matches_far_down_the_order_are_found_and_paged(
    app_connection: asyncpg.Connection, search: Search, order: str
) -> None:
    await app_connection.execute("select wallet.create_wallet('mmm ' || i) from generate_series(1, 150) as i")
    for name in ("aaa rare", "mmm rare", "zzz rare"):
        await app_connection.execute("select wallet.create_wallet($1)", name)
    await app_connection.execute("select wallet.create_wallet('mmm ' || i) from generate_series(1, 150) as i")
    seen: list[str] = []
    page = await search(p_limit=1, p_order=order, p_q="rare")
    while page:
        seen += [page[0]["name"]]
        assert len(seen) <= 3
        page = await search(p_limit=1, p_order=order, p_q="rare", **position(page[0]))
    assert seen == ["aaa rare", "mmm rare", "zzz rare"][:: 1 if order in {"oldest", "name"} else -1]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"p_status": "FROZEN"}, {"FROZEN EUR", "FROZEN RUB"}),
        ({"p_currency": "EUR"}, {"CLOSED EUR", "FROZEN EUR", "ACTIVE EUR"}),
        ({"p_status": "CLOSED", "p_currency": "RUB"}, {"CLOSED RUB"}),
        ({"p_status": "ACTIVE", "p_q": "eur"}, {"ACTIVE EUR"}),
        ({"p_currency": "USD"}, set()),
    ],
)
async def test_it_keeps_the_wallets_that_pass_every_filter(
    app_connection: asyncpg.Connection, search: Search, order: str, filters: dict[str, str], names: set[str]
) -> None:
    for currency in ("RUB", "EUR"):
        for status in ("ACTIVE", "FROZEN", "CLOSED"):
            wallet_id = await app_connection.fetchval(
                "select id from wallet.create_wallet($1, $2)", f"{status} {currency}", currency
            )
            await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)
    assert {wallet["name"] for wallet in await search(p_limit=50, p_order=order, **filters)} == names


@pytest.mark.parametrize("limit", [None, 0, -1, 1002])
async def test_it_refuses_a_page_of_another_length(search: Search, refused: Refused, limit: int | None) -> None:
    async with refused("WA015"):
        await search(p_limit=limit)


@pytest.mark.parametrize("order", [None, "", "balance", "NEWEST"])
async def test_it_refuses_another_order(search: Search, refused: Refused, order: str | None) -> None:
    async with refused("WA022"):
        await search(p_limit=1, p_order=order)
