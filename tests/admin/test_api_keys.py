"""The pages for API keys."""

import re

import asyncpg
import pytest

from service import api_keys

from . import Browser

pytestmark = pytest.mark.shared_database

LIST = "/admin/keys/"
NEW = "/admin/keys/new"


async def listed(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch("select * from wallet.list_api_keys(10)")
    return rows


async def test_a_key_is_created_shown_once_and_accepted(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    response = await signed_in.send(NEW, on=NEW, name=" shop ", scope="operate", rate_limit="20")
    assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
    (key,) = set(re.findall(r"wk_[\w-]{43}", response.text))
    (created,) = await app_connection.fetch("select * from wallet.check_api_keys($1)", [api_keys.digest(key)])
    assert (created["name"], created["scope"], created["rate_limit"]) == ("shop", "operate", 20)
    for path, text in ((LIST, "shop"), (NEW, ""), ("/admin/audit/", "Create an API key"), ("/admin/", "")):
        page = await signed_in.get(path)
        assert text in page.text
        assert key not in page.text


async def test_a_form_creates_one_key_however_often_sent(
    signed_in: Browser, app_connection: asyncpg.Connection
) -> None:
    form = (await signed_in.get(NEW)).forms[NEW] | {"name": "shop", "scope": "manage"}
    responses = [await signed_in.request("POST", NEW, data=form) for _ in range(2)]
    assert [response.status for response in responses] == [200, 200]
    assert all(form["key"] in response.text for response in responses)
    assert len(await listed(app_connection)) == 1


async def test_wrong_input_is_explained_and_creates_nothing(
    signed_in: Browser, app_connection: asyncpg.Connection
) -> None:
    await app_connection.execute("select wallet.create_api_key('taken', 'read', $1)", api_keys.digest("another"))
    form = (await signed_in.get(NEW)).forms[NEW] | {"name": "shop", "scope": "read"}
    for field, typed in (
        *(("name", " "), ("name", "a" * 101), ("name", "taken"), ("scope", "all")),
        *(("rate_limit", "0"), ("rate_limit", "1.5"), ("rate_limit", "1000000")),
    ):
        response = await signed_in.request("POST", NEW, data=form | {field: typed})
        assert response.status == 400
        assert f'id="{field}-error" role="alert"' in response.text
    assert (await signed_in.request("POST", NEW, data=form | {"key": "password"})).status == 400
    assert len(await listed(app_connection)) == 1


async def test_a_key_is_revoked_once_it_is_confirmed(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", api_keys.digest("a key"))
    (key,) = await listed(app_connection)
    path = f"/admin/keys/{key['id']}/revoke"
    assert path in (await signed_in.get(LIST)).text
    responses = [await signed_in.send(path, on=path) for _ in range(2)]
    assert [response.status for response in responses] == [303, 303]
    (revoked,) = await listed(app_connection)
    assert revoked["revoked_at"] is not None
    page = await signed_in.get(responses[0].headers["Location"])
    assert "The API key is revoked" in page.text
    assert path not in page.text


async def test_an_unknown_key_is_not_found(signed_in: Browser) -> None:
    assert (await signed_in.get("/admin/keys/00000000-0000-4000-8000-000000000000/revoke")).status == 404
