"""What Schemathesis cannot know of a request that is valid by its form: the rules that may refuse it all the same.

A hook of its command line (SCHEMATHESIS_HOOKS), which replaces its check positive_data_acceptance by a finer one.
"""

import re
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.checks import positive_data_acceptance

MAX_AMOUNT = 9223372036854775807
# What the wallet or an earlier request decides.
BY_STATE = {"insufficient_funds", "balance_limit_exceeded", "idempotency_key_reused"}
KNOWN_CURRENCIES = {"RUB", "EUR", "USD"}


@schemathesis.check
def valid_data_is_refused_by_a_rule_alone(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    try:
        positive_data_acceptance(ctx, response, case)
    except RejectedPositiveData:
        if not _is_by_a_rule(response.json()["code"], case):
            raise


def _is_by_a_rule(code: str, case: Case[Any]) -> bool:
    body: Any = case.body if isinstance(case.body, dict) else {}
    match code:
        case "invalid_currency" if body:
            return re.fullmatch("[A-Z]{3}", body["currency"]) is not None and body["currency"] not in KNOWN_CURRENCIES
        case "invalid_amount" | "invalid_request" if body:
            # To JSON Schema, 100.0 is an integer.
            operations = body.get("operations", [body])
            return any(isinstance(item["amount"], float) or int(item["amount"]) > MAX_AMOUNT for item in operations)
        case "invalid_request":
            return "cursor" in case.query
        case _:
            return code in BY_STATE
