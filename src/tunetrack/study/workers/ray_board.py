"""The board that hangs between the leader of a study and its workers on a Ray cluster: an actor of its own.

Workers put up what they have to tell and look who is to stop; the leader takes down what is there. It imports nothing
heavy, so its process stays small.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from tunetrack.study.workers.launcher import Event

__all__ = ["Board", "Note", "Printed", "Seated"]


@dataclass(frozen=True)
class Seated:
    """A worker's process has begun.

    Attributes:
        name: host and process number.
        node: Ray's id of the node that it is on.
    """

    name: str
    node: str


@dataclass(frozen=True)
class Printed:
    """A piece of what a worker has printed.

    Attributes:
        piece: as it was printed.
        last: this is the last thing that the worker tells.
    """

    piece: bytes
    last: bool = False


@dataclass(frozen=True)
class Note:
    """What one worker tells.

    Attributes:
        seat: the worker's seat: a replacement has another one.
        content: what it is about.
    """

    seat: str
    content: Event | Seated | Printed


class Board:
    """Runs in one thread, as an asynchronous actor: what a worker tells stays in its order."""

    def __init__(self) -> None:
        self._notes: list[Note] = []
        self._news = asyncio.Event()
        self._stopped: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def tell(self, note: Note) -> None:
        """Puts a note up."""
        self._notes.append(note)
        self._news.set()

    async def take(self) -> list[Note]:
        """Waits until there are notes, and takes them all down."""
        await self._news.wait()
        self._news.clear()
        notes, self._notes = self._notes, []
        return notes

    async def stop(self, seat: str) -> None:
        """Says that the worker of this seat is to stop."""
        self._stopped[seat].set()

    async def until_stopped(self, seat: str) -> None:
        """Waits until the worker of this seat is to stop."""
        await self._stopped[seat].wait()
