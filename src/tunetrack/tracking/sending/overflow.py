"""Knows what is kept in memory, in order and up to a limit, while the spool's disk cannot be written."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Overflow", "WriterLimits"]


@dataclass(frozen=True)
class WriterLimits:
    """How much may gather, and where.

    Attributes:
        linger_seconds: longest time that a command waits for company before it is sent.
        pending: most commands that are kept in memory while the spool's disk cannot be written; more are lost.
        memory_bytes: most bytes of such commands, and of files beside them.
        file_bytes: a spool's file that is larger is emptied once all of it has been sent.
    """

    linger_seconds: float = 0.5
    pending: int = 4096
    memory_bytes: int = 64 << 20
    file_bytes: int = 1 << 20


class Overflow:
    """Lines in their order, and files beside them. Not empty is true."""

    def __init__(self, limits: WriterLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self.lines: deque[bytes] = deque()
        self.files: dict[str, Mapping[str, bytes]] = {}

    def __bool__(self) -> bool:
        return bool(self.lines or self.files)

    def add(self, line: bytes) -> bool:
        """Whether there was room for one more."""
        if len(self.lines) >= self._limits.pending or not self._has_room(len(line)):
            return False
        self.lines.append(line)
        self._bytes += len(line)
        return True

    def add_files(self, name: str, files: Mapping[str, bytes]) -> bool:
        """Whether there was room for them."""
        size = sum(map(len, files.values()))
        if not self._has_room(size):
            return False
        self.files[name] = files
        self._bytes += size
        return True

    def first(self, count: int) -> list[bytes]:
        """At most so many lines from the front, which stay."""
        return list(itertools.islice(self.lines, count))

    def remove_first(self, count: int) -> None:
        """Forget so many lines from the front."""
        self._bytes -= sum(len(self.lines.popleft()) for _ in range(count))

    def remove_files(self, name: str) -> None:
        """Forget files, where there are any of this name."""
        self._bytes -= sum(map(len, self.files.pop(name, {}).values()))

    def clear(self) -> None:
        """Forget everything."""
        self.lines.clear()
        self.files.clear()
        self._bytes = 0

    def _has_room(self, size: int) -> bool:
        return self._bytes + size <= self._limits.memory_bytes
