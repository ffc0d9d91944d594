"""Tells the supervisor how far a study is, besides showing it."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tunetrack.cli.link import LinkEnd
from tunetrack.errors import InterruptedStudyError, masked
from tunetrack.spec import EpochRecord, Finding, TrialConfig, TrialOutcome, TrialState
from tunetrack.study.progress import Progress, StudyStart

__all__ = ["watched"]


@contextmanager
def watched(shown: Progress, link: LinkEnd | None, retries: int, place: Sequence[str]) -> Iterator[Progress]:
    """Where a study's steps go; who stops it is told what goes on with it.

    Args:
        shown: what the user sees.
        link: to the supervisor, which gets the steps that take the study further; None where there is none.
        retries: how often the study may run a trial again whose worker was killed.
        place: the options that say where the study is.
    """
    progress = _Watched(shown, link, retries)
    try:
        yield progress
    except InterruptedStudyError as error:
        resume = shlex.join(["tunetrack", "resume", progress.study, *map(masked, place)])
        error.add_note(f"{resume} goes on with the study")
        raise


class _Watched(Progress):
    def __init__(self, shown: Progress, link: LinkEnd | None, retries: int) -> None:
        self.study = ""
        self._shown, self._link, self._retries = shown, link, retries

    def study_opened(self, name: str) -> None:
        self.study = name
        if self._link is not None:
            self._link.tell(study=name, retries=self._retries)
        self._shown.study_opened(name)

    def study_started(self, start: StudyStart) -> None:
        self._shown.study_started(start)

    def trial_taken(self, number: int, worker: int) -> None:
        self._shown.trial_taken(number, worker)

    def trial_started(self, number: int, config: TrialConfig) -> None:
        self._reached(number, 0)
        self._shown.trial_started(number, config)

    def epoch_finished(self, number: int, record: EpochRecord) -> None:
        self._reached(number, record.epoch)
        self._shown.epoch_finished(number, record)

    def found(self, number: int, finding: Finding) -> None:
        self._shown.found(number, finding)

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        if outcome.state is not TrialState.KILLED:  # its worker was, and it is run again
            self._reached(number, math.inf)
        self._shown.trial_finished(number, outcome)

    def note(self, text: str) -> None:
        self._shown.note(text)

    def _reached(self, number: int, epoch: float) -> None:
        if self._link is not None:
            self._link.tell(trial=number, reached=epoch)
