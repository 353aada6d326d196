"""Logs: a JSON object a line, whatever is logged."""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from service import log

ReadLines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[ReadLines]:
    """Reads what was logged on standard output; the configuration of logging is put back at the end."""
    root, asyncio_logger = logging.getLogger(), logging.getLogger("asyncio")
    levels = root.level, asyncio_logger.level
    monkeypatch.setattr(root, "handlers", [])

    def read() -> list[dict[str, Any]]:
        captured = capsys.readouterr()
        assert captured.err == ""
        return [json.loads(line) for line in captured.out.splitlines()]

    yield read
    root.setLevel(levels[0])
    asyncio_logger.setLevel(levels[1])


def test_a_record_is_one_line(lines: ReadLines) -> None:
    log.configure("info")
    before = datetime.now(UTC)
    logging.getLogger("service.test").info("moved %d of %s", 3, "RUB", extra={"request_id": "mine"})
    (line,) = lines()
    assert list(line) == ["time", "level", "event", "request_id"]
    assert (line["level"], line["event"], line["request_id"]) == ("info", "moved 3 of RUB", "mine")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert abs((datetime.fromisoformat(line["time"]) - before).total_seconds()) < 60


def test_a_line_ends_where_it_ends(capsys: pytest.CaptureFixture[str], lines: ReadLines) -> None:
    log.configure("info")
    logging.getLogger().warning('first\nsecond\r\x1b[31m\0\u2028"quoted"')
    written = capsys.readouterr().out
    assert written.count("\n") == 1
    assert written.endswith("}\n")
    assert json.loads(written)["event"] == 'first\nsecond\r\x1b[31m\0\u2028"quoted"'
    assert lines() == []


@pytest.mark.parametrize(
    ("level", "logged"),
    [
        ("debug", ["debug", "info", "warning", "error", "critical"]),
        ("info", ["info", "warning", "error", "critical"]),
        ("warning", ["warning", "error", "critical"]),
        ("error", ["error", "critical"]),
    ],
)
def test_a_level_lets_through_what_is_at_least_as_grave(lines: ReadLines, level: str, logged: list[str]) -> None:
    log.configure(level)
    for number in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL):
        logging.getLogger("service.test").log(number, "event")
    assert [line["level"] for line in lines()] == logged


def test_the_event_loop_is_not_heard_at_debug(lines: ReadLines) -> None:
    log.configure("debug")
    logging.getLogger("asyncio").debug("Using selector: EpollSelector")
    assert lines() == []


def test_configuring_twice_does_not_say_all_twice(lines: ReadLines) -> None:
    log.configure("info")
    log.configure("info")
    logging.getLogger().info("event")
    assert len(lines()) == 1


def test_an_exception_is_part_of_the_line(lines: ReadLines) -> None:
    log.configure("info")
    try:
        int("no money")
    except ValueError:
        logging.getLogger().exception("request failed")
    (line,) = lines()
    assert (line["level"], line["event"]) == ("error", "request failed")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert line["exception"].endswith("ValueError: invalid literal for int() with base 10: 'no money'")


def test_whatever_is_passed_along_is_written(lines: ReadLines) -> None:
    log.configure("info")
    wallet_id = UUID(int=1)
    logging.getLogger().info(
        "event", extra={"wallet_id": wallet_id, "path": Path("/srv"), "amount": 2**63 - 1, "of": None, "who": object}
    )
    (line,) = lines()
    assert (line["wallet_id"], line["path"]) == (str(wallet_id), "/srv")
    assert (line["amount"], line["of"], line["who"]) == (2**63 - 1, None, str(object))


@pytest.mark.parametrize("text", ["\ud800", "caf\udce9", "👛"])
def test_text_that_is_not_utf_8_does_not_lose_the_line(lines: ReadLines, text: str) -> None:
    log.configure("info")
    logging.getLogger().info("event", extra={"path": text, "who": UUID(int=1)})
    (line,) = lines()
    assert (line["path"], line["who"]) == (text, str(UUID(int=1)))


def test_it_is_written_at_once(lines: ReadLines) -> None:
    log.configure("info")
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stdout
