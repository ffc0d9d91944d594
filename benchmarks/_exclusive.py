"""Knows which part of the program one thread spends its time in; a part within another one is counted once."""

from __future__ import annotations

import functools
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

__all__ = ["Parts"]


class Parts:
    """Seconds by part, of the thread that made this object.

    Attributes:
        seconds: wall time by part, without what other parts within it took.
        cpu_seconds: the same of the thread's processor time, which other processes of the machine do not lengthen.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._thread = threading.get_ident()
        self._open: list[str] = []
        self.cpu_seconds: dict[str, float] = defaultdict(float)
        self._since = self._cpu_since = 0.0

    def count(self, owner: type, names: tuple[str, ...], part: str) -> None:
        """From now on, these functions of a class count as a part."""
        for name in names:
            setattr(owner, name, self.counted(getattr(owner, name), part))

    def counted(self, function: Callable[..., Any], part: str) -> Callable[..., Any]:
        """The function, counted as a part."""

        @functools.wraps(function)
        def counted(*args: Any, **kwargs: Any) -> Any:
            if threading.get_ident() != self._thread:
                return function(*args, **kwargs)
            self._turn()
            self._open.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self._turn()
                self._open.pop()

        return counted

    def _turn(self) -> None:
        now, cpu = time.perf_counter(), time.thread_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
            self.cpu_seconds[self._open[-1]] += cpu - self._cpu_since
        self._since, self._cpu_since = now, cpu
