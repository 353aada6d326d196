"""Signing in and out, and changing one's own password."""

from http import HTTPStatus

import asyncpg
from aiohttp import web

from service import errors
from service.admin import page, session
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.passwords import PASSWORDS
from service.admin.session import ADMIN
from service.database import admin_calls
from service.database.pool import POOL


def setup(app: web.Application) -> None:
    """Adds the pages."""
    app.router.add_get("/login", login_form, name="login")
    app.router.add_post("/login", login, name="login")
    app.router.add_post("/logout", logout, name="logout")
    app.router.add_get("/password", password_form, name="password")
    app.router.add_post("/password", change_password, name="password")


async def login_form(request: web.Request) -> web.Response:
    """The form to sign in. An admin who is signed in already is led on."""
    target, done = request.query.get("next", ""), request.query.get("done", "")
    if await session.find(request):
        return page.redirect(page.local(target))
    return page.render(request, "login.html", target=target, done=done, username="", wrong="")


async def login(request: web.Request) -> web.Response:
    """Signs in, and leads to the requested page."""
    form = request[FORM]
    username, target = form.get("username", ""), form.get("next", "")
    status = await _prove(request, username, form.get("password", ""))
    if status != HTTPStatus.OK:
        wrong = _too_many() if status == HTTPStatus.TOO_MANY_REQUESTS else _("The username or the password is wrong.")
        return page.render(request, "login.html", status, target=target, done="", username=username, wrong=wrong)
    response = page.redirect(page.local(target))
    await session.begin(request, response, username)
    return response


async def logout(request: web.Request) -> web.Response:
    """Signs out."""
    await admin_calls.end_session(request.config_dict[POOL], request[ADMIN])
    return _signed_out(request, "logout")


async def password_form(request: web.Request) -> web.Response:
    """The form to change one's own password."""
    return page.render(request, "password.html", errors={})


async def change_password(request: web.Request) -> web.Response:
    """Changes the password, which ends every session of the admin."""
    form, admin, passwords = request[FORM], request[ADMIN], request.config_dict[PASSWORDS]
    new = form.get("new", "")
    wrong: dict[str, str] = {}
    if weakness := await passwords.weakness(admin.username, new):
        wrong["new"] = _(weakness)
    if form.get("again", "") != new:
        wrong["again"] = _("The two passwords are not the same.")
    if wrong:
        return page.render(request, "password.html", HTTPStatus.BAD_REQUEST, errors=wrong)
    # Limited like signing in: an open session must not help to guess the password.
    status = await _prove(request, admin.username, form.get("current", ""))
    if status != HTTPStatus.OK:
        wrong["current"] = _too_many() if status == HTTPStatus.TOO_MANY_REQUESTS else _("This is not your password.")
        return page.render(request, "password.html", status, errors=wrong)
    await admin_calls.set_admin_password(request.config_dict[POOL], admin, await passwords.digest(new))
    return _signed_out(request, "password")


async def _prove(request: web.Request, username: str, password: str) -> HTTPStatus:
    """OK if a password is the admin's; it takes as long if there is no such admin."""
    pool, passwords, address = request.config_dict[POOL], request.config_dict[PASSWORDS], session.address(request)
    try:
        stored = await admin_calls.begin_login(pool, username, address)
    except asyncpg.PostgresError as exc:
        if exc.sqlstate != errors.TOO_MANY_ATTEMPTS.sqlstate:
            raise
        return errors.TOO_MANY_ATTEMPTS.status
    if not await passwords.verify(stored, password) or stored is None:
        await admin_calls.refuse_login(pool, username, address)
        return HTTPStatus.FORBIDDEN
    if passwords.is_outdated(stored):
        await admin_calls.renew_password_hash(pool, username, stored, await passwords.digest(password))
    return HTTPStatus.OK


def _too_many() -> str:
    return _("Too many failed sign-in attempts. Try again in 15 minutes.")


def _signed_out(request: web.Request, done: str) -> web.Response:
    response = page.redirect(str(request.app.router["login"].url_for().with_query(done=done)))
    session.forget(request, response)
    return response
