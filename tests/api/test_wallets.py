"""Making wallets, looking at one, and paging through all of them."""

import base64
import re
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from . import UNKNOWN, Answer, Call, ReadState, Refused

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.mark.parametrize("slash", ["/", ""])
async def test_creating_answers_the_whole_wallet(call: Call, slash: str) -> None:
    answer = await call("POST", f"/api/wallets{slash}", json={"name": "Alice", "currency": "EUR"})
    wallet = answer.json
    assert (answer.status, answer.headers["content-type"]) == (201, "application/json")
    assert list(wallet) == ["id", "name", "currency", "status", "balance", "last_seq", "created_at", "updated_at"]
    assert {name: wallet[name] for name in ("name", "currency", "status", "balance", "last_seq")} == {
        "name": "Alice",
        "currency": "EUR",
        "status": "ACTIVE",
        "balance": 0,
        "last_seq": 0,
    }
    assert wallet["id"] == str(UUID(wallet["id"]))


async def test_creating_says_where_the_wallet_is(call: Call) -> None:
    created = await call("POST", "/api/wallets/", json={"name": "Alice"})
    found = await call("GET", created.headers["location"])
    assert (found.status, found.content) == (200, created.content)


@pytest.mark.parametrize("body", [{}, {"name": None}, {"color": "red"}])
async def test_a_wallet_has_no_name_and_holds_rubles_unless_told(call: Call, body: dict[str, object]) -> None:
    answer = await call("POST", "/api/wallets/", json=body)
    assert (answer.status, answer.json["name"], answer.json["currency"]) == (201, None, "RUB")


@pytest.mark.parametrize(
    "name", ["A", "н" * 200, "👛" * 200, "👩‍👩‍👧", "  spaced  ", 'O\'Hara \\ "100 %"', "<b>&amp;", "\u202e"]
)
async def test_a_name_is_kept_to_the_letter(call: Call, name: str) -> None:
    answer = await call("POST", "/api/wallets/", json={"name": name})
    assert (answer.status, answer.json["name"]) == (201, name)


@pytest.mark.parametrize("name", ["", " ", "н" * 201, "a\0b", "a\nb", "\x1b[31m", "\x7f", 1, ["Alice"]])
async def test_it_refuses_a_bad_name(call: Call, refused: Refused, name: object) -> None:
    await refused(call("POST", "/api/wallets/", json={"name": name}), 400, "invalid_name")


@pytest.mark.parametrize("currency", ["rub", "XXX", "", "RUB\0", None, 643])
async def test_it_refuses_a_bad_currency(call: Call, refused: Refused, currency: object) -> None:
    await refused(call("POST", "/api/wallets/", json={"currency": currency}), 400, "invalid_currency")


async def test_creating_twice_makes_two_wallets(call: Call, state: ReadState) -> None:
    await call("POST", "/api/wallets/", json={"name": "Alice"})
    await call("POST", "/api/wallets/", json={"name": "Alice"})
    assert [row["name"] for row in (await state()).wallets] == ["Alice", "Alice"]


@pytest.mark.parametrize("slash", ["/", ""])
async def test_details_are_what_the_operations_left(call: Call, wallet: str, apply: Call, slash: str) -> None:
    await apply("DEPOSIT", "100")
    await apply("WITHDRAW", "30")
    answer = await call("GET", f"/api/wallets/{wallet}/details{slash}")
    assert (answer.status, answer.json["id"]) == (200, wallet)
    assert (answer.json["balance"], answer.json["last_seq"]) == (70, 2)


async def test_details_refuse_an_unknown_wallet(call: Call, refused: Refused) -> None:
    await refused(call("GET", f"/api/wallets/{UNKNOWN}/details"), 404, "wallet_not_found")


async def test_times_are_utc_to_the_microsecond(call: Call, wallet: str, apply: Call, state: ReadState) -> None:
    await apply("DEPOSIT", "1")
    answer = await call("GET", f"/api/wallets/{wallet}/details")
    (stored,) = (await state()).wallets
    for name in ("created_at", "updated_at"):
        assert TIME.fullmatch(answer.json[name])
        assert datetime.fromisoformat(answer.json[name]) == stored[name]
    assert stored["created_at"] < stored["updated_at"] <= datetime.now(UTC)


async def test_a_time_on_the_full_second_has_its_microseconds_too(
    call: Call, wallet: str, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute("update wallet.wallets set updated_at = '2100-01-02 03:04:05+00'")
    answer = await call("GET", f"/api/wallets/{wallet}/details")
    assert answer.json["updated_at"] == "2100-01-02T03:04:05.000000Z"


async def walk(call: Call, path: str, **filters: str) -> list[Answer]:
    """All pages, from the first to the one without a next."""
    pages = [await call("GET", path, params=filters)]
    while cursor := pages[-1].json["next_cursor"]:
        pages.append(await call("GET", path, params={**filters, "cursor": cursor}))
        assert len(pages) < 100
    return pages


@pytest.mark.parametrize("slash", ["/", ""])
async def test_no_wallets_are_an_empty_page(call: Call, slash: str) -> None:
    answer = await call("GET", f"/api/wallets{slash}")
    assert (answer.status, answer.content) == (200, b'{"items":[],"next_cursor":null}')


@pytest.mark.parametrize(
    ("limit", "sizes"), [(1, [1] * 7), (2, [2, 2, 2, 1]), (6, [6, 1]), (7, [7]), (8, [7]), (1000, [7])]
)
async def test_pages_hold_every_wallet_once_newest_first(call: Call, limit: int, sizes: list[int]) -> None:
    created = [(await call("POST", "/api/wallets/", json={"name": str(n)})).json for n in range(7)]
    pages = await walk(call, "/api/wallets/", limit=str(limit))
    assert [len(page.json["items"]) for page in pages] == sizes
    assert [item for page in pages for item in page.json["items"]] == created[::-1]


async def test_wallets_made_in_one_instant_are_paged_too(call: Call, owner_connection: asyncpg.Connection) -> None:
    await owner_connection.execute(
        "insert into wallet.wallets (id, created_at, updated_at, currency) "
        "select gen_random_uuid(), '2026-01-01Z', '2026-01-01Z', 'RUB' from generate_series(1, 5)"
    )
    ids = [item["id"] for page in await walk(call, "/api/wallets/", limit="2") for item in page.json["items"]]
    assert len(ids) == len(set(ids)) == 5


async def test_a_wallet_made_meanwhile_does_not_move_the_pages(call: Call) -> None:
    first, second, third = [(await call("POST", "/api/wallets/", json={})).json["id"] for _ in range(3)]
    page = (await call("GET", "/api/wallets/", params={"limit": "1"})).json
    await call("POST", "/api/wallets/", json={})
    rest = (await call("GET", "/api/wallets/", params={"cursor": page["next_cursor"]})).json
    assert [page["items"][0]["id"], *(item["id"] for item in rest["items"])] == [third, second, first]


async def test_a_page_has_50_unless_told(call: Call, app_connection: asyncpg.Connection) -> None:
    await app_connection.execute("select wallet.create_wallet() from generate_series(1, 51)")
    page = (await call("GET", "/api/wallets/")).json
    assert len(page["items"]) == 50
    assert page["next_cursor"] is not None


async def test_filters_narrow_the_list(call: Call, app_connection: asyncpg.Connection) -> None:
    ids = {}
    for name, currency in (("Alice", "RUB"), ("Malice", "EUR"), ("Bob", "EUR")):
        ids[name] = (await call("POST", "/api/wallets/", json={"name": name, "currency": currency})).json["id"]
    await app_connection.execute("select wallet.set_wallet_status($1, 'FROZEN')", ids["Malice"])
    for filters, found in (
        ({"q": "ALICE"}, ["Malice", "Alice"]),
        ({"q": ids["Bob"]}, ["Bob"]),
        ({"currency": "EUR"}, ["Bob", "Malice"]),
        ({"status": "FROZEN"}, ["Malice"]),
        ({"q": "alice", "status": "ACTIVE", "currency": "RUB"}, ["Alice"]),
        ({"q": "%"}, []),
        ({"status": "CLOSED"}, []),
        ({"q": "", "status": "", "currency": ""}, ["Bob", "Malice", "Alice"]),
    ):
        answer = await call("GET", "/api/wallets/", params=filters)
        assert [item["name"] for item in answer.json["items"]] == found, filters


async def test_a_filter_holds_on_every_page(call: Call) -> None:
    for n in range(6):
        await call("POST", "/api/wallets/", json={"name": f"{'even' if n % 2 == 0 else 'odd'} {n}"})
    pages = await walk(call, "/api/wallets/", limit="2", q="even")
    assert [item["name"] for page in pages for item in page.json["items"]] == ["even 4", "even 2", "even 0"]


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "+1", "1.0", "", " 1", "ten", "٣", "9" * 5000])
async def test_it_refuses_a_bad_limit(call: Call, refused: Refused, limit: str) -> None:
    await refused(call("GET", "/api/wallets/", params={"limit": limit}), 400, "invalid_limit")


def cursor(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "text",
    ["", "x", "====", "кириллица", "%00", cursor("\0"), cursor("2026-01-01T00:00:00.000000Z")]
    + [cursor(f"{time} {UNKNOWN}") for time in ("2026-13-01T00:00:00.000000Z", "infinity")]
    + [cursor(f"2026-01-01T00:00:00.000000Z {text}") for text in (UNKNOWN[:-1], f"{UNKNOWN} {UNKNOWN}")],
)
async def test_it_refuses_a_cursor_that_it_did_not_give(call: Call, wallet: str, refused: Refused, text: str) -> None:
    await refused(call("GET", "/api/wallets/", params={"cursor": text}), 400, "invalid_request")


@pytest.mark.parametrize("cut", [1, 4])
async def test_it_refuses_a_cursor_that_was_cut_off(call: Call, wallet: str, refused: Refused, cut: int) -> None:
    await call("POST", "/api/wallets/", json={})
    given = (await call("GET", "/api/wallets/", params={"limit": "1"})).json["next_cursor"]
    await refused(call("GET", "/api/wallets/", params={"cursor": given[:-cut]}), 400, "invalid_request")


async def test_it_refuses_the_cursor_of_the_other_list(call: Call, wallet: str, apply: Call, refused: Refused) -> None:
    await call("POST", "/api/wallets/", json={})
    await apply("DEPOSIT", "1")
    await apply("DEPOSIT", "1")
    of_wallets = (await call("GET", "/api/wallets/", params={"limit": "1"})).json["next_cursor"]
    of_operations = (await call("GET", f"/api/wallets/{wallet}/operations/", params={"limit": "1"})).json["next_cursor"]
    assert of_wallets
    assert of_operations
    await refused(call("GET", "/api/wallets/", params={"cursor": of_operations}), 400, "invalid_request")
    await refused(
        call("GET", f"/api/wallets/{wallet}/operations/", params={"cursor": of_wallets}), 400, "invalid_request"
    )
