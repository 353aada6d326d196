"""What goes over the wire: the bodies that are taken and given, and what their members may be.

What is said here is what is checked, what is answered, and what `/api/openapi.json` tells.
"""

import re
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

MAX_AMOUNT = 2**63 - 1
MAX_BULK = 10_000
MAX_PAGE = 1000
DEFAULT_PAGE = 50
# Of the 255 characters that a key may have, the place of an item takes up to 6: /10000.
MAX_KEY, MAX_BULK_KEY = 255, 249

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
AMOUNT = re.compile(r"0*[1-9][0-9]*")
MAX_AMOUNT_DIGITS = 19
KEY = re.compile(r"[!-~]+")
CURRENCY = re.compile(r"[A-Z]{3}")
STATUSES = ("ACTIVE", "FROZEN", "CLOSED")


def _told(description: str, *examples: object, **schema: Any) -> Meta:
    """What a member is and may be. Checked by the handlers, for refusals that say which rule was broken."""
    return Meta(description=description, examples=list(examples), extra_json_schema=schema)


def whole(pattern: re.Pattern[str]) -> str:
    """A pattern as JSON Schema has it: what is not anchored may match anywhere."""
    return f"^{pattern.pattern}$"


_TEXT = r"^[^\u0000-\u001f\u007f]*$"
_MINOR_UNITS = "Minor units (cents) of the wallet's currency"

_A_WALLET = "bfcebbf9-c806-4342-8a5f-47019c72c3f2"
_KEY = f"Idempotency key: 1 to {MAX_KEY} visible ASCII characters"

_WalletId = Annotated[str, _told("The wallet", _A_WALLET, format="uuid")]
_OperationId = Annotated[str, _told("The operation", "39af52dd-8a7e-88b5-80bf-438234635f5c", format="uuid")]
_Type = Annotated[str, _told("What it does", "DEPOSIT", enum=["DEPOSIT", "WITHDRAW"])]
_GivenAmount = Annotated[
    Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MAX_AMOUNT})]
    | Annotated[str, Meta(extra_json_schema={"pattern": whole(AMOUNT), "maxLength": MAX_AMOUNT_DIGITS})],
    _told(f"{_MINOR_UNITS}, from 1 to {MAX_AMOUNT}", "1000", 1000, example="1000"),
]
_Amount = Annotated[str, _told(_MINOR_UNITS, "1000", pattern=r"^[0-9]+$")]
_Balance = Annotated[int, _told(_MINOR_UNITS, 1000, minimum=0)]
_Time = Annotated[str, _told("RFC 3339, in UTC", "2026-01-31T12:00:00.000000Z", format="date-time")]
_Seq = Annotated[int, _told("The operation's place in the wallet's history, from 1", 4, minimum=1)]
_Cursor = Annotated[str | None, _told("The `cursor` of the next page; null on the last", "NA")]


class OperationRequest(Struct):
    """A deposit or a withdrawal."""

    operation_type: _Type
    amount: _GivenAmount


class BulkItem(Struct):
    """A deposit or a withdrawal among others. What breaks a rule is refused by itself, and the others are applied."""

    wallet_id: Annotated[str, _told("The wallet", _A_WALLET)]
    operation_type: Annotated[str, _told("DEPOSIT or WITHDRAW", "DEPOSIT")]
    amount: Annotated[int | str, _told(f"{_MINOR_UNITS}, from 1 to {MAX_AMOUNT}", "1000", 1000)]
    idempotency_key: (
        Annotated[str, _told(f"{_KEY}; without one it is the request's key and the item's place", "order-17")] | None
    ) = None


class BulkRequest(Struct):
    """Operations on any wallets, each applied or refused by itself."""

    operations: Annotated[list[BulkItem], _told("In the order that they are applied in", maxItems=MAX_BULK)]


class WalletRequest(Struct):
    """A wallet to make."""

    name: Annotated[str, _told("Whose it is", "Alice", minLength=1, maxLength=200, pattern=_TEXT)] | None = None
    currency: Annotated[str, _told("ISO 4217", "EUR", pattern=whole(CURRENCY))] = "RUB"


class Balance(Struct):
    """What a wallet holds."""

    balance: _Balance


class Applied(Struct):
    """An operation that was applied, and the balance that it left."""

    operation_id: _OperationId
    status: Literal["SUCCESS"]
    operation_type: _Type
    amount: _Amount
    new_balance: _Amount


class BulkApplied(Struct, tag_field="status", tag="SUCCESS"):
    """An operation that was applied, and the balance that it left."""

    operation_id: _OperationId
    operation_type: _Type
    amount: _Amount
    new_balance: _Amount
    replayed: Annotated[bool, _told("Whether it was applied before, under the same key", False)]


class BulkRejected(Struct, tag_field="status", tag="REJECTED"):
    """An operation that was refused; it moved nothing."""

    code: Annotated[str, _told("As in a problem", "insufficient_funds")]
    detail: Annotated[str, _told("Why", "insufficient funds: 700 available, 9000 requested")]
    replayed: Annotated[bool, _told("Whether it was refused before, under the same key", False)]


class BulkResults(Struct):
    """What became of each operation, in the order of the request."""

    results: list[BulkApplied | BulkRejected]


class Wallet(Struct):
    """A wallet."""

    id: _WalletId
    name: Annotated[str | None, _told("Whose it is", "Alice")]
    currency: Annotated[str, _told("ISO 4217", "EUR", pattern=whole(CURRENCY))]
    status: Literal["ACTIVE", "FROZEN", "CLOSED"]
    balance: _Balance
    last_seq: Annotated[int, _told("How many operations it has", 4, minimum=0)]
    created_at: _Time
    updated_at: _Time


class LedgerEntry(Struct):
    """An operation as it is in the ledger, for good."""

    operation_id: _OperationId
    wallet_id: _WalletId
    seq: _Seq
    operation_type: _Type
    amount: _Amount
    balance_after: _Amount
    idempotency_key: Annotated[str, _told("The caller's, or one that was drawn", "order-17")]
    created_at: _Time


class WalletPage(Struct):
    """Wallets, newest first."""

    items: list[Wallet]
    next_cursor: _Cursor


class LedgerPage(Struct):
    """A wallet's operations, newest first."""

    items: list[LedgerEntry]
    next_cursor: _Cursor


class ProblemBody(Struct, rename={"kind": "type"}):
    """Why a request was refused (RFC 9457). `code` is for programs, `detail` for people."""

    kind: Annotated[str, _told("The code as a URN", "urn:wallets:problem:wallet_not_found", format="uri")]
    title: Annotated[str, _told("What is the same for all with this code", "Wallet not found")]
    status: Annotated[int, _told("The status of the response", 404)]
    detail: Annotated[str, _told("What is particular to this request", "there is no such wallet")]
    code: Annotated[str, _told("What was refused, for programs", "wallet_not_found")]
