"""The API keys: who may call, since when; one made, one revoked."""

import re
from http import HTTPStatus

import asyncpg
from aiohttp import web

from service import api_keys, errors
from service.admin import page
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.session import ADMIN
from service.database.pool import POOL
from service.errors import Problem

_MOST = 500
_KEY = re.compile(r"wk_[A-Za-z0-9_-]{43}")
_KEY_PATH = "/keys/{id:[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}}/revoke"


def setup(app: web.Application) -> None:
    """Adds the pages."""
    app.router.add_get("/keys/", list_keys, name="keys")
    new = app.router.add_resource("/keys/new", name="new_key")
    new.add_route("GET", new_key)
    new.add_route("POST", create_key)
    revoke = app.router.add_resource(_KEY_PATH, name="revoke_key")
    revoke.add_route("GET", revocation_form)
    revoke.add_route("POST", revoke_key)


async def list_keys(request: web.Request) -> web.Response:
    """The keys there are and were."""
    return page.render(request, "keys.html", keys=await _listed(request))


async def new_key(request: web.Request) -> web.Response:
    """The form for a key, which is drawn with it: sent twice, it makes one key, and shows it again."""
    return _form(request, {"key": api_keys.generate(), "name": "", "scope": api_keys.SCOPES[0], "rate_limit": ""}, {})


async def create_key(request: web.Request) -> web.Response:
    """Makes a key, and shows it."""
    form, admin = request[FORM], request[ADMIN]
    typed = {name: form.get(name, "") for name in ("key", "name", "scope", "rate_limit")}
    rate_limit: int | None = None
    wrong: dict[str, str] = {}
    if not _KEY.fullmatch(typed["key"]):
        raise Problem(errors.INVALID_REQUEST, "an API key is one that was drawn for its form")
    if typed["scope"] not in api_keys.SCOPES:
        wrong["scope"] = _("Choose what the key is for.")
    if text := typed["rate_limit"].strip():
        try:
            rate_limit = api_keys.rate_limit(text)
        except ValueError:
            wrong["rate_limit"] = _("A limit is a number of requests a second from 1 to 999999.")
    if wrong:
        return _form(request, typed, wrong)
    try:
        made = await request.config_dict[POOL].fetchrow(
            "select * from wallet.admin_create_api_key($1, $2, $3, $4, $5, $6)",
            admin.token,
            admin.address,
            typed["name"].strip(),
            typed["scope"],
            api_keys.digest(typed["key"]),
            rate_limit,
        )
    except asyncpg.PostgresError as exc:
        if exc.sqlstate == "WA014":
            wrong["name"] = _("A name has 1 to 100 characters, and no control characters.")
        elif exc.sqlstate == "WA023":
            wrong["name"] = _("There is already a key of this name. Revoke it first, or choose another name.")
            typed["key"] = api_keys.generate()
        else:
            raise
        return _form(request, typed, wrong)
    return page.render(request, "key.html", made=made, key=typed["key"])


async def revocation_form(request: web.Request) -> web.Response:
    """Asks whether it is meant."""
    wanted = request.match_info["id"].lower()
    for key in await _listed(request):
        if str(key["id"]) == wanted:
            return page.render(request, "revoke_key.html", key=key)
    raise Problem(errors.BY_SQLSTATE["WA024"], "there is no such API key")


async def revoke_key(request: web.Request) -> web.Response:
    """Revokes a key."""
    admin = request[ADMIN]
    await request.config_dict[POOL].execute(
        "select wallet.admin_revoke_api_key($1, $2, $3)", admin.token, admin.address, request.match_info["id"]
    )
    return page.redirect(str(request.app.router["keys"].url_for().with_query(done="revoked")))


async def _listed(request: web.Request) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await request.config_dict[POOL].fetch("select * from wallet.list_api_keys($1)", _MOST)
    return rows


def _form(request: web.Request, typed: dict[str, str], wrong: dict[str, str]) -> web.Response:
    status = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK
    return page.render(request, "new_key.html", status, typed=typed, errors=wrong)
