"""Knows when to look at the store again, and keeps what was computed from the last look."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import TypeVar

from tunetrack.errors import TrackingError
from tunetrack.server.answers import Body
from tunetrack.server.asked import MissingError
from tunetrack.server.cache import Kept, Once
from tunetrack.tracking.reader import StudyOverview, StudyReader, Versioned

__all__ = ["Computed", "Looks", "fingerprint"]

#: Seconds between two looks at the same study, however many ask.
_LOOK = 1.0
#: A body that took long to compute is given out for this many times as long before it is computed again, so that
#: looking on at a large study leaves most of a core to the study.
_REST = 4.0
_THREADS = 4
_MEMORY = 128 * 2**20

Result = TypeVar("Result")


@dataclass(frozen=True)
class Computed:
    """A body and what it was computed from.

    Attributes:
        version: of the study, as it was then.
        body: the answer.
        until: before this time it is not computed again.
    """

    version: str
    body: Body
    until: float

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.body.size


@dataclass(frozen=True)
class _Look:
    at: float
    found: object


class Looks:
    """What the pages ask of the store: each thing is read and computed once for all who ask.

    Args:
        reader: of the store.
        clock: seconds that never go back.
    """

    def __init__(self, reader: StudyReader, clock: Callable[[], float] = time.monotonic) -> None:
        self.reader = reader
        self._clock = clock
        self._once = Once(_THREADS)
        self._last: dict[str, _Look] = {}
        self._bodies: Kept[Computed] = Kept(_MEMORY)

    async def study(self, study: str) -> Versioned:
        """A study as it was a second ago at most.

        Args:
            study: the id of its run.

        Raises:
            MissingError: there is no such study.
            TrackingError: the store failed.
        """
        return await self._look(study, lambda: self._table(study))

    async def studies(self) -> tuple[str, tuple[StudyOverview, ...]]:
        """All studies as they were a second ago at most, and their version.

        Raises:
            TrackingError: the store failed.
        """
        return await self._look("", self._overviews)

    async def body(self, key: Hashable, version: str, compute: Callable[[], Body]) -> Computed:
        """What `compute` gives, computed once for each version and asked for again no sooner than is reasonable.

        Args:
            key: what is asked for.
            version: of what it is computed from.
            compute: called in a thread.

        Raises:
            Exception: whatever `compute` raises.
        """
        kept = self._bodies.get(key)
        if kept is not None and (kept.version == version or self._clock() < kept.until):
            return kept
        return await self._once.run((key, version), lambda: self._compute(key, version, compute))

    def close(self) -> None:
        """Let go of threads and connections."""
        self._once.close()
        self.reader.close()

    async def _look(self, name: str, read: Callable[[], Result]) -> Result:
        last = self._last.get(name)
        if last is not None and self._clock() - last.at < _LOOK:
            return last.found  # type: ignore[return-value]
        return await self._once.run(("look", name), lambda: self._read(name, read))

    def _read(self, name: str, read: Callable[[], Result]) -> Result:
        try:
            found = read()
        except MissingError:
            self._last.pop(name, None)
            raise
        now = self._clock()
        # What is older is looked at again anyway, and a study that nobody asks for is not to be held in memory.
        self._last = {key: look for key, look in list(self._last.items()) if now - look.at < _LOOK}
        self._last[name] = _Look(now, found)
        return found

    def _overviews(self) -> tuple[str, tuple[StudyOverview, ...]]:
        found = self.reader.studies()
        return fingerprint(found), found

    def _table(self, study: str) -> Versioned:
        try:
            return self.reader.table(study)
        except TrackingError as error:
            if any(each.study.run_id == study for each in self.reader.studies()):
                raise
            raise MissingError("there is no study with this id; it may have been deleted") from error

    def _compute(self, key: Hashable, version: str, compute: Callable[[], Body]) -> Computed:
        start = self._clock()
        body = compute()
        now = self._clock()
        computed = Computed(version, body, now + _REST * (now - start))
        self._bodies.put(key, computed)
        return computed


def fingerprint(*things: object) -> str:
    """A version of things by their content."""
    return hashlib.sha256(repr(things).encode()).hexdigest()[:24]
