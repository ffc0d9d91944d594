"""Knows how to write to a store in the background: in order, merged, bounded, and without losing a failure.

Training threads only put commands into a queue. One thread takes whatever has gathered, merges neighbouring entries
of the same run into one batch, and writes. A pause (`WriterLimits.linger_seconds`) lets entries gather, since a commit
costs more than the rows in it; `flush`, `close` and a full queue cut it short.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tunetrack.errors import TrackingError
from tunetrack.tracking.failures import STORE_FAILURES, describe

__all__ = ["Action", "BackgroundWriter", "Batch", "Command", "RunSlot", "WriterLimits", "WriterStatus", "merge"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WriterLimits:
    """How much may gather before it is written.

    Attributes:
        pending: most commands in the queue; beyond, callers wait.
        linger_seconds: longest time that a command waits for company.
    """

    pending: int = 4096
    linger_seconds: float = 0.5


@dataclass(frozen=True)
class WriterStatus:
    """What a writer has done so far.

    Attributes:
        pending: commands queued or being written.
        written: commands written.
        caller_seconds: time that callers have spent inside tracker calls, seconds.
        writer_seconds: time that the background thread has spent writing, seconds.
    """

    pending: int
    written: int
    caller_seconds: float
    writer_seconds: float


class RunSlot:
    """A run whose id is not known before the background thread has created it."""

    def __init__(self, run_id: str | None = None) -> None:
        self._run_id = run_id

    @property
    def run_id(self) -> str | None:
        """The id, or None while the run has not been created."""
        return self._run_id

    def resolve(self, run_id: str) -> None:
        """Set the id; called once, by the writer's thread."""
        self._run_id = run_id

    def known(self) -> str:
        """The id, for commands that come after the creation.

        Raises:
            TrackingError: the run has not been created (a mistake in the order of commands).
        """
        if self._run_id is None:
            raise TrackingError("a run was written to before it was created")
        return self._run_id


@dataclass
class Batch:
    """Metrics, params and tags for one run. Metrics are (name, value, time in ms since 1970, step)."""

    slot: RunSlot
    metrics: list[tuple[str, float, int, int]] = field(default_factory=list)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    size: int = 1

    def extend(self, other: Batch) -> None:
        """Take over what came later for the same run."""
        self.metrics.extend(other.metrics)
        self.params.update(other.params)
        self.tags.update(other.tags)
        self.size += other.size


@dataclass(frozen=True)
class Action:
    """Anything else that must happen in its place among a run's batches: creation, artifacts, the end."""

    slot: RunSlot
    call: Callable[[], None]
    size: int = 1


Command = Batch | Action


def merge(commands: list[Command]) -> list[Command]:
    """Join batches of the same run wherever no action of that run lies between them; each run's order stays."""
    plan: list[Command] = []
    open_batches: dict[RunSlot, Batch] = {}
    for command in commands:
        if isinstance(command, Action):
            open_batches.pop(command.slot, None)
            plan.append(command)
        elif command.slot in open_batches:
            open_batches[command.slot].extend(command)
        else:
            open_batches[command.slot] = command
            plan.append(command)
    return plan


class BackgroundWriter:
    """One thread that writes commands in order. The first failure stops it and is raised to every later caller."""

    def __init__(self, write_batch: Callable[[Batch], None], uri: str, limits: WriterLimits | None = None) -> None:
        self._write_batch = write_batch
        self._uri = uri
        self._limits = limits or WriterLimits()
        self._queue: deque[Command] = deque()
        self._changed = threading.Condition()
        self._busy = 0
        self._written = 0
        self._caller_seconds = 0.0
        self._writer_seconds = 0.0
        self._hurry = 0
        self._closed = False
        self._failure: TrackingError | None = None
        self._delivered = False
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="tunetrack-writer", daemon=True)
        self._thread.start()
        # A daemon thread dies with the interpreter; this empties the queue while threads still run.
        atexit.register(self._close_at_exit)

    @property
    def status(self) -> WriterStatus:
        """Counts and times so far."""
        with self._changed:
            pending = len(self._queue) + self._busy
            return WriterStatus(pending, self._written, self._caller_seconds, self._writer_seconds)

    @property
    def caller_seconds(self) -> float:
        """Time that callers have spent inside tracker calls, seconds."""
        return self._caller_seconds

    @contextmanager
    def on_callers_account(self) -> Iterator[None]:
        """Count the time of the body into `caller_seconds`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            seconds = time.perf_counter() - start
            with self._changed:
                self._caller_seconds += seconds

    def submit(self, *commands: Command) -> None:
        """Queue commands; waits only while the queue is full.

        Raises:
            TrackingError: an earlier command could not be written, the writer is closed, or this process is a fork
                of the one that opened it.
        """
        with self._changed:
            self._check()
            self._changed.wait_for(lambda: len(self._queue) < self._limits.pending or self._failure is not None)
            self._check()
            was_empty = not self._queue
            self._queue.extend(commands)
            if was_empty or len(self._queue) >= self._limits.pending:
                self._changed.notify_all()

    def flush(self) -> None:
        """Wait until everything queued so far is written.

        Raises:
            TrackingError: a command could not be written, or this process is a fork of the one that opened it.
        """
        with self._changed:
            self._check(closed_is_fine=True)
            self._hurry += 1
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._queue and not self._busy)
            self._hurry -= 1
            self._check(closed_is_fine=True)

    def close(self) -> None:
        """Write everything and end the thread. Closing again does nothing.

        Raises:
            TrackingError: a command could not be written, and no caller has been told yet. The thread has ended all
                the same.
        """
        if os.getpid() != self._pid:
            return
        try:
            if not self._delivered:
                self.flush()
        finally:
            with self._changed:
                self._closed = True
                self._changed.notify_all()
            self._thread.join()
            atexit.unregister(self._close_at_exit)

    def _check(self, closed_is_fine: bool = False) -> None:
        if self._failure is not None:
            self._delivered = True
            raise self._failure
        if os.getpid() != self._pid:
            raise TrackingError("this tracking writer belongs to the parent process; connect anew in each process")
        if self._closed and not closed_is_fine:
            raise TrackingError("the tracking writer is closed; nothing more can be logged")

    def _close_at_exit(self) -> None:
        try:
            self.close()
        except TrackingError as error:  # nobody is left to catch it
            _log.error("%s", error)

    def _take(self) -> list[Command]:
        """All that has gathered, or nothing once the writer is closed. Sets `_busy`."""
        limits = self._limits
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            self._changed.wait_for(
                lambda: self._hurry or self._closed or len(self._queue) >= limits.pending, timeout=limits.linger_seconds
            )
            commands = list(self._queue)
            self._queue.clear()
            self._busy = len(commands)
            self._changed.notify_all()
            return commands

    def _run(self) -> None:
        while commands := self._take():
            start = time.perf_counter()
            for command in merge(commands):
                self._write(command)
                with self._changed:
                    self._busy -= command.size
                    self._written += command.size if self._failure is None else 0
            with self._changed:
                self._writer_seconds += time.perf_counter() - start
                self._changed.notify_all()

    def _write(self, command: Command) -> None:
        if self._failure is not None:
            return  # after a gap the rest would be misleading; the failure is raised to the next caller
        try:
            if isinstance(command, Batch):
                self._write_batch(command)
            else:
                command.call()
        except TrackingError as error:
            self._fail(error)
        except STORE_FAILURES as error:
            self._fail(TrackingError(f"cannot write to the tracking store {self._uri}: {describe(error)}"), error)
        except Exception as error:  # a defect of ours; it must reach the caller's thread, not die in this one
            _log.exception("defect in the tracking writer")
            self._fail(TrackingError(f"the tracking writer failed: {type(error).__name__}: {error}"), error)

    def _fail(self, failure: TrackingError, cause: BaseException | None = None) -> None:
        failure.__cause__ = cause
        with self._changed:
            self._failure = failure
            self._changed.notify_all()
