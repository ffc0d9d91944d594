"""Signals that ask a study to stop, delivered where stopping is safe.

Training may be interrupted in the middle of a batch; a write to the ledger or to the tracking store may not. So a
signal raises at once inside `interruptible()` and is kept for the next `check()` everywhere else. A second signal
of the same study raises wherever it comes.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Self

from tunetrack.errors import InterruptedStudyError

__all__ = ["INTERRUPTED", "StopSignals"]

#: State of a study that has begun and not been brought to its end.
INTERRUPTED = "INTERRUPTED"

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Context manager that owns SIGINT and SIGTERM while a study runs.

    Outside the main thread Python allows no handlers; there it changes nothing, and the caller's own handling stays.
    """

    def __init__(self) -> None:
        self._received: int | None = None
        self._interruptible = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in CAUGHT}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        again = self._received is not None
        self._received = number
        if again or self._interruptible:
            raise InterruptedStudyError(number)

    def check(self) -> None:
        """Raises the signal that came in the meantime.

        Raises:
            InterruptedStudyError: a signal has been received.
        """
        if self._received is not None:
            raise InterruptedStudyError(self._received)

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """The body may be left by `InterruptedStudyError` between any two instructions."""
        self._interruptible = True
        try:
            self.check()
            yield
        finally:
            self._interruptible = False
