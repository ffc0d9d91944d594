"""How far a study is: how many trials it has, and which of them have not ended. Read by one small query.

What has ended stays ended, so each look asks for the trials that had not ended before, and for newer ones.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState
from sqlalchemy import bindparam

from tunetrack.ledger.patience import insist
from tunetrack.ledger.rows import TRIALS

__all__ = ["Board", "Standing"]

_NEWS = (
    sqlalchemy.select(TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state)
    .where(
        TRIALS.c.study_id == bindparam("study"),
        sqlalchemy.or_(TRIALS.c.trial_id > bindparam("last"), TRIALS.c.trial_id.in_(bindparam("open", expanding=True))),
    )
    .order_by(TRIALS.c.trial_id)
)


@dataclass(frozen=True)
class Standing:
    """A study at one moment.

    Attributes:
        count: number of trials in any state, and so the number of the next one.
        waiting: (trial number, trial id) of those that were given back, the lowest number first.
        running: the same of those that are run.
    """

    count: int
    waiting: tuple[tuple[int, int], ...]
    running: tuple[tuple[int, int], ...]

    @property
    def ended(self) -> int:
        """How many trials have ended."""
        return self.count - len(self.waiting) - len(self.running)

    @property
    def ended_below(self) -> int:
        """All trials with a lower number than this have ended."""
        return min([self.count, *(number for number, _ in (*self.waiting[:1], *self.running[:1]))])


class Board:
    """Looks at the trials of one study. Safe among threads."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self._backend = getattr(storage, "_backend", storage)
        self._lock = threading.Lock()
        self._unfinished: dict[int, tuple[int, TrialState]] = {}  # by trial id
        self._last_id, self._count = -1, 0

    def look(self) -> Standing:
        """The study as it stands now."""
        with self._lock:
            for trial_id, number, state in insist(self._rows):
                if trial_id > self._last_id:
                    self._last_id, self._count = trial_id, self._count + 1
                self._unfinished.pop(trial_id, None)
                if not state.is_finished():
                    self._unfinished[trial_id] = number, state
            return Standing(self._count, self._in(TrialState.WAITING), self._in(TrialState.RUNNING))

    def _in(self, wanted: TrialState) -> tuple[tuple[int, int], ...]:
        found = self._unfinished.items()
        return tuple(sorted((number, trial_id) for trial_id, (number, state) in found if state is wanted))

    def _rows(self) -> list[tuple[int, int, TrialState]]:
        """Id, number and state of all trials that may have changed, in the order of their ids.

        Trials are added under a lock on their study, so a lower id never comes later.
        """
        if not isinstance(self._backend, RDBStorage):
            trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
            return [(trial._trial_id, trial.number, trial.state) for trial in trials]
        given = {"study": self._study_id, "last": self._last_id, "open": list(self._unfinished)}
        with self._backend.engine.connect() as connection:
            return [(row[0], row[1], row[2]) for row in connection.execute(_NEWS, given)]
