"""What the process that runs a study and its supervisor tell each other, over two pipes.

From the study: lines of JSON about how far it is. To the study: nothing, so that its pipe ends when the supervisor
does, however that ends.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Self

__all__ = ["EXIT_SECONDS", "VARIABLE", "Link", "LinkEnd", "opened"]

#: Names the study's two ends of the pipes: file descriptors to read from and to write to.
VARIABLE = "TUNETRACK_LINK"

#: Time for a study to end itself after a signal; then it is killed.
EXIT_SECONDS = 9.0


class LinkEnd:
    """The study's end of the link."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        for descriptor in (incoming, outgoing):
            os.set_inheritable(descriptor, False)  # a process of the study's own must not keep the pipes open
        os.set_blocking(outgoing, False)
        self._outgoing = outgoing
        # Until the study asks for these signals there is nothing to put right, and Python would first finish importing.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)  # it may write to the terminal, although in the background
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # of the terminal's end it hears from its supervisor
        threading.Thread(target=_end_with, args=(incoming,), name="supervisor-watch", daemon=True).start()

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str]) -> Self | None:
        """The end that a supervisor has handed to this process; None where there is none.

        Args:
            environment: the process's; what names the link is taken out, so that nobody else uses it.
        """
        named = environment.pop(VARIABLE, "")
        return cls(*map(int, named.split(","))) if named else None

    def tell(self, **message: Any) -> None:
        """Sends a line. A supervisor that stands still hears of later ones; one that is gone, of none."""
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(self._outgoing, f"{json.dumps(message)}\n".encode())


@dataclass(frozen=True)
class Link:
    """The supervisor's end of the link.

    Attributes:
        incoming: the descriptor from which the study's lines come.
        theirs: the two descriptors of the study's end, for the child alone.
    """

    incoming: int
    theirs: tuple[int, int]

    def received(self) -> list[dict[str, Any]]:
        """What the study has told since the last call; does not wait. (A line is written whole: it is short.)"""
        text = b""
        with suppress(BlockingIOError):
            while piece := os.read(self.incoming, 65536):
                text += piece
        return [json.loads(line) for line in text.splitlines()]


@contextmanager
def opened() -> Iterator[Link]:
    """A link, for one child."""
    to_read, outgoing = os.pipe()
    incoming, to_write = os.pipe()
    os.set_blocking(incoming, False)
    try:
        yield Link(incoming, (to_read, to_write))
    finally:
        for descriptor in (to_read, outgoing, incoming, to_write):
            os.close(descriptor)


def _end_with(incoming: int) -> None:
    """Waits for the supervisor's end, then ends this process and its children: as SIGTERM would, and in time."""
    os.read(incoming, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(EXIT_SECONDS)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # a group of its own, made by the supervisor
