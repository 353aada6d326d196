"""The members that several bodies have. Handlers check them, so that a problem says which rule was broken."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from msgspec import Meta

from service.vocabulary import (
    AMOUNT,
    CURRENCY,
    MAX_AMOUNT,
    MAX_AMOUNT_DIGITS,
    MAX_IDEMPOTENCY_KEY,
    MAX_NAME,
    OPERATION_TYPES,
    WALLET_STATUSES,
)


def described(description: str, *examples: object, **schema: Any) -> Meta:
    """A member's description, examples and JSON Schema."""
    return Meta(description=description, examples=list(examples), extra_json_schema=schema)


def anchored(pattern: re.Pattern[str]) -> str:
    """A pattern for JSON Schema, where one without anchors matches anywhere in a text."""
    return f"^{pattern.pattern}$"


MINOR_UNITS = "Minor units (cents) of the wallet's currency"
POSITIVE_AMOUNT = f"{MINOR_UNITS}, from 1 to {MAX_AMOUNT}"
IDEMPOTENCY_KEY = f"Idempotency key: 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters"
WALLET_EXAMPLE = "bfcebbf9-c806-4342-8a5f-47019c72c3f2"

WalletId = Annotated[str, described("The wallet", WALLET_EXAMPLE, format="uuid")]
OperationId = Annotated[str, described("The operation", "39af52dd-8a7e-88b5-80bf-438234635f5c", format="uuid")]
OperationType = Annotated[str, described("What the operation does", OPERATION_TYPES[0], enum=list(OPERATION_TYPES))]
RequestAmount = Annotated[
    Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_AMOUNT})]
    | Annotated[str, Meta(extra_json_schema={"pattern": anchored(AMOUNT), "maxLength": MAX_AMOUNT_DIGITS})],
    described(POSITIVE_AMOUNT, "1000", 1000, example="1000"),
]
Amount = Annotated[str, described(MINOR_UNITS, "1000", pattern=r"^[0-9]+$")]
BalanceAmount = Annotated[int, described(MINOR_UNITS, 1000, minimum=0)]
Name = Annotated[
    str,
    described("The wallet's name", "Alice", minLength=1, maxLength=MAX_NAME, pattern=r"^[^\u0000-\u001f\u007f]*$"),
]
Currency = Annotated[str, described("ISO 4217", "EUR", pattern=anchored(CURRENCY))]
Status = Annotated[str, described("The wallet's status", WALLET_STATUSES[0], enum=list(WALLET_STATUSES))]
Time = Annotated[str, described("RFC 3339, in UTC", "2026-01-31T12:00:00.000000Z", format="date-time")]
Seq = Annotated[int, described("The operation's number in the wallet, from 1", 4, minimum=1)]
NextCursor = Annotated[str | None, described("The `cursor` of the next page; null on the last one", "NA")]


def rfc3339(time: datetime) -> str:
    """A time as responses have it."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
