"""Who is signed in: a random token in a cookie, which the database knows by its sha256.

Not aiohttp-session: the database must hold sessions anyway, because every action proves its session there in its own
transaction, and a session that has ended has ended for all processes at once.
"""

import re
import secrets
from ipaddress import IPv6Address, ip_address

from aiohttp import web

from service.database import admin_calls
from service.database.admin_calls import Address, Session
from service.database.pool import POOL

_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_SESSION = "wallets_session"

TLS_PROXY: web.AppKey[bool] = web.AppKey("TLS_PROXY", bool)

ADMIN: web.RequestKey[Session] = web.RequestKey("ADMIN", Session)


async def find(request: web.Request) -> Session | None:
    """The session that a request belongs to."""
    token = read_cookie(request, _SESSION)
    if token is None:
        return None
    return await admin_calls.get_session(request.config_dict[POOL], token, address(request))


async def begin(request: web.Request, response: web.Response, username: str) -> None:
    """Signs an admin in under a new token."""
    token = new_token()
    await admin_calls.begin_session(request.config_dict[POOL], username, token, address(request))
    set_cookie(request, response, _SESSION, token)


def forget(request: web.Request, response: web.Response) -> None:
    """Deletes the session's cookie."""
    # A browser drops a __Host- cookie only for one that has the same attributes.
    response.del_cookie(
        _cookie_name(request, _SESSION), path="/", secure=is_secure(request), httponly=True, samesite="Lax"
    )


def new_token() -> str:
    """A secret that cannot be guessed."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def read_cookie(request: web.Request, name: str) -> str | None:
    """A token from a cookie; None if it cannot be one of ours."""
    token = request.cookies.get(_cookie_name(request, name), "")
    return token if _TOKEN.fullmatch(token) else None


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, token: str) -> None:
    """Gives the browser a token until it is closed, out of reach of scripts and of other sites."""
    response.set_cookie(
        _cookie_name(request, name), token, path="/", secure=is_secure(request), httponly=True, samesite="Lax"
    )


def is_secure(request: web.Request) -> bool:
    """Whether the browser uses TLS."""
    return request.secure or request.config_dict[TLS_PROXY]


def address(request: web.Request) -> Address | None:
    """The client's address: from the proxy, if there is one, else the peer's."""
    peer = _address(request.remote or "")
    if not request.config_dict[TLS_PROXY]:
        return peer
    # Our proxy added the last one; the client can choose all before it.
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
    return _address(forwarded.rpartition(",")[2].strip()) or peer


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _cookie_name(request: web.Request, name: str) -> str:
    # With this prefix a browser accepts it only from this very host over TLS: no other subdomain can set one.
    return f"__Host-{name}" if is_secure(request) else name
