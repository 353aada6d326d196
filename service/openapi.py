"""The contract for programs: `/api/openapi.json` (OpenAPI 3.1), made of what validates, and `/api/docs` to read it."""

import importlib.util
from collections.abc import Iterable
from http import HTTPStatus
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web

from service import errors
from service.api import ROUTES, Route
from service.api.schema import (
    CURRENCY,
    DEFAULT_PAGE,
    KEY,
    MAX_BULK_KEY,
    MAX_KEY,
    MAX_PAGE,
    STATUSES,
    ProblemBody,
    whole,
)
from service.errors import ProblemType
from service.keys import SCOPES

_REFERENCE = "#/components/schemas/{name}"
_DOCS = Path(__file__).resolve().parents[1] / "templates" / "docs"
# Not imported: of the package, only the files that a browser takes are of use here.
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

# What any request may meet, and what one with a body.
_ALWAYS = (errors.REQUEST_TIMEOUT, errors.OVERLOADED, errors.DATABASE_UNAVAILABLE, errors.INTERNAL_ERROR)
_WITH_BODY = (errors.INVALID_REQUEST, errors.PAYLOAD_TOO_LARGE, errors.UNSUPPORTED_MEDIA_TYPE)
_WITH_KEY = (errors.UNAUTHORIZED, errors.FORBIDDEN, errors.RATE_LIMITED)


def _header(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string"} | schema}


def _key(most: int) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "Whoever sends the same key and request again gets the first answer again. Keys do not expire.",
        "schema": {"type": "string", "pattern": whole(KEY), "maxLength": most},
        "example": "order-17",
    }


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"} | schema}


_PARAMETERS = {
    "Idempotency-Key": _key(MAX_KEY),
    "Bulk-Idempotency-Key": _key(MAX_BULK_KEY),
    "limit": _query("limit", "Items a page", type="integer", minimum=1, maximum=MAX_PAGE, default=DEFAULT_PAGE),
    "cursor": _query("cursor", "The `next_cursor` of an earlier page"),
    "q": _query("q", "A part of the name, in any case", pattern=r"^[^\u0000]*$"),
    "status": _query("status", "Wallets of this status alone", enum=["", *STATUSES]),
    "currency": _query("currency", "Wallets of this currency alone (ISO 4217)", pattern=f"^({CURRENCY.pattern})?$"),
}
_IN_PATH = {
    "wallet_id": "What a wallet's `id` says",
    "operation_id": "What an operation's `operation_id` says",
}

_REQUEST_ID = {"X-Request-ID": _header("The request's id, the caller's own if one was sent; also in the log")}
_REPLAYED = {
    "Idempotent-Replayed": _header("`true` where this is the answer that was given before", enum=["true"]),
}
_BY_STATUS: dict[int, dict[str, Any]] = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": _header("`Bearer`")},
    HTTPStatus.FORBIDDEN: {"WWW-Authenticate": _header("`Bearer`, and the scope that is needed")},
    HTTPStatus.TOO_MANY_REQUESTS: {"Retry-After": _header("Seconds", pattern="^[0-9]+$")},
    HTTPStatus.SERVICE_UNAVAILABLE: {"Retry-After": _header("Seconds", pattern="^[0-9]+$")},
}


def _link(target: str, description: str, **parameters: str) -> dict[str, Any]:
    return {"operationId": target, "description": description, "parameters": parameters}


_OF_NEW_WALLET = {"wallet_id": "$response.body#/id"}
_OF_SAME_WALLET = {"wallet_id": "$request.path.wallet_id"}
_LINKS = {
    "create_wallet": {
        "balance": _link("get_balance", "What it holds", **_OF_NEW_WALLET),
        "details": _link("get_wallet", "All of it", **_OF_NEW_WALLET),
        "operate": _link("apply_operation", "Deposit to it", **_OF_NEW_WALLET),
        "history": _link("list_operations", "Its operations", **_OF_NEW_WALLET),
    },
    "apply_operation": {
        "balance": _link("get_balance", "What the wallet holds now", **_OF_SAME_WALLET),
        "history": _link("list_operations", "The wallet's operations", **_OF_SAME_WALLET),
        "operation": _link(
            "get_operation", "The operation", **_OF_SAME_WALLET, operation_id="$response.body#/operation_id"
        ),
    },
    "list_wallets": {"next": _link("list_wallets", "The next page", cursor="$response.body#/next_cursor")},
    "list_operations": {
        "next": _link("list_operations", "The next page", **_OF_SAME_WALLET, cursor="$response.body#/next_cursor")
    },
}


def document(*, auth: bool) -> dict[str, Any]:
    """The whole contract, of a service that asks for API keys or does not."""
    bodies = {body for route in ROUTES for body in (route.takes, route.gives) if body} | {ProblemBody}
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
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": (
                        f"An API key, of scope {', '.join(SCOPES[:-1])} or {SCOPES[-1]}. "
                        f"This service {'asks' if auth else 'does not ask'} for one."
                    ),
                }
            },
        },
    }


def setup(app: web.Application, *, auth: bool) -> None:
    """Adds the routes."""
    contract = msgspec.json.encode(document(auth=auth))

    async def openapi(_: web.Request) -> web.Response:
        return web.Response(body=contract, content_type="application/json")

    for path in ("/api/openapi.json", "/api/openapi.json/"):
        app.router.add_get(path, openapi)
    app.router.add_get("/api/docs", _add_slash)
    app.router.add_get("/api/docs/{name:[a-z.-]*}", docs)


async def docs(request: web.Request) -> web.FileResponse:
    """The page that shows the contract, and its parts."""
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


def _operation(route: Route, *, auth: bool) -> dict[str, Any]:
    name = route.handler.__name__
    in_path = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    refusals = (*route.refusals, *_ALWAYS, *(_WITH_BODY if route.takes else ()), *(_WITH_KEY if auth else ()))
    success = HTTPStatus.CREATED if name in ("apply_operation", "create_wallet") else HTTPStatus.OK
    headers = dict(_REQUEST_ID)
    if name == "create_wallet":
        headers["Location"] = _header("Where the wallet is", format="uri-reference")
    if any(parameter.endswith("Idempotency-Key") for parameter in route.parameters):
        headers |= _REPLAYED
    told: dict[str, Any] = {
        "operationId": name,
        "tags": ["wallets"],
        "summary": (route.handler.__doc__ or "").strip(),
        "parameters": [
            *(
                {
                    "name": parameter,
                    "in": "path",
                    "required": True,
                    "description": _IN_PATH[parameter],
                    "schema": {"type": "string", "format": "uuid"},
                }
                for parameter in in_path
            ),
            *(_PARAMETERS[parameter] for parameter in route.parameters),
        ],
        "responses": {
            str(int(success)): {
                "description": (route.gives.__doc__ or "").strip(),
                "headers": headers,
                "content": {"application/json": {"schema": _schema(route.gives)}},
                "links": _LINKS.get(name, {}),
            },
            **_refusals(refusals),
        },
    }
    if route.takes is not None:
        told["requestBody"] = {"required": True, "content": {"application/json": {"schema": _schema(route.takes)}}}
    if auth:
        told["security"] = [{"key": []}]
        told["description"] = f"For API keys of scope {' or '.join(SCOPES[route.scope - 1 :])}."
    return told


def _refusals(entries: Iterable[ProblemType]) -> dict[str, Any]:
    """A response for each status, with an example for each code that it may have."""

    def status(entry: ProblemType) -> int:
        return entry.status

    return {
        str(int(code)): {
            "description": " · ".join(entry.title for entry in same),
            "headers": _REQUEST_ID | _BY_STATUS.get(code, {}),
            "content": {
                "application/problem+json": {
                    "schema": {
                        "allOf": [
                            _schema(ProblemBody),
                            {"properties": {"code": {"enum": [entry.code for entry in same]}}},
                        ]
                    },
                    "examples": {entry.code: {"value": _example(entry)} for entry in same},
                }
            },
        }
        for code, group in groupby(sorted(dict.fromkeys(entries), key=status), key=status)
        if (same := list(group))
    }


def _example(entry: ProblemType) -> dict[str, Any]:
    return {
        "type": errors.urn(entry),
        "title": entry.title,
        "status": int(entry.status),
        "detail": "what is particular to this request",
        "code": entry.code,
    }


def _schema(body: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(name=body.__name__)}
