"""The language of a page: the reader's choice, else the one that the browser prefers, else English.

The catalogues are read from their sources, the .po files: a compiled copy could be out of date.
"""

import contextlib
import gettext as standard
import re
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from io import BytesIO
from pathlib import Path

from aiohttp import web
from babel.dates import UTC, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from jinja2 import Environment

from service.web import Handler

DEFAULT = "en"
LANGUAGES = {"en": "English", "ru": "Русский"}
LANGUAGE: web.RequestKey[str] = web.RequestKey("LANGUAGE", str)
COOKIE = "wallets_language"

_LOCALE = Path(__file__).resolve().parents[2] / "templates" / "locale"
_COOKIE_SECONDS = 365 * 24 * 3600
_QUALITY = re.compile(r"(?:q\s*=\s*([01](?:\.[0-9]{0,3})?))?", re.IGNORECASE)

_spoken: ContextVar[str] = ContextVar("language", default=DEFAULT)


@web.middleware
async def speak(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Sets the language of a request; must be the outermost middleware that renders pages."""
    request[LANGUAGE] = negotiate(request)
    with speaking(request[LANGUAGE]):
        return await handler(request)


@contextlib.contextmanager
def speaking(name: str) -> Iterator[None]:
    """Makes a language the current one."""
    token = _spoken.set(name)
    try:
        yield
    finally:
        _spoken.reset(token)


def install(environment: Environment) -> None:
    """Gives templates `_()`, `{% trans %}`, `language()`, `languages` and the filters `time` and `date`."""
    environment.add_extension("jinja2.ext.i18n")
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_callables(  # type: ignore[attr-defined] # added by the extension
        gettext, ngettext, newstyle=True
    )
    environment.globals.update(language=language, languages=LANGUAGES)
    environment.filters.update(
        time=lambda moment: format_time(moment, language()),
        date=lambda moment: format_date(moment, language()),
    )


def language() -> str:
    """The language of the current request."""
    return _spoken.get()


def remember(response: web.StreamResponse, chosen: str, *, secure: bool) -> None:
    """Keeps a choice of the reader's, unless there is no catalogue for it."""
    if chosen in LANGUAGES:
        response.set_cookie(
            COOKIE, chosen, path="/admin/", max_age=_COOKIE_SECONDS, httponly=True, samesite="Lax", secure=secure
        )


def negotiate(request: web.BaseRequest) -> str:
    """The language for a request: of the cookie, else of `Accept-Language`."""
    chosen = request.cookies.get(COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = ",".join(request.headers.getall("Accept-Language", []))
    ranges = [_quality(item) for item in wanted.split(",")]
    for quality, name in sorted(ranges, key=lambda item: -item[0]):
        primary = DEFAULT if name == "*" else name.partition("-")[0]
        if quality > 0 and primary in LANGUAGES:
            return primary
    return DEFAULT


def _quality(item: str) -> tuple[float, str]:
    name, _, parameter = item.partition(";")
    quality = _QUALITY.fullmatch(parameter.strip())
    return float(quality[1] or 1) if quality else 0.0, name.strip().lower()


@cache
def translations(name: str) -> standard.NullTranslations:
    """The catalogue of a language; the messages themselves are English."""
    if name == DEFAULT:
        return standard.NullTranslations()
    with (_LOCALE / name / "LC_MESSAGES" / "messages.po").open("rb") as source:
        catalogue = read_po(source, locale=name, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return standard.GNUTranslations(compiled)


def N_(message: str) -> str:  # noqa: N802 -- the name by which catalogues are extracted
    """Marks a message that is translated where it is shown."""
    return message


def gettext(message: str) -> str:
    """A message in the language of the request."""
    return translations(language()).gettext(message)


def ngettext(singular: str, plural: str, n: int) -> str:
    """A message about n things in the language of the request."""
    return translations(language()).ngettext(singular, plural, n)


def format_time(moment: datetime, locale: str) -> str:
    """A moment in UTC, to the second: 24 Nov 2026, 09:15:00."""
    return format_datetime(moment, "d MMM y, HH:mm:ss", tzinfo=UTC, locale=locale)


def format_date(moment: datetime, locale: str) -> str:
    """The day of a moment, in UTC: 24 Nov 2026."""
    return format_datetime(moment, "d MMM y", tzinfo=UTC, locale=locale)
