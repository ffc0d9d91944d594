"""Knows what callers see of the way into a tracking store: they write down and go on; a thread of its own sends.

Everything is on disk before a call returns (`spool`), survives a kill -9 of this process, and is sent in order
(`sender`), by the next process where need be. A store that fails is never a caller's trouble.
"""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tunetrack.errors import TrackingError
from tunetrack.tracking.commands import Command, RunRef
from tunetrack.tracking.failures import describe
from tunetrack.tracking.sending.delivery import Delivery
from tunetrack.tracking.sending.overflow import WriterLimits
from tunetrack.tracking.sending.performer import Performer
from tunetrack.tracking.sending.sender import Sender
from tunetrack.tracking.sending.sources import DeadSpool
from tunetrack.tracking.sending.spool import Spool
from tunetrack.tracking.sending.spool_file import SpoolFile, spool_names

__all__ = ["BackgroundWriter", "Place", "WriterLimits", "WriterStatus"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WriterStatus:
    """What a writer has done so far.

    Attributes:
        pending: entries that wait to be sent.
        written: entries that were sent.
        lost: entries for which neither disk nor memory had room, or that the disk has damaged.
        refused: entries that the store will never take.
        trouble: why nothing is being sent now, as a sentence; empty when all is well.
        caller_seconds: time that callers have spent inside tracker calls, seconds.
        writer_seconds: time that the background thread has spent in calls of the store, seconds.
    """

    pending: int = 0
    written: int = 0
    lost: int = 0
    refused: int = 0
    trouble: str = ""
    caller_seconds: float = 0.0
    writer_seconds: float = 0.0


def _nothing_ended(number: int) -> bool:
    return False


@dataclass(frozen=True)
class Place:
    """Where entries wait, and who is told.

    Attributes:
        folder: of spools, shared by processes; None for one of this process alone, from which nobody else sends.
        ended: whether the search state knows the trial of this number as finished.
        told: given sentences for the user, by any thread.
    """

    folder: Path | None = None
    ended: Callable[[int], bool] = _nothing_ended
    told: Callable[[str], None] = _log.warning


class _Account:
    """Seconds that several threads add to."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seconds = 0.0


class _Stopwatch(AbstractContextManager[None]):
    """Adds the time of its body to an account. A generator would do, at three times the cost."""

    __slots__ = ("_account", "_start")

    def __init__(self, account: _Account) -> None:
        self._account = account

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        with self._account.lock:
            self._account.seconds += time.perf_counter() - self._start


class BackgroundWriter:
    """The way into one tracking store, from one process. Methods may be called by any thread."""

    def __init__(self, performer: Performer, uri: str, place: Place, limits: WriterLimits | None = None) -> None:
        limits = limits or WriterLimits()
        self._uri = uri
        self._place = place
        self._folder = place.folder or Path(tempfile.mkdtemp(prefix="tunetrack-spool-"))
        self._performer = performer
        self._account = _Account()
        self._closed = False
        self._pid = os.getpid()
        dead = self._adopted()
        self._spool = Spool(self._folder, limits)
        self._sender = Sender(
            self._spool,
            dead,
            lambda around: Delivery(performer, uri, str(self._folder), around),
            limits.linger_seconds,
            place.told,
        )
        self._sender.tell_news()
        # A daemon thread dies with the interpreter; this sends what can be sent while threads still run.
        atexit.register(self.close)

    @property
    def status(self) -> WriterStatus:
        """Counts and times so far."""
        sender = self._sender
        return WriterStatus(
            sender.pending(),
            sender.delivery.written,
            sender.lost,
            sender.delivery.refused,
            sender.delivery.trouble,
            self._account.seconds,
            sender.delivery.seconds,
        )

    def on_callers_account(self) -> AbstractContextManager[None]:
        """Count the time of the body into `WriterStatus.caller_seconds`."""
        return _Stopwatch(self._account)

    def submit(self, *commands: Command, durable: bool = False) -> bool:
        """Write commands down, next to each other.

        Args:
            commands: in their order.
            durable: whether to wait until they are on the disk itself, so that they survive a power cut too.

        Returns:
            Whether they are on the disk, and not in memory because it is full.

        Raises:
            TrackingError: the writer is closed, or this process is a fork of the one that opened it.
        """
        self._check()
        kept = self._spool.append(commands)
        if durable:
            kept &= self._spool.sync()
        self._sender.wake()
        if self._spool.news:
            self._sender.tell_news()
        return kept

    def put(self, files: Mapping[str, bytes]) -> str | None:
        """Keep files for a `Files` command.

        Args:
            files: content by relative path.

        Returns:
            The name for the command; None where there is no room for them.

        Raises:
            TrackingError: as `submit`.
        """
        self._check()
        return self._spool.put(files)

    def settle(self) -> bool:
        """Bring to the disk what is in memory because it was full; whether nothing is left there."""
        self._check()
        return self._spool.settle()

    def count_lost(self) -> None:
        """Count an entry that the caller has given up for want of room."""
        self._spool.lose()

    def count_lost_on(self, study: RunRef) -> None:
        """Have the number of lost entries written on this run."""
        self._sender.study = study

    def run_id(self, run: RunRef, timeout: float) -> str:
        """MLflow's id of a trial's run; waits until the run was found or created.

        Args:
            run: by its key.
            timeout: seconds.

        Raises:
            TrackingError: the time was up, or the store has refused to create it.
        """
        known, sender = self._performer.run_ids, self._sender
        sender.wait_for(lambda: run.key in known or not sender.pending(), timeout)
        if run.key not in known:
            why = sender.delivery.trouble or f"the tracking store {self._uri} has not created it"
            raise TrackingError(f"the run of the trial {run.key} is not known after {timeout:g} s: {why}")
        return known[run.key]

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is sent.

        Args:
            timeout: seconds; None: until nothing could be sent for half a minute.

        Returns:
            Whether everything was sent in time; what was refused for good counts as sent.
        """
        if os.getpid() != self._pid:
            raise TrackingError(_FORKED)
        return self._sender.wait_for(self._sender.drained, timeout)

    def close(self, timeout: float | None = None) -> None:
        """Send what can be sent in time, and end. The rest stays in the folder; closing again does nothing.

        Args:
            timeout: seconds; None: until nothing could be sent for half a minute.
        """
        if self._closed or os.getpid() != self._pid:
            return
        self._closed = True
        atexit.unregister(self.close)
        sender = self._sender
        sender.close(timeout)
        left, unkept = sender.pending(), self._spool.unkept
        own = self._place.folder is None
        if own and left + unkept:
            lost = f"{left + unkept} entries could not be sent to the tracking store {self._uri} and are lost"
            sender.tell(f"{lost}{_why(sender)}")
        elif unkept:
            sender.tell(
                f"{unkept} entries for MLflow could not be kept in {self._folder}; what they belong to is done again "
                "when the study is resumed"
            )
        if left and not own:
            sender.tell(
                f"{left} entries could not be sent to the tracking store {self._uri}{_why(sender)}; they wait in "
                f"{self._folder} and are sent when the study is resumed"
            )
        if own:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _check(self) -> None:
        if os.getpid() != self._pid:
            raise TrackingError(_FORKED)
        if self._closed:
            raise TrackingError("the tracking writer is closed; nothing more can be logged")

    def _adopted(self) -> list[DeadSpool]:
        """The spools of processes that have died, locked for this one."""
        found: list[DeadSpool] = []
        try:
            for name in spool_names(self._folder) if self._folder.is_dir() else ():
                try:
                    file = SpoolFile.adopt(self._folder, name)
                    if file is not None:
                        found.append(DeadSpool(file, self._place.ended))
                except OSError as error:
                    self._place.told(f"entries that wait in {self._folder / name} cannot be read: {describe(error)}")
        except BaseException:  # the search state could not say what has ended
            for source in found:
                source.close()
            raise
        return found


_FORKED = "this tracking writer belongs to the parent process; connect anew in each process"


def _why(sender: Sender) -> str:
    return f" ({sender.delivery.trouble})" if sender.delivery.trouble else ""
