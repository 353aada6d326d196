"""What the words of the vocabulary are called on pages. A word without a name raises KeyError."""

from collections.abc import Mapping
from typing import Any

import jinja2

from service import errors
from service.admin.i18n import N_, gettext
from service.vocabulary import MAX_API_KEY_NAME, MAX_NAME, MAX_REASON

_OPERATION_TYPES = {"DEPOSIT": N_("Deposit"), "WITHDRAW": N_("Withdrawal")}
_VERBS = {"DEPOSIT": N_("Deposit"), "WITHDRAW": N_("Withdraw")}
_SIGNS = {"DEPOSIT": "+", "WITHDRAW": "−"}
_STATUSES = {"ACTIVE": N_("Active"), "FROZEN": N_("Frozen"), "CLOSED": N_("Closed")}
_SCOPES = {
    "read": N_("Read"),
    "operate": N_("Read, deposit and withdraw"),
    "manage": N_("Read, deposit and withdraw, create wallets"),
}
_REJECTIONS = {
    errors.WALLET_NOT_FOUND: N_("Wallet not found"),
    errors.INSUFFICIENT_FUNDS: N_("Insufficient funds"),
    errors.INVALID_AMOUNT: N_("Invalid amount"),
    errors.BALANCE_LIMIT_EXCEEDED: N_("Balance limit exceeded"),
    errors.WALLET_NOT_ACTIVE: N_("Wallet not active"),
    errors.IDEMPOTENCY_KEY_REUSED: N_("Form already used"),
    errors.INVALID_IDEMPOTENCY_KEY: N_("Invalid idempotency key"),
}


def install(env: jinja2.Environment) -> None:
    """Gives templates a filter for each kind of word, and the longest texts that fields accept."""
    env.globals["max_length"] = {"name": MAX_NAME, "api_key_name": MAX_API_KEY_NAME, "reason": MAX_REASON}
    env.filters.update(
        operation_type=lambda word: gettext(_OPERATION_TYPES[word]),
        verb=lambda word: gettext(_VERBS[word]),
        wallet_status=lambda word: gettext(_STATUSES[word]),
        scope=lambda word: gettext(_SCOPES[word]),
        rejection=rejection,
        sign=sign,
    )


def rejection(sqlstate: str) -> str:
    """Why an operation was rejected, by the `error_code` of its row."""
    return gettext(_REJECTIONS[errors.BY_SQLSTATE[sqlstate]])


def sign(row: Mapping[str, Any]) -> str:
    """The sign of an operation. Rows of the overview, and rejections, say their type alone."""
    if "balance_change" not in row:
        return _SIGNS[row["operation_type"]]
    change = row["balance_change"]
    return "+" if change > 0 else "−" if change < 0 else ""
