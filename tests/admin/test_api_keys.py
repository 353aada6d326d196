"""The pages for API keys."""

import re

from ledger import Database

from service import api_keys

from . import UNKNOWN, Browser

LIST = "/admin/keys/"
NEW = "/admin/keys/new"


async def test_a_form_creates_one_key_and_shows_it_once(signed_in: Browser, database: Database) -> None:
    form = (await signed_in.get(NEW)).forms[NEW] | {"name": " shop ", "scope": "operate", "rate_limit": "20"}
    for _ in range(2):
        response = await signed_in.post(NEW, form)
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
        assert set(re.findall(r"wk_[\w-]{43}", response.text)) == {form["key"]}
    created = await database.row("check_api_keys", [api_keys.digest(form["key"])])
    assert (created["name"], created["scope"], created["rate_limit"]) == ("shop", "operate", 20)
    assert len(await database.rows("list_api_keys", 10)) == 1
    for path, text in ((LIST, "shop"), (NEW, ""), ("/admin/audit/", "Create an API key"), ("/admin/", "")):
        page = await signed_in.get(path)
        assert text in page.text
        assert form["key"] not in page.text


async def test_wrong_input_is_explained_and_creates_nothing(signed_in: Browser, database: Database) -> None:
    await database.row("create_api_key", "taken", "read", api_keys.digest("another"))
    form = (await signed_in.get(NEW)).forms[NEW] | {"name": "shop", "scope": "read"}
    for field, typed in (
        *(("name", " "), ("name", "a" * 101), ("name", "taken"), ("scope", "all")),
        *(("rate_limit", "0"), ("rate_limit", "1.5"), ("rate_limit", "1000000")),
    ):
        response = await signed_in.post(NEW, form | {field: typed})
        assert (response.status, response.explains(field)) == (400, True), typed
    assert (await signed_in.post(NEW, form | {"key": "password"})).status == 400
    assert len(await database.rows("list_api_keys", 10)) == 1


async def test_a_key_is_revoked_once_it_is_confirmed(signed_in: Browser, database: Database) -> None:
    key = await database.row("create_api_key", "shop", "read", api_keys.digest("a key"))
    path = f"/admin/keys/{key['id']}/revoke"
    assert path in (await signed_in.get(LIST)).text
    locations = [(await signed_in.send(path, on=path)).location for _ in range(2)]
    assert (await database.row("list_api_keys", 10))["revoked_at"] is not None
    page = await signed_in.get(locations[0])
    assert "The API key is revoked" in page.text
    assert path not in page.text
    assert (await signed_in.get(f"/admin/keys/{UNKNOWN}/revoke")).status == 404
