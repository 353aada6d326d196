"""Who is signed in: a random token in a cookie, which the database knows by its sha256 and can forget at any time.

Not aiohttp-session: what it keeps, the database has to hold anyway, since every action proves its session there, within
its own transaction, and a session that was ended is ended for all processes at once.
"""

import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, ip_address

from aiohttp import web

from service.database.pool import POOL

_TOKEN_BYTES = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_SESSION = "wallets_session"

TLS_PROXY: web.AppKey[bool] = web.AppKey("TLS_PROXY", bool)

Address = IPv4Address | IPv6Address


@dataclass(frozen=True)
class Session:
    """An admin who is signed in, and where from. The token proves it to the functions of the database."""

    username: str
    token: str = field(repr=False)
    address: Address | None
    signed_in_at: datetime
    expires_at: datetime


ADMIN: web.RequestKey[Session] = web.RequestKey("ADMIN", Session)


async def find(request: web.Request) -> Session | None:
    """The session that a request belongs to."""
    token = read_cookie(request, _SESSION)
    if token is None:
        return None
    row = await request.config_dict[POOL].fetchrow("select * from wallet.get_session($1)", token)
    if row is None:
        return None
    return Session(row["username"], token, address(request), row["signed_in_at"], row["expires_at"])


async def begin(request: web.Request, response: web.Response, username: str) -> None:
    """Signs an admin in, under a new token whatever the browser had before."""
    token = new_token()
    await request.config_dict[POOL].execute(
        "select wallet.begin_session($1, $2, $3)", username, token, address(request)
    )
    set_cookie(request, response, _SESSION, token)


async def end(request: web.Request, session: Session) -> None:
    """Makes a session's token worthless."""
    await request.config_dict[POOL].execute("select wallet.end_session($1, $2)", session.token, session.address)


def forget(request: web.Request, response: web.Response) -> None:
    """Takes the session's cookie out of the browser."""
    # A browser drops a __Host- cookie only for one that has the same attributes.
    response.del_cookie(
        _cookie_name(request, _SESSION), path="/", secure=is_secure(request), httponly=True, samesite="Lax"
    )


def new_token() -> str:
    """A secret that cannot be guessed."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def read_cookie(request: web.Request, name: str) -> str | None:
    """A token from a cookie; None when what is there cannot be one of ours."""
    token = request.cookies.get(_cookie_name(request, name), "")
    return token if _TOKEN.fullmatch(token) else None


def set_cookie(request: web.Request, response: web.StreamResponse, name: str, token: str) -> None:
    """Gives a token to the browser until it is closed, out of reach of scripts and of other sites."""
    response.set_cookie(
        _cookie_name(request, name), token, path="/", secure=is_secure(request), httponly=True, samesite="Lax"
    )


def is_secure(request: web.Request) -> bool:
    """Whether the browser came by TLS."""
    return request.secure or request.config_dict[TLS_PROXY]


def address(request: web.Request) -> Address | None:
    """The client's address: as the proxy says, where there is one, else the peer's."""
    peer = _address(request.remote or "")
    if not request.config_dict[TLS_PROXY]:
        return peer
    # The last one is what our proxy added; all before it is what the client said.
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
    return _address(forwarded.rpartition(",")[2].strip()) or peer


def _address(text: str) -> Address | None:
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found


def _cookie_name(request: web.Request, name: str) -> str:
    # With this prefix a browser takes it only from this very host over TLS: no neighbour can plant one.
    return f"__Host-{name}" if is_secure(request) else name
