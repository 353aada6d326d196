"""The event loop: uvloop where it is installed."""

import asyncio
import gc
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")

_new_loop: Callable[[], asyncio.AbstractEventLoop] | None
try:
    from uvloop import new_event_loop as _new_loop
except ImportError:
    _new_loop = None


def run(main: Coroutine[Any, Any, _T]) -> _T:
    """Runs a coroutine and returns its result."""
    # Modules stay loaded, and requests leave few cycles: collect garbage less often.
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    with asyncio.Runner(loop_factory=_new_loop) as runner:
        return runner.run(main)
