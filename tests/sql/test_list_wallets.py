"""wallet.list_wallets"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from . import Refused

Names = Callable[..., Awaitable[list[str | None]]]


@pytest.fixture
def names(app_connection: asyncpg.Connection) -> Names:
    """The names on a page: `await names(p_status="FROZEN")`."""

    async def read(**arguments: object) -> list[str | None]:
        given = ", ".join(f"{name} => ${place}" for place, name in enumerate(arguments, 1))
        rows = await app_connection.fetch(f"select name from wallet.list_wallets({given})", *arguments.values())
        return [row["name"] for row in rows]

    return read


@pytest.fixture
async def seven(app_connection: asyncpg.Connection) -> list[asyncpg.Record]:
    """Wallets A to G, newest first."""
    made = [await app_connection.fetchrow("select * from wallet.create_wallet($1)", name) for name in "ABCDEFG"]
    return made[::-1]


async def test_it_is_empty_without_wallets(names: Names) -> None:
    assert await names() == []


async def test_it_answers_whole_wallets_newest_first(
    app_connection: asyncpg.Connection, seven: list[asyncpg.Record]
) -> None:
    assert await app_connection.fetch("select * from wallet.list_wallets()") == seven


@pytest.mark.usefixtures("seven")
async def test_it_answers_no_more_than_asked_for(names: Names) -> None:
    assert await names(p_limit=3) == ["G", "F", "E"]


async def test_it_answers_fifty_unless_told_otherwise(app_connection: asyncpg.Connection, names: Names) -> None:
    await app_connection.execute("select wallet.create_wallet() from generate_series(1, 51)")
    assert len(await names()) == 50


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1001])
async def test_its_pages_cover_every_wallet_once_even_if_more_are_made_meanwhile(
    app_connection: asyncpg.Connection, seven: list[asyncpg.Record], limit: int
) -> None:
    seen: list[asyncpg.Record] = []
    before: tuple[datetime | None, UUID | None] = (None, None)
    while page := await app_connection.fetch("select * from wallet.list_wallets($1, $2, $3)", limit, *before):
        seen += page
        assert len(seen) <= len(seven)
        before = (page[-1]["created_at"], page[-1]["id"])
        await app_connection.execute("select wallet.create_wallet('made meanwhile')")
    assert seen == seven


async def test_its_pages_cover_wallets_of_one_moment_once(
    app_connection: asyncpg.Connection, superuser_connection: asyncpg.Connection, seven: list[asyncpg.Record]
) -> None:
    await superuser_connection.execute(
        "update wallet.wallets set created_at = $1, updated_at = $1", seven[0]["created_at"]
    )
    # Through the index they would come in order whether asked to or not.
    await app_connection.execute("set enable_indexscan = off; set enable_bitmapscan = off")
    seen: list[UUID] = []
    before: tuple[datetime | None, UUID | None] = (None, None)
    while page := await app_connection.fetch("select * from wallet.list_wallets(2, $1, $2)", *before):
        seen += [wallet["id"] for wallet in page]
        assert len(seen) <= len(seven)
        before = (page[-1]["created_at"], page[-1]["id"])
    assert seen == sorted((wallet["id"] for wallet in seven), reverse=True)


@pytest.fixture
async def named(app_connection: asyncpg.Connection) -> None:
    """Wallets with names to search for, and one without."""
    for name in ("Алиса", "АЛИСА и Боб", "Alice", "100%", "100", "a_b", "axb", "back\\slash", None):
        await app_connection.execute("select wallet.create_wallet($1)", name)


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("алиса", ["АЛИСА и Боб", "Алиса"]),
        ("АЛИСА", ["АЛИСА и Боб", "Алиса"]),
        ("боб", ["АЛИСА и Боб"]),
        ("ali", ["Alice"]),
        ("LICE", ["Alice"]),
        ("00%", ["100%"]),
        ("a_b", ["a_b"]),
        ("k\\s", ["back\\slash"]),
        ("...", []),
        ("Alice ", []),
    ],
)
async def test_it_finds_names_that_contain_the_text_whatever_the_case(
    names: Names, q: str, found: list[str | None]
) -> None:
    assert await names(p_q=q) == found


@pytest.mark.usefixtures("named")
@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("аЛ", ["АЛИСА и Боб", "Алиса"]),
        ("b", ["back\\slash"]),
        ("1", ["100", "100%"]),
        ("%", []),
        ("a_", ["a_b"]),
        ("\\", []),
    ],
)
async def test_it_finds_names_that_begin_with_a_text_too_short_for_trigrams(
    names: Names, q: str, found: list[str | None]
) -> None:
    assert await names(p_q=q) == found


@pytest.mark.parametrize("form", [str, lambda wallet_id: str(wallet_id).upper()], ids=["lower", "upper"])
async def test_it_finds_a_wallet_by_its_id(
    app_connection: asyncpg.Connection, seven: list[asyncpg.Record], form: Callable[[UUID], str]
) -> None:
    found = await app_connection.fetch("select * from wallet.list_wallets(p_q => $1)", form(seven[3]["id"]))
    assert found == [seven[3]]


@pytest.fixture
async def diverse(app_connection: asyncpg.Connection) -> None:
    """Wallets of each status, in two currencies."""
    for currency in ("RUB", "EUR"):
        for status in ("ACTIVE", "FROZEN", "CLOSED"):
            wallet_id = await app_connection.fetchval(
                "select id from wallet.create_wallet($1, $2)", f"{status} {currency}", currency
            )
            await app_connection.execute("select wallet.set_wallet_status($1, $2)", wallet_id, status)


@pytest.mark.usefixtures("diverse")
@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"p_status": "FROZEN"}, ["FROZEN EUR", "FROZEN RUB"]),
        ({"p_currency": "EUR"}, ["CLOSED EUR", "FROZEN EUR", "ACTIVE EUR"]),
        ({"p_status": "CLOSED", "p_currency": "RUB"}, ["CLOSED RUB"]),
        ({"p_status": "ACTIVE", "p_q": "eur"}, ["ACTIVE EUR"]),
        ({"p_status": "UNKNOWN"}, []),
        ({"p_currency": "USD"}, []),
    ],
)
async def test_it_keeps_the_wallets_that_pass_every_filter(
    names: Names, filters: dict[str, str], found: list[str | None]
) -> None:
    assert await names(**filters) == found


@pytest.mark.usefixtures("diverse")
async def test_it_pages_through_what_passes_the_filters(app_connection: asyncpg.Connection, names: Names) -> None:
    first = await app_connection.fetchrow("select * from wallet.list_wallets(1, p_status => 'FROZEN')")
    following = await names(
        p_limit=1, p_before_created_at=first["created_at"], p_before_id=first["id"], p_status="FROZEN"
    )
    assert [first["name"], *following] == ["FROZEN EUR", "FROZEN RUB"]


@pytest.mark.parametrize("limit", [None, 0, -1, 1002])
async def test_it_refuses_a_page_of_another_length(
    app_connection: asyncpg.Connection, refused: Refused, limit: int | None
) -> None:
    async with refused("WA015"):
        await app_connection.execute("select wallet.list_wallets($1)", limit)


async def test_it_finds_nothing_by_an_unknown_id(app_connection: asyncpg.Connection, wallet_id: UUID) -> None:
    unknown = uuid4()
    assert unknown != wallet_id
    assert await app_connection.fetch("select * from wallet.list_wallets(p_q => $1)", str(unknown)) == []
