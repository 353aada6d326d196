"""Cursors: what a row's values become in a link, and what else a link may hold."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest

from service import cursor

Moment = Annotated[datetime, msgspec.Meta(tz=True)]
Seq = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
ID = UUID("bfcebbf9-c806-4342-8a5f-47019c72c3f2")
AT = datetime(2026, 1, 31, 12, 0, 0, 5, UTC)


def of(content: str) -> str:
    return base64.urlsafe_b64encode(content.encode()).decode()


@pytest.mark.parametrize(
    ("values", "types"),
    [
        ((2**63 - 1,), tuple[Seq]),
        ((AT, ID), tuple[Moment, UUID]),
        *(((name, ID), tuple[str | None, UUID]) for name in (None, "null", "5", " ", "a b", "é%00", "😀")),
    ],
)
def test_a_cursor_gives_back_its_values(values: tuple[object, ...], types: Any) -> None:
    assert cursor.decode(cursor.encode(values), types) == values


def test_cursors_of_earlier_releases_stay_valid() -> None:
    assert cursor.decode("NA", tuple[Seq]) == (4,)
    assert cursor.decode(of(f"2026-01-31T12:00:00.000005Z {ID}"), tuple[Moment, UUID]) == (AT, ID)


def test_a_time_in_another_zone_is_the_same_position() -> None:
    assert cursor.encode((AT.astimezone(timezone(timedelta(hours=3))),)) == cursor.encode((AT,))


@pytest.mark.parametrize(
    ("text", "types"),
    [
        *(
            (text, tuple[Seq])
            for text in ("", "é", "!", "_w", "NA\n", of("0"), of("x"), of("1_0"), of("1.0"), of("1 2"))
        ),
        *((of(text), tuple[Seq]) for text in ("9" * 5000, "9223372036854775808", " 1", "+1", "01", "%31")),
        *((of(f"{name} {ID}"), tuple[str | None, UUID]) for name in ("%00", "%ff", "\0", "é", "%zz")),
        (of(f"0001-01-01T00:00:00.000000+14:00 {ID}"), tuple[Moment, UUID]),
        (of(f"2026-01-31T12:00:00.000005 {ID}"), tuple[Moment, UUID]),
        (of(f"2026-01-31T12:00:00Z {ID}"), tuple[Moment, UUID]),
        (of(f"2026-01-31T12:00:00.000005Z {ID.hex}"), tuple[Moment, UUID]),
    ],
)
def test_anything_else_is_no_cursor(text: str, types: Any) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 -- its message goes nowhere
        cursor.decode(text, types)
