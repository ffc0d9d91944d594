"""The trials of a study as records: read once when finished, and ranked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial

from tunetrack.ledger.records import TrialRecord, record_of
from tunetrack.spec.space import SearchSpace
from tunetrack.spec.study import Objective

__all__ = ["History", "best_of", "pareto_front"]


class History:
    """Reads the trials of one study; records of finished trials are kept, since those do not change any more."""

    def __init__(self, storage: BaseStorage, study_id: int, space: SearchSpace) -> None:
        self._storage = storage
        self._study_id = study_id
        self._space = space
        self._finished: dict[int, TrialRecord] = {}

    def read(self) -> tuple[TrialRecord, ...]:
        """All trials in the order of their numbers."""
        return tuple(map(self.of, self._storage.get_all_trials(self._study_id, deepcopy=False)))

    def of(self, trial: FrozenTrial) -> TrialRecord:
        """One trial."""
        record = self._finished.get(trial.number)
        if record is None:
            record = record_of(trial, self._space)
            if trial.state.is_finished():
                self._finished[trial.number] = record
        return record


def best_of(trials: Iterable[TrialRecord], objectives: Sequence[Objective], objective: int = 0) -> TrialRecord | None:
    """The best trial by one objective of those with values that break no constraint; None where there is none.

    Of equals the one that is better in the other objectives, in their order, so that no trial beats the best one; then
    the first one.
    """
    order = [objective, *(index for index in range(len(objectives)) if index != objective)]
    signs = [-1.0 if goal.maximize else 1.0 for goal in objectives]
    ranked = [
        ([signs[index] * trial.objectives[index] for index in order], trial)
        for trial in trials
        if trial.objectives is not None and trial.ranked
    ]
    return min(ranked, key=lambda pair: pair[0])[1] if ranked else None


def pareto_front(trials: Iterable[TrialRecord], objectives: Sequence[Objective]) -> tuple[TrialRecord, ...]:
    """Of the trials that break no constraint those that no other beats: as good in all objectives, better in one."""
    signs = [-1.0 if objective.maximize else 1.0 for objective in objectives]
    points = [
        (tuple(sign * value for sign, value in zip(signs, trial.objectives, strict=True)), trial)
        for trial in trials
        if trial.objectives is not None and trial.ranked
    ]
    return tuple(trial for point, trial in points if not any(_dominates(other, point) for other, _ in points))


def _dominates(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
