"""Ids that nobody else has, and nobody can guess: for requests and operations whose callers gave none.

An operation's drawn key has to be a secret until it is used: whoever knew it beforehand could use it first, and the
operation would be taken for a retry.
"""

import base64
import os
from collections.abc import Iterator

_LENGTH = 22
_AT_ONCE = 3 * 64


def _draw() -> Iterator[str]:
    while True:
        # The system's random numbers cost a system call: many ids for one. Four characters are three bytes of them.
        text = base64.urlsafe_b64encode(os.urandom(_LENGTH * _AT_ONCE * 3 // 4)).decode()
        for start in range(0, len(text), _LENGTH):
            yield text[start : start + _LENGTH]


_drawn = _draw()


def new_id() -> str:
    """132 random bits as 22 characters that any URL or header can hold."""
    return next(_drawn)
