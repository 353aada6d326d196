"""The language switch at the foot of every page."""

from aiohttp import web

from service.admin import i18n, page, session
from service.admin.guard import FORM


def setup(app: web.Application) -> None:
    """Adds the form's target."""
    app.router.add_post("/language", choose_language, name="language")


async def choose_language(request: web.Request) -> web.Response:
    """Remembers the choice and leads back to the page where it was made."""
    response = page.redirect(page.local(request[FORM].get("next", "")))
    i18n.remember(response, request[FORM].get("language", ""), secure=session.is_secure(request))
    return response
