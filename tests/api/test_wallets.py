"""Creating wallets, reading one, and paging through all of them."""

import base64
import re
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from . import UNKNOWN, Call, ExpectProblem, ReadState, Response

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


async def test_creating_responds_with_the_whole_wallet(call: Call, state: ReadState) -> None:
    for slash in ("/", ""):
        created = await call("POST", f"/api/wallets{slash}", json={"name": "Alice", "currency": "EUR"})
        wallet = created.json
        assert (created.status, created.headers["content-type"]) == (201, "application/json")
        assert wallet == {
            "id": str(UUID(wallet["id"])),
            "name": "Alice",
            "currency": "EUR",
            "status": "ACTIVE",
            "balance": 0,
            "last_seq": 0,
            "created_at": wallet["created_at"],
            "updated_at": wallet["updated_at"],
        }
        found = await call("GET", created.headers["location"])
        assert (found.status, found.content) == (200, created.content)
    assert [row["name"] for row in (await state()).wallets] == ["Alice", "Alice"]


async def test_name_and_currency_are_optional(call: Call) -> None:
    for body in ({}, {"name": None}, {"color": "red"}):
        response = await call("POST", "/api/wallets/", json=body)
        assert (response.status, response.json["name"], response.json["currency"]) == (201, None, "RUB")


async def test_bad_names_and_currencies_are_rejected(call: Call, expect_problem: ExpectProblem) -> None:
    for member, values in (
        ("name", ["", " ", "н" * 201, "a\0b", "a\nb", "\x1b[31m", "\x7f", 1, ["Alice"]]),
        ("currency", ["rub", "XXX", "", "RUB\0", None, 643]),
    ):
        requests = [call("POST", "/api/wallets/", json={member: value}) for value in values]
        await expect_problem(requests, 400, f"invalid_{member}")


async def test_details_show_what_the_operations_left(
    call: Call, wallet: str, apply: Call, state: ReadState, expect_problem: ExpectProblem
) -> None:
    await apply("DEPOSIT", "100")
    await apply("WITHDRAW", "30")
    (stored,) = (await state()).wallets
    for slash in ("/", ""):
        response = await call("GET", f"/api/wallets/{wallet}/details{slash}")
        found = response.json
        assert (response.status, found["id"], found["balance"], found["last_seq"]) == (200, wallet, 70, 2)
        for name in ("created_at", "updated_at"):
            assert TIME.fullmatch(found[name])
            assert datetime.fromisoformat(found[name]) == stored[name]
    assert stored["created_at"] < stored["updated_at"] <= datetime.now(UTC)
    await expect_problem(call("GET", f"/api/wallets/{UNKNOWN}/details"), 404, "wallet_not_found")


async def test_a_full_second_has_its_microseconds_too(
    call: Call, wallet: str, owner_connection: asyncpg.Connection
) -> None:
    await owner_connection.execute("update wallet.wallets set updated_at = '2100-01-02 03:04:05+00'")
    response = await call("GET", f"/api/wallets/{wallet}/details")
    assert response.json["updated_at"] == "2100-01-02T03:04:05.000000Z"


async def walk(call: Call, path: str, **filters: str) -> list[Response]:
    """All pages, from the first to the one without a next."""
    pages = [await call("GET", path, params=filters)]
    while cursor := pages[-1].json["next_cursor"]:
        pages.append(await call("GET", path, params={**filters, "cursor": cursor}))
        assert len(pages) < 100
    return pages


async def test_pages_hold_every_wallet_once_newest_first(call: Call) -> None:
    for slash in ("/", ""):
        assert (await call("GET", f"/api/wallets{slash}")).content == b'{"items":[],"next_cursor":null}'
    created = [(await call("POST", "/api/wallets/", json={"name": str(n)})).json for n in range(7)]
    for limit, sizes in ((1, [1] * 7), (2, [2, 2, 2, 1]), (6, [6, 1]), (7, [7]), (8, [7]), (1000, [7])):
        pages = await walk(call, "/api/wallets/", limit=str(limit))
        assert [len(page.json["items"]) for page in pages] == sizes
        assert [item for page in pages for item in page.json["items"]] == created[::-1]


async def test_wallets_of_one_instant_are_paged_too(call: Call, owner_connection: asyncpg.Connection) -> None:
    await owner_connection.execute(
        "insert into wallet.wallets (id, created_at, updated_at, currency) "
        "select gen_random_uuid(), '2026-01-01Z', '2026-01-01Z', 'RUB' from generate_series(1, 51)"
    )
    ids = [item["id"] for page in await walk(call, "/api/wallets/", limit="2") for item in page.json["items"]]
    assert len(ids) == len(set(ids)) == 51
    assert [len(page.json["items"]) for page in await walk(call, "/api/wallets/")] == [50, 1]


async def test_a_new_wallet_does_not_move_the_pages(call: Call) -> None:
    first, second, third = [(await call("POST", "/api/wallets/", json={})).json["id"] for _ in range(3)]
    page = (await call("GET", "/api/wallets/", params={"limit": "1"})).json
    await call("POST", "/api/wallets/", json={})
    rest = (await call("GET", "/api/wallets/", params={"cursor": page["next_cursor"]})).json
    assert [page["items"][0]["id"], *(item["id"] for item in rest["items"])] == [third, second, first]


async def test_filters_narrow_the_list_on_every_page(call: Call, app_connection: asyncpg.Connection) -> None:
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
        for limit in ("1", "50"):
            pages = await walk(call, "/api/wallets/", limit=limit, **filters)
            assert [item["name"] for page in pages for item in page.json["items"]] == found, filters


async def test_bad_limits_are_rejected(call: Call, expect_problem: ExpectProblem) -> None:
    limits = ["0", "1001", "-1", "+1", "1.0", "", " 1", "ten", "٣", "9" * 5000]
    requests = [call("GET", "/api/wallets/", params={"limit": limit}) for limit in limits]
    await expect_problem(requests, 400, "invalid_limit")


async def test_other_cursors_are_rejected(call: Call, wallet: str, apply: Call, expect_problem: ExpectProblem) -> None:
    await call("POST", "/api/wallets/", json={})
    for _ in range(2):
        await apply("DEPOSIT", "1")
    operations = f"/api/wallets/{wallet}/operations/"
    of_wallets, of_operations = [
        (await call("GET", path, params={"limit": "1"})).json["next_cursor"] for path in ("/api/wallets/", operations)
    ]
    at = "2026-01-01T00:00:00.000000Z"
    texts = ["\0", at, f"2026-13-01T00:00:00.000000Z {UNKNOWN}", f"infinity {UNKNOWN}", f"{at} {UNKNOWN[:-1]}"]
    cursors = ["", "x", "====", "кириллица", "%00", of_wallets[:-1], of_wallets[:-4], of_operations]
    cursors += [base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in texts]
    requests = [call("GET", "/api/wallets/", params={"cursor": cursor}) for cursor in cursors]
    await expect_problem([*requests, call("GET", operations, params={"cursor": of_wallets})], 400, "invalid_request")
