"""The admin page over real HTTP, a file of tests per subject."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from argon2 import PasswordHasher
from conftest import serving
from multidict import CIMultiDictProxy
from yarl import URL

from service.admin.passwords import PASSWORDS, Passwords
from service.app import create_app

# Takes no time, unlike the service's own.
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
USERNAME = "alice"
PASSWORD = "correct horse battery staple"
PASSWORD_HASH = CHEAP.hash(PASSWORD)
UNKNOWN = "00000000-0000-4000-8000-000000000000"


class _Forms(HTMLParser):
    """The forms of a page that are posted: what each would send as it is, by where it would send it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str]] = {}
        self._fields: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._fields = {}
            if attributes.get("method") == "post":
                self.found[urlsplit(attributes["action"]).path] = self._fields
        elif tag == "input" and "name" in attributes:
            self._fields[attributes["name"]] = attributes.get("value", "")


class Page(NamedTuple):
    """A response, read to its end."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str

    @property
    def forms(self) -> dict[str, dict[str, str]]:
        forms = _Forms()
        forms.feed(self.text)
        return forms.found

    @property
    def location(self) -> str:
        assert self.status in (303, 308), self.status
        return self.headers["Location"]

    def explains(self, field: str) -> bool:
        """Whether the form says what is wrong with a field."""
        return f'id="{field}-error" role="alert"' in self.text


class Browser:
    """Fills in forms; does not follow redirects."""

    def __init__(self, address: str, *, keeps_cookies: bool = True) -> None:
        # unsafe: accepts cookies from an IP address too.
        jar = aiohttp.CookieJar(unsafe=True) if keeps_cookies else aiohttp.DummyCookieJar()
        self.client = aiohttp.ClientSession(address, cookie_jar=jar)

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.key: cookie.value for cookie in self.client.cookie_jar}

    async def request(self, method: str, path: str | URL, **options: Any) -> Page:
        async with self.client.request(method, path, allow_redirects=False, **options) as response:
            return Page(response.status, response.headers, await response.text())

    async def get(self, path: str, **options: Any) -> Page:
        return await self.request("GET", path, **options)

    async def post(self, path: str, data: Any = None, **options: Any) -> Page:
        return await self.request("POST", path, data=data, **options)

    async def send(self, path: str, *, on: str, headers: dict[str, str] | None = None, **typed: Any) -> Page:
        """Fills in the form that a page has for a path, and sends it."""
        form = (await self.get(on)).forms[path]
        return await self.post(path, form | typed, headers=headers)

    async def sign_in(self, username: str = USERNAME, password: str = PASSWORD) -> Page:
        return await self.send("/admin/login", on="/admin/login", username=username, password=password)

    async def is_signed_in(self) -> bool:
        return (await self.get("/admin/password")).status == 200


def create_admin_app(database_url: str, hasher: PasswordHasher = CHEAP, **options: Any) -> web.Application:
    """The service's application, with cheap hashes."""
    app = create_app(database_url, **options)
    app[PASSWORDS] = Passwords(hasher)
    return app


@asynccontextmanager
async def visiting(app: web.Application, **options: Any) -> AsyncIterator[Browser]:
    """A browser on a service of its own."""
    async with serving(app) as address:
        browser = Browser(address, **options)
        async with browser.client:
            yield browser
