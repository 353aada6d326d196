"""Logs: one JSON object per line, for every record."""

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
    """Reads what was logged on standard output; the configuration of logging is restored at the end."""
    root, asyncio_logger = logging.getLogger(), logging.getLogger("asyncio")
    levels = root.level, asyncio_logger.level
    monkeypatch.setattr(root, "handlers", [])

    def read() -> list[dict[str, Any]]:
        captured = capsys.readouterr()
        assert captured.err == ""
        return [json.loads(line) for line in captured.out.split("\n")[:-1]]

    yield read
    root.setLevel(levels[0])
    asyncio_logger.setLevel(levels[1])


def test_a_record_is_one_line(lines: ReadLines) -> None:
    log.configure("info")
    before = datetime.now(UTC)
    logging.getLogger("service.test").info("moved %d of %s", 3, "RUB", extra={"request_id": "mine"})
    logging.getLogger().warning('first\nsecond\r\x1b[31m\0\u2028"quoted"')
    line, other = lines()
    assert list(line) == ["time", "level", "event", "request_id"]
    assert (line["level"], line["event"], line["request_id"]) == ("info", "moved 3 of RUB", "mine")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
    assert abs((datetime.fromisoformat(line["time"]) - before).total_seconds()) < 60
    assert other["event"] == 'first\nsecond\r\x1b[31m\0\u2028"quoted"'


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error", "critical"])
def test_a_level_admits_what_is_at_least_as_severe(lines: ReadLines, level: str) -> None:
    levels = ["debug", "info", "warning", "error", "critical"]
    log.configure(level)
    logging.getLogger("asyncio").debug("Using selector: EpollSelector")  # never admitted
    for name in levels:
        logging.getLogger("service.test").log(getattr(logging, name.upper()), "event")
    assert [line["level"] for line in lines()] == levels[levels.index(level) :]


def test_configuring_twice_logs_once_and_at_once(lines: ReadLines) -> None:
    log.configure("info")
    log.configure("info")
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.StreamHandler)
    assert handler.stream is sys.stdout
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


def test_extra_values_of_any_type_are_written(lines: ReadLines) -> None:
    log.configure("info")
    values: dict[str, object] = {
        "id": UUID(int=1),
        "path": Path("/srv"),
        "amount": 2**63 - 1,
        "of": None,
        "who": object,
    }
    logging.getLogger().info("event", extra=values)
    (line,) = lines()
    assert [line[name] for name in values] == [str(UUID(int=1)), "/srv", 2**63 - 1, None, str(object)]
    for text in ("\ud800", "caf\udce9", "👛"):
        logging.getLogger().info("event", extra={"path": text, "who": UUID(int=1)})
        (line,) = lines()
        assert (line["path"], line["who"]) == (text, str(UUID(int=1)))
