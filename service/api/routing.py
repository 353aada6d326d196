"""What a route of the API is: how it is reached, what it takes and returns, and the problems that it may return."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, NamedTuple

from aiohttp import web
from msgspec import Struct

from service.api.guard import ApiKeyCache, guarded
from service.api_keys import Scope
from service.errors import ProblemType
from service.web import Handler

Schema = dict[str, Any]


class Parameter(NamedTuple):
    """A parameter of the query string or a request header."""

    name: str
    description: str
    schema: Schema
    location: str = "query"
    example: str | None = None


class Header(NamedTuple):
    """A header of a response."""

    description: str
    schema: Schema


class Link(NamedTuple):
    """A request that can be made with what a response contains."""

    handler: str
    description: str
    parameters: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """An endpoint. Problems that any request can get are not repeated here."""

    method: str
    path: str
    handler: Handler
    scope: Scope
    response: type[Struct]
    status: HTTPStatus = HTTPStatus.OK
    request: type[Struct] | None = None
    parameters: tuple[Parameter, ...] = ()
    problems: tuple[ProblemType, ...] = ()
    headers: Mapping[str, Header] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)


def setup(app: web.Application, routes: Iterable[Route], api_keys: ApiKeyCache | None) -> None:
    """Adds routes, each with and without its trailing slash."""
    for route in routes:
        # A plain `{wallet_id}` would not match an id in braces.
        pattern = route.path.rstrip("/").replace("_id}", "_id:[^/]+}")
        handler = route.handler if api_keys is None else guarded(route.handler, route.scope, api_keys)
        app.router.add_route(route.method, pattern, handler)
        app.router.add_route(route.method, f"{pattern}/", handler)
