"""Whether the process lives, and whether it can serve."""

from dataclasses import dataclass

import msgspec
from aiohttp import web

from service import database, deploy
from service.database import POOL

_CHECK_SECONDS = 3.0


@dataclass
class Comparison:
    """How the functions in the database differ from ours, as last seen; None once they were found to be the same."""

    difference: str | None = "not yet compared"


_COMPARISON: web.AppKey[Comparison] = web.AppKey("_COMPARISON", Comparison)


def setup(app: web.Application) -> None:
    """Adds the routes."""
    app[_COMPARISON] = Comparison()
    for path, handler in (("/health/live", live), ("/health/ready", ready)):
        app.router.add_get(path, handler)
        app.router.add_get(f"{path}/", handler)


async def live(_: web.Request) -> web.Response:
    """200 for as long as the process answers: restart it when it does not."""
    return _answer(200, "live")


async def ready(request: web.Request) -> web.Response:
    """200 when the database answers and has the functions that this service was written for.

    The functions are compared until they match, and then no more: the next release is deployed to the database before
    its services start, and must not take the ones that still run out of service.
    """
    comparison = request.app[_COMPARISON]
    try:
        async with request.app[POOL].acquire(timeout=_CHECK_SECONDS) as connection:
            await connection.fetchval("select 1", timeout=_CHECK_SECONDS)
            if comparison.difference is not None:
                comparison.difference = await deploy.difference(connection)
    except database.FAILURES:
        return _answer(503, "database_unavailable", "the database does not answer")
    if comparison.difference is not None:
        return _answer(503, "functions_differ", f"{comparison.difference}; run: {deploy.MEND}")
    return _answer(200, "ready")


def _answer(status: int, state: str, detail: str | None = None) -> web.Response:
    content = {"status": state} if detail is None else {"status": state, "detail": detail}
    return web.Response(
        body=msgspec.json.encode(content),
        status=status,
        content_type="application/json",
        headers={"Cache-Control": "no-store"},
    )
