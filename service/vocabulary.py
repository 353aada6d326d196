"""The words and limits that requests, pages, metrics and the contract share.

The database enforces them; `tests/test_vocabulary.py` holds one against the other.
"""

import re

OPERATION_TYPES = ("DEPOSIT", "WITHDRAW")
WALLET_STATUSES = ("ACTIVE", "FROZEN", "CLOSED")

MAX_AMOUNT = 2**63 - 1
MAX_AMOUNT_DIGITS = len(str(MAX_AMOUNT))
MAX_IDEMPOTENCY_KEY = 255
MAX_NAME = 200
MAX_API_KEY_NAME = 100
MAX_REASON = 500
MAX_PAGE = 1000
DEFAULT_PAGE = 50

UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
AMOUNT = re.compile(r"0*[1-9][0-9]*")
IDEMPOTENCY_KEY = re.compile(r"[!-~]+")
CURRENCY = re.compile(r"[A-Z]{3}")
CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
