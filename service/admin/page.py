"""Pages and redirects: what every handler of the admin page answers with."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import aiohttp_jinja2
from aiohttp import web

from service.admin.session import ADMIN
from service.web import REQUEST_ID

PREFIX = "/admin/"
# Nothing that a browser would repair into something else: no backslash, no control character, no blank.
_LOCAL = re.compile(r"/admin/[!#-;=?-\[\]_a-z~]*")


def render(request: web.Request, template: str, /, status: int = HTTPStatus.OK, **context: object) -> web.Response:
    """A page. Its template has `request`, `request_id`, and `admin`: who is signed in, or None."""
    known: dict[str, Any] = {
        "request": request,
        "request_id": request[REQUEST_ID],
        "admin": request.get(ADMIN),
    }
    return aiohttp_jinja2.render_template(template, request, known | context, status=status)


def redirect(location: str) -> web.Response:
    """Leads on to a page, with GET."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


def to_login(request: web.Request) -> web.Response:
    """Leads to the log-in page, and afterwards back to the page that was asked for."""
    query = {}
    resource = request.match_info.route.resource
    # Who signs in after a form was sent comes back to the form, if there is a page where it was sent to.
    if resource is not None and any(route.method == "GET" for route in resource):
        query["next"] = str(request.rel_url)
        if request.method == "POST":
            query["done"] = "nothing"
    return redirect(str(request.app.router["login"].url_for().with_query(query)))


def local(location: str) -> str:
    """A path below `/admin/` as it was given, or the start page for anything else."""
    path = unquote(location.partition("?")[0])
    is_local = _LOCAL.fullmatch(location) and not {".", ".."} & set(path.split("/")) and "\\" not in path
    return location if is_local else PREFIX
