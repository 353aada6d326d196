"""Pages and redirects: the responses of the admin page."""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import aiohttp_jinja2
from aiohttp import web

from service.admin.session import ADMIN
from service.web import REQUEST_ID

PREFIX = "/admin/"
# Nothing that a browser would change into something else: no backslash, control character or blank.
_LOCAL = re.compile(r"/admin/[!#-;=?-\[\]_a-z~]*")


def render(request: web.Request, template: str, /, status: int = HTTPStatus.OK, **context: object) -> web.Response:
    """A page. Its template has `request`, `request_id`, and `admin`: the session, or None."""
    known: dict[str, Any] = {
        "request": request,
        "request_id": request[REQUEST_ID],
        "admin": request.get(ADMIN),
    }
    return aiohttp_jinja2.render_template(template, request, known | context, status=status)


def redirect(location: str) -> web.Response:
    """Leads to a page, with GET."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": location})


def to_login(request: web.Request) -> web.Response:
    """Leads to the sign-in page, and afterwards back to the requested page."""
    query = {}
    resource = request.match_info.route.resource
    # After a form was sent, back to the page of its URL, if it has one.
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
