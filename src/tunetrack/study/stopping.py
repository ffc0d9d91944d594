"""Signals that ask a study to stop, delivered where stopping is safe.

Training may be interrupted in the middle of a batch; a write to the ledger or to the tracking store may not. So a
signal raises at once inside `interruptible()` and is kept for the next `check()` everywhere else. It is also kept where
the body is short enough to be waited for, such as an epoch of a second. A second signal of the same study raises
wherever it comes.
"""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Self

from tunetrack.errors import InterruptedStudyError

__all__ = ["INTERRUPTED", "PATIENCE_SECONDS", "StopSignals"]

#: State of a study that has begun and not been brought to its end.
INTERRUPTED = "INTERRUPTED"

#: Longest wait for the end of what runs when a signal comes; whoever sent it expects an end within ten seconds.
PATIENCE_SECONDS = 4.0

CAUGHT = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """Context manager that owns SIGINT and SIGTERM while a study runs.

    Outside the main thread Python allows no handlers; there it changes nothing, and the caller's own handling stays.

    Args:
        second_raises: whether a second signal raises wherever it comes, for someone who wants to leave at once. Under a
            supervisor, which sees to that itself, a second one is the first once more, as when all processes of a
            service are told to stop.
    """

    def __init__(self, second_raises: bool = True) -> None:
        self._second_raises = second_raises
        self._received: int | None = None
        self._interruptible = False
        self._short = False
        self._alarm = _Alarm(self._patience_ends)
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in CAUGHT}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous = {}

    @property
    def pending(self) -> bool:
        """Whether a signal has come."""
        return self._received is not None

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        again = self._received is not None
        if again and not self._second_raises:
            return
        self._received = number
        if again or (self._interruptible and not (self._short and self._alarm.set(PATIENCE_SECONDS))):
            raise InterruptedStudyError(number)

    def _patience_ends(self) -> None:
        if self._interruptible:
            self.check()

    def check(self) -> None:
        """Raises the signal that came in the meantime.

        Raises:
            InterruptedStudyError: a signal has been received.
        """
        if self._received is not None:
            raise InterruptedStudyError(self._received)

    @contextlib.contextmanager
    def interruptible(self, expected_seconds: float = math.inf) -> Iterator[None]:
        """The body may be left by `InterruptedStudyError` between any two instructions.

        Args:
            expected_seconds: how long the body will take. Where that is `PATIENCE_SECONDS` at the most, a first signal
                is kept, so that the body comes to its end, and raises only once it has had that time.
        """
        self._interruptible, self._short = True, expected_seconds <= PATIENCE_SECONDS
        try:
            self.check()
            yield
        finally:
            self._interruptible = False
            self._alarm.clear()


class _Alarm:
    """Calls back after a time, by the process's one interval timer; a caller's own timer goes on afterwards."""

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring
        self._before: tuple[Any, float, float] | None = None  # the caller's handler, seconds left and interval
        self._set_at = 0.0

    def set(self, seconds: float) -> bool:
        """Whether it will ring: not where the caller's own timer runs out before."""
        left, interval = signal.getitimer(signal.ITIMER_REAL)
        if 0 < left <= seconds:
            return False
        self._before, self._set_at = (signal.signal(signal.SIGALRM, self._rings), left, interval), time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, seconds)
        return True

    def clear(self) -> None:
        """Gives the timer back."""
        if self._before is None:
            return
        (handler, left, interval), self._before = self._before, None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)
        if left:
            remaining = left - (time.monotonic() - self._set_at)
            signal.setitimer(signal.ITIMER_REAL, max(remaining, 1e-3), interval)

    def _rings(self, _number: int, _frame: FrameType | None) -> None:
        self.clear()
        self._ring()
