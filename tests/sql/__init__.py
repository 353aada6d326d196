"""The functions of `db/functions/`, a file of tests per subject."""

from collections.abc import Awaitable, Callable

Audited = Callable[[str], Awaitable[list[tuple[object, ...]]]]
