"""Knows how to send what waits, in order: the spools of dead processes first, the oldest first, then this one's.

One thread takes commands, merges neighbouring ones of the same run, executes them, and notes how far it got. A pause
(`WriterLimits.linger_seconds`) lets commands gather, since a commit costs more than the rows in it; whoever waits for
everything to be sent cuts it short.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from tunetrack.tracking.commands import RunRef, merge
from tunetrack.tracking.failures import describe
from tunetrack.tracking.sending.delivery import Delivery, Surroundings
from tunetrack.tracking.sending.sources import DeadSpool, Source
from tunetrack.tracking.sending.spool import Spool

__all__ = ["Sender"]

_log = logging.getLogger(__name__)

#: Seconds before a store that is away is tried again: at first, and at most; it doubles in between.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0
#: At most, while somebody waits for everything to be sent.
_HURRIED_PAUSE = 1.0
#: Seconds without any progress after which waiting without a limit is given up.
_PATIENCE = 30.0


class _StoppedError(Exception):
    """Time is up; what has not been sent stays in the spool."""


class Sender:
    """The thread that writes, and what others may know of it.

    Attributes:
        study: the run that says how many entries were lost; None where none is known yet.
        left: entries that were left on disk; of use once the thread has ended.
    """

    def __init__(
        self,
        spool: Spool,
        dead: Sequence[DeadSpool],
        delivery: Callable[[Surroundings], Delivery],
        linger: float,
        told: Callable[[str], None],
    ) -> None:
        self.study: RunRef | None = None
        self.left = 0
        self.delivery = delivery(self)
        self._spool = spool
        self._dead = deque(dead)
        self._lost_by_dead = 0
        self._linger = linger
        self._told = told
        self._changed = threading.Condition()
        self._idle = self._busy = False
        self._hurried = 0
        self._kicked = False
        self._closing = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="tunetrack-sender", daemon=True)
        self._thread.start()

    def pending(self) -> int:
        """How many entries wait."""
        return self._spool.pending + sum(source.pending for source in list(self._dead))

    def drained(self) -> bool:
        """Whether everything was sent, and whoever wants to know has been told."""
        return not self.pending() and not self._busy

    @property
    def lost(self) -> int:
        """How many entries neither disk nor memory had room for, or the disk has damaged."""
        return self._spool.lost + self._lost_by_dead + sum(source.lost for source in list(self._dead))

    def tell(self, text: str) -> None:
        """Say something to the user; a listener that fails is no reason to stop."""
        try:
            self._told(text)
        except Exception:
            _log.exception("could not tell: %s", text)

    def tell_news(self) -> None:
        """Say what the spool has to say."""
        with contextlib.suppress(IndexError):  # another thread was quicker
            while self._spool.news:
                self.tell(self._spool.news.popleft())

    def wake(self) -> None:
        """Something was appended."""
        if self._idle:
            with self._changed:
                self._changed.notify_all()

    def wait_for(self, wanted: Callable[[], bool], timeout: float | None) -> bool:
        """Wait, in a hurry, until `wanted` or the time is up.

        Args:
            wanted: looked at after everything that is sent.
            timeout: seconds; None: until there has been no progress for half a minute.

        Returns:
            What `wanted` says in the end.
        """
        with self._changed:
            self._hurried += 1
            self._kicked = True
            self._changed.notify_all()
            try:
                if timeout is not None:
                    return self._changed.wait_for(lambda: wanted() or not self._thread.is_alive(), timeout) and wanted()
                while not wanted() and self._thread.is_alive() and self._moves(wanted):
                    pass
                return wanted()
            finally:
                self._hurried -= 1

    def close(self, timeout: float | None) -> None:
        """Send what can be sent in time, then end the thread; one that hangs in a call sends no more after it."""
        self.wait_for(self.drained, timeout)
        with self._changed:
            self._closing = True
            self._stopping = bool(self.pending())
            self._changed.notify_all()
        self._thread.join(2.0 if timeout is None else min(timeout, 2.0))

    def pause(self, failures: int) -> None:
        """Wait before the next try.

        Raises:
            _StoppedError: the writer was closed.
        """
        with self._changed:
            seconds = min(_FIRST_PAUSE * 2 ** min(failures, 10), _HURRIED_PAUSE if self._hurried else _LONGEST_PAUSE)
            self._changed.wait_for(lambda: self._stopping or self._kicked, seconds)
            self._kicked = False
            if self._stopping:
                raise _StoppedError

    def _moves(self, wanted: Callable[[], bool]) -> bool:
        """Whether anything is sent, or what is wanted comes true, within the patience."""
        delivery = self.delivery
        before = delivery.written + delivery.refused
        return self._changed.wait_for(lambda: wanted() or delivery.written + delivery.refused != before, _PATIENCE)

    def _run(self) -> None:
        try:
            for failures in itertools.count():
                try:
                    while (source := self._next()) is not None:
                        self._round(source)
                        failures = 0
                    break
                except _StoppedError:
                    raise
                except OSError as error:  # of the spool itself: a disk that fails
                    self.tell(f"the entries that wait for MLflow cannot be read: {describe(error)}")
                except Exception:
                    _log.exception("defect in the tracking writer")
                self.pause(failures)
        except _StoppedError:
            pass
        finally:
            self._close()

    def _next(self) -> Source | None:
        """Where the next commands are; None where there will be no more."""
        while self._dead:
            if self._dead[0].pending:
                return self._dead[0]
            self._lost_by_dead += self._dead[0].lost
            self._dead.popleft().close()
        with self._changed:
            self._idle = True
            self._changed.wait_for(lambda: self._spool.pending or self._closing)
            self._idle = False
            self._changed.wait_for(lambda: self._hurried or self._closing, self._linger)
            if self._stopping:
                raise _StoppedError
        return self._spool if self._spool.pending else None

    def _round(self, source: Source) -> None:
        self._busy = True
        if source is self._spool:
            self._spool.sync()
        for step in merge(source.take()):
            self.delivery.deliver(step, source)
            with self._changed:
                self._changed.notify_all()
                if self._stopping:
                    raise _StoppedError
        if self.study is not None:
            self.delivery.note_lost(self.study, self.lost, source)
        source.commit()
        self.delivery.round_done()
        self.tell_news()
        with self._changed:
            self._busy = False
            self._changed.notify_all()

    def _close(self) -> None:
        """Look for doubled runs one last time where all was sent, and give the spools up."""
        try:
            if not self._stopping:
                self.delivery.finish()
            for source in self._dead:
                self.left += source.pending
                source.close()
            self.left += self._spool.close()
            self.tell_news()
        except Exception:  # nobody is left to whom it could be raised
            _log.exception("could not close the tracking writer")
