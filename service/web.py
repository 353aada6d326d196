"""What all parts of the application agree on."""

from collections.abc import Awaitable, Callable

from aiohttp import web

REQUEST_ID: web.RequestKey[str] = web.RequestKey("REQUEST_ID", str)

API_KEY: web.RequestKey[str] = web.RequestKey("API_KEY", str)

TRACE_ID: web.RequestKey[str] = web.RequestKey("TRACE_ID", str)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
