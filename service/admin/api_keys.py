"""The API keys: listing, creating and revoking them."""

import re
from http import HTTPStatus

import asyncpg
from aiohttp import web

from service import api_keys, errors, vocabulary
from service.admin import page
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.session import ADMIN
from service.database import admin_calls
from service.database.pool import POOL
from service.errors import Problem

_MAX_LISTED = 500
_KEY = re.compile(r"wk_[A-Za-z0-9_-]{43}")


def setup(app: web.Application) -> None:
    """Adds the pages."""
    app.router.add_get("/keys/", list_keys, name="keys")
    new = app.router.add_resource("/keys/new", name="new_key")
    new.add_route("GET", new_key)
    new.add_route("POST", create_key)
    revoke = app.router.add_resource(f"/keys/{{id:{vocabulary.UUID.pattern}}}/revoke", name="revoke_key")
    revoke.add_route("GET", revocation_form)
    revoke.add_route("POST", revoke_key)


async def list_keys(request: web.Request) -> web.Response:
    """All API keys, revoked ones too."""
    listed = await admin_calls.list_api_keys(request.config_dict[POOL], _MAX_LISTED)
    return page.render(request, "keys.html", keys=listed)


async def new_key(request: web.Request) -> web.Response:
    """The form of an API key. The key is generated with it: sent twice, the form creates one key and shows it again."""
    return _render_form(
        request, {"key": api_keys.generate(), "name": "", "scope": api_keys.SCOPES[0], "rate_limit": ""}, {}
    )


async def create_key(request: web.Request) -> web.Response:
    """Creates an API key and shows it, once."""
    form = request[FORM]
    typed = {name: form.get(name, "") for name in ("key", "name", "scope", "rate_limit")}
    if not _KEY.fullmatch(typed["key"]):
        raise Problem(errors.INVALID_REQUEST, "key must be the API key that was generated for the form")
    rate_limit, wrong = _check(typed)
    if wrong:
        return _render_form(request, typed, wrong)
    try:
        created = await admin_calls.create_api_key(
            request.config_dict[POOL],
            request[ADMIN],
            typed["name"].strip(),
            typed["scope"],
            api_keys.digest(typed["key"]),
            rate_limit,
        )
    except asyncpg.PostgresError as exc:
        if exc.sqlstate == errors.INVALID_NAME.sqlstate:
            wrong["name"] = _("A name must be 1 to %(max)s characters, without control characters.") % {
                "max": vocabulary.MAX_API_KEY_NAME
            }
        elif exc.sqlstate == errors.API_KEY_ALREADY_EXISTS.sqlstate:
            wrong["name"] = _("An API key with this name already exists. Revoke it first, or choose another name.")
            typed["key"] = api_keys.generate()
        else:
            raise
        return _render_form(request, typed, wrong)
    return page.render(request, "key.html", created=created, key=typed["key"])


async def revocation_form(request: web.Request) -> web.Response:
    """Asks for confirmation."""
    wanted = request.match_info["id"].lower()
    for key in await admin_calls.list_api_keys(request.config_dict[POOL], _MAX_LISTED):
        if str(key["id"]) == wanted:
            return page.render(request, "revoke_key.html", key=key)
    raise Problem(errors.API_KEY_NOT_FOUND, f"API key not found: {wanted}")


async def revoke_key(request: web.Request) -> web.Response:
    """Revokes an API key."""
    await admin_calls.revoke_api_key(request.config_dict[POOL], request[ADMIN], request.match_info["id"])
    return page.redirect(str(request.app.router["keys"].url_for().with_query(done="revoked")))


def _check(typed: dict[str, str]) -> tuple[int | None, dict[str, str]]:
    """The rate limit, None for none, and what is wrong with the form by field."""
    wrong: dict[str, str] = {}
    if typed["scope"] not in api_keys.SCOPES:
        wrong["scope"] = _("Choose a scope.")
    if not (text := typed["rate_limit"].strip()):
        return None, wrong
    try:
        return api_keys.rate_limit(text), wrong
    except ValueError:
        return None, wrong | {"rate_limit": _("A rate limit must be a whole number from 1 to 999999.")}


def _render_form(request: web.Request, typed: dict[str, str], wrong: dict[str, str]) -> web.Response:
    status = HTTPStatus.BAD_REQUEST if wrong else HTTPStatus.OK
    return page.render(request, "new_key.html", status, typed=typed, errors=wrong, scopes=api_keys.SCOPES)
