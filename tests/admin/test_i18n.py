"""The language of a page, and catalogues that leave no message out."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from http.cookies import Morsel
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from babel.messages.pofile import read_po
from jinja2 import Environment

from service.admin import i18n

ROOT = Path(__file__).resolve().parents[2]


def test_the_language_is_a_known_choice_or_the_browsers() -> None:
    for accepted, language in {
        "ru": "ru",
        "ru-RU,ru;q=0.9,en-US;q=0.8,en;q=0.7": "ru",
        "RU-ru": "ru",
        "en-GB,ru;q=0.9": "en",
        "ru;q=0.5,en;q=0.6": "en",
        "fr,de;q=0.9,ru;q=0.1": "ru",
        "fr,*;q=0.5,ru;q=0.1": "en",
        "ru;q=0": "en",
        "ru;q=nan": "en",
        "ru;q=1e9, en;q=0.1": "en",
        "ru; q = 0.9, en; q=0.1": "ru",
        ",;,=;q": "en",
        "": "en",
        "rub": "en",
    }.items():
        request = make_mocked_request("GET", "/", {"Accept-Language": accepted})
        assert i18n.negotiate(request) == language, accepted
    for chosen, language in (("en", "en"), ("../../etc", "ru")):
        headers = {"Accept-Language": "ru", "Cookie": f"{i18n.COOKIE}={chosen}"}
        assert i18n.negotiate(make_mocked_request("GET", "/", headers)) == language


def test_only_a_known_choice_is_kept() -> None:
    response = web.Response()
    i18n.remember(response, "xx", secure=False)
    assert not response.cookies
    i18n.remember(response, "ru", secure=True)
    [cookie] = response.cookies.values()
    assert isinstance(cookie, Morsel)
    assert (cookie.key, cookie.value, cookie["path"], cookie["samesite"]) == (i18n.COOKIE, "ru", "/admin/", "Lax")
    assert (cookie["secure"], cookie["httponly"]) == (True, True)


def test_russian_has_three_plurals() -> None:
    with i18n.speaking("ru"):
        for n, word in (
            (1, "зачисление"),
            (2, "зачисления"),
            (5, "зачислений"),
            (11, "зачислений"),
            (21, "зачисление"),
        ):
            assert i18n.ngettext("%(count)s deposit", "%(count)s deposits", n) % {"count": n} == f"{n} {word}"


def test_templates_speak_the_language_of_the_request() -> None:
    environment = Environment(autoescape=True)
    i18n.install(environment)
    template = environment.from_string(
        "{{ language() }} {{ _('Deposits') }} {% trans %} Withdrawals {% endtrans %} {{ at|date }} {{ at|time }}"
    )
    with i18n.speaking("ru"):
        text = template.render(at=datetime(2026, 11, 24, 1, 2, 3, tzinfo=timezone(timedelta(hours=3))))
    assert text == "ru Зачисления Списания 23 нояб. 2026 23 нояб. 2026, 22:02:03"
    assert i18n.language() == "en"
    assert i18n.format_time(datetime(2026, 1, 2, 13, 4, 5, tzinfo=UTC), "en") == "2 Jan 2026, 13:04:05"
    template = environment.from_string("{{ _('Hello %(name)s', name=name) }}{% trans %}Hello {{ name }}{% endtrans %}")
    assert template.render(name="<b>") == "Hello &lt;b&gt;" * 2


@pytest.mark.parametrize("language", sorted(i18n.LANGUAGES.keys() - {i18n.DEFAULT}))
def test_every_message_is_translated_and_no_other(language: str, tmp_path: Path) -> None:
    template = tmp_path / "messages.pot"
    command = (sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract", "-F", "pyproject.toml", "-o")
    subprocess.run([*command, template, "."], cwd=ROOT, check=True)
    with template.open("rb") as source:
        wanted = {message.id for message in read_po(source) if message.id}
    with (ROOT / "templates" / "locale" / language / "LC_MESSAGES" / "messages.po").open("rb") as source:
        catalogue = read_po(source, locale=language)
    known = {message.id: message for message in catalogue if message.id}
    assert known.keys() == wanted, "make catalog, then translate what is new"
    assert not catalogue.obsolete
    for message in known.values():
        strings = message.string if isinstance(message.string, tuple) else [message.string]
        assert all(strings), f"no translation: {message.id}"
        assert not message.fuzzy, message.id
        assert not list(message.check(catalogue)), message.id
