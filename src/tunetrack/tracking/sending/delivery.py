"""Knows how to get commands into a store that may be away, and past what it will never take."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from tunetrack.tracking.commands import Group, Log, RunRef, Work
from tunetrack.tracking.failures import Verdict, describe, judge
from tunetrack.tracking.names import Tag
from tunetrack.tracking.sending.performer import Performer
from tunetrack.tracking.sending.sources import Source

__all__ = ["Delivery", "Surroundings"]

_log = logging.getLogger(__name__)

#: So many refusals are told; beyond, they are counted.
_TOLD_REFUSALS = 20


class Surroundings(Protocol):
    """What a `Delivery` needs of the thread that it works for."""

    def tell(self, text: str) -> None:
        """Say something to the user."""

    def pause(self, failures: int) -> None:
        """Wait, longer after many failures; raises where it is time to stop."""

    def pending(self) -> int:
        """How many entries wait."""


class Delivery:
    """Executes commands until they are done or refused for good.

    Attributes:
        written: commands executed.
        refused: commands that the store will never take, or that failed by a mistake of ours.
        trouble: why nothing is being sent now; empty when all is well.
        seconds: time spent in calls of the store.
    """

    def __init__(self, performer: Performer, uri: str, place: str, around: Surroundings) -> None:
        self.written = 0
        self.refused = 0
        self.trouble = ""
        self.seconds = 0.0
        self._performer = performer
        self._uri = uri
        self._place = place
        self._around = around
        self._said_away = False
        self._late = 0
        self._caught_up_at = 0
        self._said_refused: set[str] = set()
        self._lost_noted = 0
        self._lost_before: int | None = None

    def deliver(self, step: Sequence[Work | Group], source: Source) -> None:
        """Execute one command, or `Log`s of the same run; what the store refuses is counted, told and skipped."""
        error = self._insist(lambda again: self._performer.perform(step, source, source.careful or again))
        first = step[0]
        if error is None:
            self.written += len(step)
        elif isinstance(first, Group):
            for part in first.parts:
                self.deliver([part], source)
        elif self._is_gone(first.run):
            self._refuse(first.run, error, len(step))
        elif len(step) > 1:
            for command in step:
                self.deliver([command], source)
        else:
            self._deliver_parts(first, source, error)

    def note_lost(self, study: RunRef, lost: int, source: Source) -> None:
        """Write on the study's run how many entries were lost, those of earlier processes included."""
        if lost > self._lost_noted:
            self._insist(lambda _: self._write_lost(study, lost, source))
            self._lost_noted = lost

    def finish(self) -> None:
        """Look one last time for runs that were created twice; for when everything has been sent."""
        self._performer.delete_twins()

    def round_done(self) -> None:
        """Tell the user that a store is back, once what had waited has been sent."""
        caught_up = self.written + self.refused >= self._caught_up_at or not self._around.pending()
        if self._said_away and not self.trouble and caught_up:
            self._said_away = False
            self._around.tell(f"the tracking store {self._uri} answers again; {self._late} entries were sent late")

    def _deliver_parts(self, command: Work, source: Source, error: Exception) -> None:
        """What was refused as a whole once more, then in parts, so that one bad entry takes no good ones with it."""
        if isinstance(command, Log) and len(command) > 1:
            whole = self._salvage_halves(command, source)
        else:
            # Two writers at the same moment may get in each other's way, which looks like a refusal.
            second = self._insist(lambda _: self._performer.perform([command], source, careful=True))
            whole, error = second is None, second or error
            if not whole:
                self._say_refused(command.run, error)
        self.written += whole
        self.refused += not whole

    def _salvage(self, log: Log, source: Source) -> bool:
        """Whether every entry of `log` could be written, together or one by one."""
        error = self._insist(lambda _: self._performer.perform([log], source, careful=True))
        if error is None:
            return True
        if len(log) == 1:
            self._say_refused(log.run, error)
            return False
        return self._salvage_halves(log, source)

    def _salvage_halves(self, log: Log, source: Source) -> bool:
        first, second = log.halves()
        return self._salvage(first, source) & self._salvage(second, source)

    def _is_gone(self, run: RunRef) -> bool:
        answers: list[bool] = []
        self._insist(lambda _: answers.append(self._performer.is_gone(run)))
        return any(answers)

    def _write_lost(self, study: RunRef, lost: int, source: Source) -> None:
        if self._lost_before is None:
            self._lost_before = self._performer.lost_before(study.run_id)
        self._performer.perform([Log(study, tags={Tag.LOST: str(self._lost_before + lost)})], source, careful=True)

    def _insist(self, call: Callable[[bool], None]) -> Exception | None:
        """Call until it succeeds, with pauses while the store is away.

        Args:
            call: takes whether it has been called before.

        Returns:
            None, or the error of a refusal or a defect.
        """
        for failures in itertools.count():
            begin = time.perf_counter()
            try:
                call(failures > 0)
            except Exception as error:
                verdict = judge(error)
                if verdict is Verdict.AWAY:
                    self._away(error)
                else:
                    if verdict is Verdict.DEFECT:
                        _log.exception("defect while writing to the tracking store; the entry is skipped")
                    self._answered()
                    return error
            else:
                self._answered()
                return None
            finally:
                self.seconds += time.perf_counter() - begin
            self._around.pause(failures)
        raise AssertionError("a count never ends")

    def _away(self, error: Exception) -> None:
        self.trouble = f"the tracking store {self._uri} cannot be written: {describe(error)}"
        if not self._said_away:
            self._said_away = True
            self._around.tell(f"{self.trouble}. Training goes on; entries wait in {self._place} until it can")

    def _answered(self) -> None:
        if self.trouble:
            self.trouble = ""
            self._late = self._around.pending()
            self._caught_up_at = self.written + self.refused + self._late

    def _refuse(self, run: RunRef, error: Exception, count: int) -> None:
        self.refused += count
        self._say_refused(run, error)

    def _say_refused(self, run: RunRef, error: Exception) -> None:
        text = f"an entry of the run {run} is skipped, since the tracking store refuses it: {describe(error)}"
        if text not in self._said_refused and len(self._said_refused) < _TOLD_REFUSALS:
            self._said_refused.add(text)
            self._around.tell(text)
