"""What starts worker processes, wherever they run, and how one sees that they live.

with LocalLauncher(folder_of_logs) as launcher:
    handle = launcher.start(job, index=0)
    while handle.ended() is None:
        for event in launcher.events(seconds=0.5):
            ...
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from tunetrack.study.workers.job import WorkerJob

__all__ = ["INTERRUPTED", "Event", "Launcher", "WorkerHandle", "end_of_log"]

#: So much of a log is given, its end; more is in the file.
LOG_BYTES = 2**20

#: How a worker has ended that was told to stop, and did.
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Event:
    """A step of one worker; it travels between processes.

    Attributes:
        worker: the worker's index.
        what: name of a method of `tunetrack.study.progress.Progress`.
        arguments: that method's.
    """

    worker: int
    what: str
    arguments: tuple[Any, ...]


class WorkerHandle(Protocol):
    """A worker process that was started.

    Attributes:
        index: from 0; whoever replaces a worker has its index.
        name: host and process number, ``node7:4711``, once they are known.
    """

    index: int
    name: str

    def ended(self) -> str | None:
        """None while it lives; empty where it ended well; else how it ended, in words: ``killed by signal 9
        (SIGKILL)``, ``killed with its node``, `INTERRUPTED`, or the text of an error."""

    def stop(self) -> None:
        """Has it give its trial back, send what waits, and leave. Returns at once; a second call does no harm."""

    def kill(self) -> None:
        """Ends it at once; does no harm where it has ended."""


class Launcher(Protocol):
    """Starts workers. A context manager that leaves no process behind."""

    def start(self, job: WorkerJob, index: int) -> WorkerHandle:
        """Starts a worker and returns at once.

        Raises:
            TunetrackError: none can be started.
        """

    def events(self, seconds: float) -> list[Event]:
        """What the workers have told since the last call, in each one's order; also of those that have ended.

        Args:
            seconds: longest wait for the first one. The end of a worker ends the wait, too.
        """

    def log(self, index: int) -> bytes | None:
        """What the workers of this index have printed so far, the last part of it where it is long; None: unknown."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def end_of_log(path: Path | None) -> bytes | None:
    """The last part of a worker's log; None where there is no such file."""
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - LOG_BYTES))
            return file.read()
    except OSError:
        return None
