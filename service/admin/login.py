"""Getting in and out: the log-in page, the log-out button, and the change of one's own password."""

from http import HTTPStatus

import asyncpg
from aiohttp import web

from service.admin import page, passwords, session
from service.admin.guard import FORM
from service.admin.i18n import gettext as _
from service.admin.session import ADMIN
from service.database.pool import POOL


def setup(app: web.Application) -> None:
    """Adds the pages."""
    app.router.add_get("/login", login_form, name="login")
    app.router.add_post("/login", login, name="login")
    app.router.add_post("/logout", logout, name="logout")
    app.router.add_get("/password", password_form, name="password")
    app.router.add_post("/password", change_password, name="password")


async def login_form(request: web.Request) -> web.Response:
    """The form to sign in, with a word on why it is shown; who is signed in already is led on."""
    target, done = request.query.get("next", ""), request.query.get("done", "")
    if await session.find(request):
        return page.redirect(page.local(target))
    return page.render(request, "login.html", target=target, done=done, username="", wrong="")


async def login(request: web.Request) -> web.Response:
    """Signs in, and leads to the page that was asked for."""
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
    await session.end(request, request[ADMIN])
    return _signed_out(request, "logout")


async def password_form(request: web.Request) -> web.Response:
    """The form to change one's own password."""
    return page.render(request, "password.html", errors={})


async def change_password(request: web.Request) -> web.Response:
    """Changes the password, which ends every session of the admin: also those of whoever had learned the old one."""
    form, admin = request[FORM], request[ADMIN]
    new = form.get("new", "")
    wrong: dict[str, str] = {}
    if weakness := await passwords.weakness(admin.username, new):
        wrong["new"] = _(weakness)
    if form.get("again", "") != new:
        wrong["again"] = _("The two passwords are not the same.")
    if wrong:
        return page.render(request, "password.html", HTTPStatus.BAD_REQUEST, errors=wrong)
    # Limited as a log-in is: a session that was left open is no way to guess the password.
    status = await _prove(request, admin.username, form.get("current", ""))
    if status != HTTPStatus.OK:
        wrong["current"] = _too_many() if status == HTTPStatus.TOO_MANY_REQUESTS else _("This is not your password.")
        return page.render(request, "password.html", status, errors=wrong)
    await request.config_dict[POOL].execute(
        "select wallet.set_admin_password($1, $2, $3, $4)",
        admin.username,
        await passwords.digest(new),
        admin.token,
        admin.address,
    )
    return _signed_out(request, "password")


async def _prove(request: web.Request, username: str, password: str) -> HTTPStatus:
    """OK when a password is the admin's; it takes as long when there is no such admin."""
    pool, address = request.config_dict[POOL], session.address(request)
    try:
        stored = await pool.fetchval("select wallet.begin_login($1, $2)", username, address)
    except asyncpg.PostgresError as exc:
        if exc.sqlstate != "WA019":
            raise
        return HTTPStatus.TOO_MANY_REQUESTS
    if not await passwords.verify(stored, password):
        await pool.execute("select wallet.refuse_login($1, $2)", username, address)
        return HTTPStatus.FORBIDDEN
    if passwords.is_outdated(stored):
        renewed = await passwords.digest(password)
        await pool.execute("select wallet.renew_password_hash($1, $2, $3)", username, stored, renewed)
    return HTTPStatus.OK


def _too_many() -> str:
    return _("Too many attempts to sign in have failed. Try again in 15 minutes.")


def _signed_out(request: web.Request, done: str) -> web.Response:
    response = page.redirect(str(request.app.router["login"].url_for().with_query(done=done)))
    session.forget(request, response)
    return response
