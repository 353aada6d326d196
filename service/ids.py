"""Ids that nobody else has, and nobody can guess: for requests and operations whose callers gave none.

An operation's drawn key has to be a secret until it is used: whoever knew it beforehand could use it first, and the
operation would be taken for a retry.
"""

import base64
import os
from collections.abc import Iterator

_BYTES = 16
_AT_ONCE = 256


def _draw() -> Iterator[str]:
    while True:
        # The system's random numbers cost a system call: many ids for one.
        block = os.urandom(_BYTES * _AT_ONCE)
        for start in range(0, len(block), _BYTES):
            yield base64.urlsafe_b64encode(block[start : start + _BYTES]).decode().rstrip("=")


_drawn = _draw()


def new_id() -> str:
    """128 random bits as 22 characters that any URL or header can hold."""
    return next(_drawn)
