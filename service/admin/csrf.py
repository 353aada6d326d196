"""Forms that only our own pages can send: each has a token that another site can neither read nor generate."""

import hmac
from collections.abc import Mapping
from hashlib import sha256

import jinja2
from aiohttp import web
from markupsafe import Markup

from service.admin import session
from service.admin.session import ADMIN

_FIELD = "csrf"
_COOKIE = "wallets_form"
_GENERATED: web.RequestKey[str] = web.RequestKey("_GENERATED", str)


@jinja2.pass_context
def field(context: jinja2.runtime.Context) -> Markup:
    """`{{ csrf_field() }}`, which every posted form needs."""
    return Markup('<input type="hidden" name="{}" value="{}">').format(_FIELD, _token(_secret(context["request"])))


def keep(request: web.Request, response: web.StreamResponse) -> None:
    """Gives a browser that is not signed in the secret of the forms on a page."""
    if generated := request.get(_GENERATED):
        session.set_cookie(request, response, _COOKIE, generated)


def is_foreign(request: web.Request) -> bool:
    """Whether a browser says that another site sent this."""
    if site := request.headers.get("Sec-Fetch-Site"):
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and origin.partition("://")[2].lower() != request.host.lower()


def is_ours(request: web.Request, form: Mapping[str, str]) -> bool:
    """Whether a form came from a page that was shown to this very browser."""
    return hmac.compare_digest(form.get(_FIELD, "").encode(), _token(_secret(request)).encode())


def _secret(request: web.Request) -> str:
    """The session's token, or a random one of the browser's own where there is no session yet."""
    if ADMIN in request:
        return request[ADMIN].token
    if kept := session.read_cookie(request, _COOKIE):
        return kept
    if _GENERATED not in request:
        request[_GENERATED] = session.new_token()
    return request[_GENERATED]


def _token(secret: str) -> str:
    return hmac.digest(secret.encode(), b"csrf", sha256).hex()
