"""The OpenAPI 3.1 document, generated from the routes, and Swagger UI: `/api/openapi.json` and `/api/docs`."""

import importlib.util
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Annotated, Any

import msgspec
from aiohttp import web

from service import errors
from service.api import ROUTES
from service.api.fields import described
from service.api.routing import Header, Link, Parameter, Route, Schema
from service.api_keys import SCOPES
from service.errors import ProblemType

_REFERENCE = "#/components/schemas/{name}"
_DOCS = Path(__file__).resolve().parents[2] / "templates" / "docs"
# Found, not imported: only the package's static files are needed.
_UI = Path(str(importlib.util.find_spec("swagger_ui").origin)).parent / "static"  # type: ignore[union-attr]
_FILES = {
    "": (_DOCS / "index.html", "text/html"),
    "docs.js": (_DOCS / "docs.js", "text/javascript"),
    "swagger-ui-bundle.js": (_UI / "swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": (_UI / "swagger-ui.css", "text/css"),
}
_CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# The problems that any request can get, one with a body, and one with an API key.
_ALWAYS = (errors.REQUEST_TIMEOUT, errors.OVERLOADED, errors.DATABASE_UNAVAILABLE, errors.INTERNAL_ERROR)
_WITH_BODY = (errors.INVALID_REQUEST, errors.PAYLOAD_TOO_LARGE, errors.UNSUPPORTED_MEDIA_TYPE)
_WITH_API_KEY = (errors.UNAUTHORIZED, errors.FORBIDDEN, errors.RATE_LIMITED)

_STRING = {"type": "string"}
_IN_PATH = {"wallet_id": "The wallet's `id`", "operation_id": "The operation's `operation_id`"}
_REQUEST_ID = {"X-Request-ID": Header("The request's id: the caller's, or a generated one; also in the log", _STRING)}
_RETRY_AFTER = {"Retry-After": Header("Seconds", {"type": "string", "pattern": "^[0-9]+$"})}
_BY_STATUS: dict[int, dict[str, Header]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": Header("`Bearer`", _STRING)},
    HTTPStatus.FORBIDDEN: {"WWW-Authenticate": Header("`Bearer`, and the scope that is needed", _STRING)},
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}


class ProblemBody(msgspec.Struct, rename={"kind": "type"}):
    """Why a request failed (RFC 9457). `code` is for programs, `detail` for people."""

    kind: Annotated[str, described("The code as a URN", "urn:wallets:problem:wallet_not_found", format="uri")]
    title: Annotated[str, described("The same for every problem with this code", "Wallet not found")]
    status: Annotated[int, described("The status of the response", 404)]
    detail: Annotated[str, described("What was wrong with this request", "wallet not found: wallet_id must be a UUID")]
    code: Annotated[str, described("The kind of problem", "wallet_not_found")]


def setup(app: web.Application, *, auth: bool) -> None:
    """Adds the routes."""
    content = msgspec.json.encode(document(auth=auth))

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=content, content_type="application/json")

    for path in ("/api/openapi.json", "/api/openapi.json/"):
        app.router.add_get(path, openapi)
    app.router.add_get("/api/docs", _add_slash)
    app.router.add_get("/api/docs/{name:[a-z.-]*}", docs)


async def docs(request: web.Request) -> web.FileResponse:
    """Swagger UI and its files."""
    found = _FILES.get(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    path, media_type = found
    return web.FileResponse(
        path,
        headers={
            "Content-Type": f"{media_type}; charset=utf-8",
            "Content-Security-Policy": _CONTENT_SECURITY,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-cache",
        },
    )


async def _add_slash(_: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.PERMANENT_REDIRECT, headers={"Location": "/api/docs/"})


def document(*, auth: bool) -> Schema:
    """The whole document, of a service that requires API keys or does not."""
    bodies = {body for route in ROUTES for body in (route.request, route.response) if body} | {ProblemBody}
    _, schemas = msgspec.json.schema_components(sorted(bodies, key=lambda body: body.__name__), ref_template=_REFERENCE)
    paths: dict[str, Any] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, auth=auth)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Wallets",
            "version": version("wallets"),
            "description": (
                "Holds wallets and moves money. Amounts are whole minor units (cents) of a wallet's currency. Each "
                "path works with and without its trailing slash. Unknown members of a body are ignored."
            ),
        },
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"key": _security_scheme(auth=auth)}},
    }


def _security_scheme(*, auth: bool) -> Schema:
    scopes = f"{', '.join(SCOPES[:-1])} or {SCOPES[-1]}"
    requires = "requires" if auth else "does not require"
    return {
        "type": "http",
        "scheme": "bearer",
        "description": f"An API key, of scope {scopes}. This service {requires} one.",
    }


def _operation(route: Route, *, auth: bool) -> Schema:
    problems = (
        *route.problems,
        *_ALWAYS,
        *(_WITH_BODY if route.request else ()),
        *(_WITH_API_KEY if auth else ()),
    )
    operation: Schema = {
        "operationId": route.handler.__name__,
        "tags": ["wallets"],
        "summary": route.handler.__doc__,
        "parameters": [*_path_parameters(route), *map(_parameter, route.parameters)],
        "responses": {str(int(route.status)): _success(route), **_problems(problems)},
    }
    if route.request is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema(route.request)}},
        }
    if auth:
        operation["security"] = [{"key": []}]
        operation["description"] = f"For API keys of scope {' or '.join(SCOPES[route.scope - 1 :])}."
    return operation


def _path_parameters(route: Route) -> list[Schema]:
    return [
        {
            "name": part[1:-1],
            "in": "path",
            "required": True,
            "description": _IN_PATH[part[1:-1]],
            "schema": {"type": "string", "format": "uuid"},
        }
        for part in route.path.split("/")
        if part.startswith("{")
    ]


def _parameter(parameter: Parameter) -> Schema:
    described = {
        "name": parameter.name,
        "in": parameter.location,
        "description": parameter.description,
        "schema": parameter.schema,
    }
    return described if parameter.example is None else described | {"example": parameter.example}


def _success(route: Route) -> Schema:
    return {
        "description": route.response.__doc__,
        "headers": _headers(_REQUEST_ID | dict(route.headers)),
        "content": {"application/json": {"schema": _schema(route.response)}},
        "links": {name: _link(link) for name, link in route.links.items()},
    }


def _headers(headers: dict[str, Header]) -> Schema:
    return {name: header._asdict() for name, header in headers.items()}


def _link(link: Link) -> Schema:
    return {"operationId": link.handler, "description": link.description, "parameters": link.parameters}


def _problems(kinds: Iterable[ProblemType]) -> Schema:
    """A response for each status, with an example of each of its codes."""

    def status(kind: ProblemType) -> int:
        return kind.status

    return {
        str(int(code)): {
            "description": " · ".join(kind.title for kind in same),
            "headers": _headers(_REQUEST_ID | _BY_STATUS.get(code, {})),
            "content": {
                "application/problem+json": {
                    "schema": {
                        "allOf": [
                            _schema(ProblemBody),
                            {"properties": {"code": {"enum": [kind.code for kind in same]}}},
                        ]
                    },
                    "examples": {kind.code: {"value": _example(kind)} for kind in same},
                }
            },
        }
        for code, group in groupby(sorted(dict.fromkeys(kinds), key=status), key=status)
        if (same := list(group))
    }


def _example(kind: ProblemType) -> Schema:
    return errors.content(kind, "what was wrong with this request")


def _schema(body: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=body.__name__)}
