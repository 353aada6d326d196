"""The admin page: server-rendered, below `/admin/`, complete without JavaScript.

An application of its own within the service's. To add pages: a module with a `setup(app)` that adds its routes, by
name, listed in `create_admin_app`. A handler finds the session as `request[ADMIN]`, a checked form as `request[FORM]`,
and responds with `page.render` or `page.redirect`.
"""

from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from service.admin import (
    api_keys,
    audit,
    csrf,
    currencies,
    export,
    guard,
    i18n,
    language,
    login,
    operation,
    overview,
    passwords,
    session,
    static,
    status,
    totals,
    verification,
    wallet,
    wallets,
    wording,
)
from service.admin.page import PREFIX

_TEMPLATES = Path(__file__).resolve().parents[2] / "templates"


def setup(app: web.Application, tls_proxy: bool) -> None:
    """Mounts the admin page."""
    app.router.add_get(PREFIX.rstrip("/"), _add_slash)
    passwords.setup(app)
    app.add_subapp(PREFIX, create_admin_app(tls_proxy))


def create_admin_app(tls_proxy: bool) -> web.Application:
    """The application below `/admin/`; it uses the pool of the one that it is mounted in."""
    app = web.Application(middlewares=[i18n.speak, guard.show_errors, guard.admit])
    app[session.TLS_PROXY] = tls_proxy
    app.on_response_prepare.append(guard.set_headers)
    env = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    i18n.install(env)
    wording.install(env)
    currencies.setup(app, env)
    env.globals["csrf_field"] = csrf.field
    static.setup(app, env, _TEMPLATES / "static")
    for part in (
        *(login, language, overview, totals, audit),
        *(wallets, wallet, operation, status, verification, export, api_keys),
    ):
        part.setup(app)
    return app


async def _add_slash(_: web.Request) -> web.Response:
    return web.Response(status=308, headers={"Location": PREFIX})
