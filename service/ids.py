"""Random ids for requests and for operations whose callers give no idempotency key.

A generated idempotency key must be a secret until it is used: anybody who knew it could use it first, and the operation
would be taken for a replay.
"""

import base64
import os
from collections.abc import Iterator

_LENGTH = 22
_BATCH = 3 * 64


def _generate() -> Iterator[str]:
    while True:
        # One system call for many ids. Four characters encode three bytes.
        text = base64.urlsafe_b64encode(os.urandom(_LENGTH * _BATCH * 3 // 4)).decode()
        for start in range(0, len(text), _LENGTH):
            yield text[start : start + _LENGTH]


_ids = _generate()


def new_id() -> str:
    """132 random bits as 22 characters that are valid in URLs and headers."""
    return next(_ids)
