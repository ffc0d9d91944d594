"""What a running study tells whoever watches it. The command line draws it; the default says nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunetrack.spec import EpochRecord, Finding, Objective, TrialConfig, TrialOutcome

if TYPE_CHECKING:
    from tunetrack.tracking import SearchedParam

__all__ = ["Progress", "StudyStart"]


@dataclass(frozen=True)
class StudyStart:
    """What is known when the first trial is about to start.

    Attributes:
        name: the study's name in the ledger and in MLflow.
        objectives: in order.
        searched: the searched parameters, and which branches search them.
        trials: number of trials in the budget; None where only time limits it.
        finished: trials that earlier runs of this study have finished.
        run_id: MLflow's id of the study's run.
    """

    name: str
    objectives: tuple[Objective, ...]
    searched: tuple[SearchedParam, ...]
    trials: int | None
    finished: int
    run_id: str


class Progress:
    """Receives the steps of a study, each trial's in order, from one thread. Every method may be overridden."""

    def study_opened(self, name: str) -> None:
        """The study is in the ledger under this name; from now on it can be resumed."""

    def study_started(self, start: StudyStart) -> None:
        """The runs exist and the data is loaded."""

    def trial_taken(self, number: int, worker: int) -> None:
        """The worker with this index, from 0, begins the trial; told before `trial_started`, where several work."""

    def trial_started(self, number: int, config: TrialConfig) -> None:
        """A configuration has been proposed and is about to be trained."""

    def epoch_finished(self, number: int, record: EpochRecord) -> None:
        """An epoch of the running trial is done."""

    def found(self, number: int, finding: Finding) -> None:
        """A health rule has found something in the running trial; once a rule, before the trial ends."""

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        """The running trial has ended; as KILLED, its worker has, and it is run again."""

    def note(self, text: str) -> None:
        """Something that the user should know while the study goes on."""
