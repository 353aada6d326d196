"""The pages for API keys."""

import re

import asyncpg
import pytest

from service import api_keys

from . import Browser

LIST = "/admin/keys/"
NEW = "/admin/keys/new"


async def listed(connection: asyncpg.Connection) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await connection.fetch("select * from wallet.list_api_keys(10)")
    return rows


async def test_a_key_is_made_shown_and_accepted(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    answer = await signed_in.send(NEW, on=NEW, name=" shop ", scope="operate", rate_limit="20")
    assert answer.status == 200
    (key,) = set(re.findall(r"wk_[\w-]{43}", answer.text))
    (made,) = await app_connection.fetch("select * from wallet.check_api_keys($1)", [api_keys.digest(key)])
    assert (made["name"], made["scope"], made["rate_limit"]) == ("shop", "operate", 20)
    assert answer.headers["Cache-Control"] == "no-store"


async def test_it_is_shown_nowhere_else(signed_in: Browser) -> None:
    answer = await signed_in.send(NEW, on=NEW, name="shop", scope="read")
    (key,) = set(re.findall(r"wk_[\w-]{43}", answer.text))
    for path in (LIST, NEW, "/admin/audit/", "/admin/"):
        page = await signed_in.get(path)
        assert key not in page.text
    assert "shop" in (await signed_in.get(LIST)).text
    assert "Make an API key" in (await signed_in.get("/admin/audit/")).text


async def test_a_form_that_is_sent_twice_makes_one_key_and_shows_it_again(
    signed_in: Browser, app_connection: asyncpg.Connection
) -> None:
    form = (await signed_in.get(NEW)).forms[NEW] | {"name": "shop", "scope": "manage"}
    answers = [await signed_in.request("POST", NEW, data=form) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    assert all(form["key"] in answer.text for answer in answers)
    assert len(await listed(app_connection)) == 1


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("name", {"name": " "}),
        ("name", {"name": "a" * 101}),
        ("name", {"name": "taken"}),
        ("scope", {"scope": "all"}),
        ("rate_limit", {"rate_limit": "0"}),
        ("rate_limit", {"rate_limit": "1.5"}),
        ("rate_limit", {"rate_limit": "1000000"}),
    ],
)
async def test_wrong_input_is_explained_and_makes_nothing(
    signed_in: Browser, app_connection: asyncpg.Connection, field: str, typed: dict[str, str]
) -> None:
    await app_connection.execute("select wallet.create_api_key('taken', 'read', $1)", api_keys.digest("another"))
    form = (await signed_in.get(NEW)).forms[NEW] | {"name": "shop", "scope": "read"} | typed
    answer = await signed_in.request("POST", NEW, data=form)
    assert answer.status == 400
    assert f'id="{field}-error" role="alert"' in answer.text
    assert len(await listed(app_connection)) == 1


async def test_a_key_that_was_not_drawn_is_refused(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    answer = await signed_in.send(NEW, on=NEW, name="shop", scope="read", key="password")
    assert answer.status == 400
    assert await listed(app_connection) == []


async def test_a_key_is_revoked_once_it_is_confirmed(signed_in: Browser, app_connection: asyncpg.Connection) -> None:
    await app_connection.execute("select wallet.create_api_key('shop', 'read', $1)", api_keys.digest("a key"))
    (key,) = await listed(app_connection)
    path = f"/admin/keys/{key['id']}/revoke"
    assert path in (await signed_in.get(LIST)).text
    answers = [await signed_in.send(path, on=path) for _ in range(2)]
    assert [answer.status for answer in answers] == [303, 303]
    (revoked,) = await listed(app_connection)
    assert revoked["revoked_at"] is not None
    page = await signed_in.get(answers[0].headers["Location"])
    assert "The key is revoked" in page.text
    assert path not in page.text


async def test_a_key_that_is_none_is_not_found(signed_in: Browser) -> None:
    assert (await signed_in.get("/admin/keys/00000000-0000-4000-8000-000000000000/revoke")).status == 404
