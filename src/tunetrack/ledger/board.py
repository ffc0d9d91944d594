"""How far a study is: how many trials it has, which of them have not ended, and under which keys the others were told.

What has ended stays ended, so each look asks for the trials that had not ended before, and for newer ones, by one small
query. With many workers each of them looks at the trials of all, and whole trials would be a hundred rows each.
"""

from __future__ import annotations

import json
import threading
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import bindparam

from tunetrack.ledger.patience import insist
from tunetrack.ledger.records import OUTCOME, told_key
from tunetrack.ledger.rows import PARAMS, TRIALS, USER_ATTRIBUTES

__all__ = ["Board", "OpenTrial", "Standing"]


def _with(key: Any) -> Any:
    """Trials, each with an attribute of its own where it has one."""
    own = sqlalchemy.and_(USER_ATTRIBUTES.c.trial_id == TRIALS.c.trial_id, USER_ATTRIBUTES.c.key == key)
    return TRIALS.outerjoin(USER_ATTRIBUTES, own)


_STATES = sqlalchemy.select(
    TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state, USER_ATTRIBUTES.c.value_json
).select_from(_with(OUTCOME))
# A union, since one condition with an OR would have databases go through all trials of the study.
_NEWS = sqlalchemy.union_all(
    _STATES.where(TRIALS.c.study_id == bindparam("study"), TRIALS.c.trial_id > bindparam("last")),
    _STATES.where(TRIALS.c.trial_id.in_(bindparam("open", expanding=True))),
)
_OPEN = (
    sqlalchemy.select(
        TRIALS.c.trial_id,
        TRIALS.c.number,
        TRIALS.c.state,
        USER_ATTRIBUTES.c.value_json,
        sqlalchemy.exists().where(PARAMS.c.trial_id == TRIALS.c.trial_id),
    )
    .select_from(_with(bindparam("attribute")))
    .where(TRIALS.c.trial_id.in_(bindparam("open", expanding=True)))
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


@dataclass(frozen=True)
class OpenTrial:
    """A trial that had not ended at the last look, as it is now.

    Attributes:
        number, trial_id: its number, and the storage's id.
        state: it may have ended since.
        attribute: the value of the attribute that was asked for; None where it has none.
        proposed: whether it has a value.
    """

    number: int
    trial_id: int
    state: TrialState
    attribute: Any
    proposed: bool


class Board:
    """Looks at the trials of one study. Safe among threads."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage, self._study_id = storage, study_id
        self._backend = getattr(storage, "_backend", storage)
        self._lock = threading.Lock()
        self._unfinished: dict[int, tuple[int, TrialState]] = {}  # by trial id
        self._told: dict[str, dict[int, int]] = defaultdict(dict)  # by key: trial id by number
        self._last_id, self._count = -1, 0

    def look(self) -> Standing:
        """The study as it stands now."""
        with self._lock:
            for trial_id, number, state, outcome in insist(self._rows):
                if trial_id > self._last_id:
                    self._last_id, self._count = trial_id, self._count + 1
                self._unfinished.pop(trial_id, None)
                if not state.is_finished():
                    self._unfinished[trial_id] = number, state
                elif state is TrialState.COMPLETE and (key := told_key(outcome)) is not None:
                    self._told[key][number] = trial_id
            return Standing(self._count, self._in(TrialState.WAITING), self._in(TrialState.RUNNING))

    def told_with(self, key: str) -> tuple[int, ...]:
        """Ids of the trials that had been trained to the end at the last look and were told with this key.

        Reused results do not count. The lowest number comes first.
        """
        with self._lock:
            return tuple(trial_id for _, trial_id in sorted(self._told.get(key, {}).items()))

    def open_trials(self, trial_ids: Collection[int], attribute: str) -> list[OpenTrial]:
        """Some of the trials, as they are now, in the order of their ids.

        Args:
            trial_ids: which.
            attribute: name of a trial attribute that is read, too.
        """
        if not trial_ids:
            return []
        if not isinstance(self._backend, RDBStorage):
            return [
                OpenTrial(one.number, one._trial_id, one.state, one.user_attrs.get(attribute), bool(one.params))
                for one in self._storage.get_all_trials(self._study_id, deepcopy=False)
                if one._trial_id in trial_ids
            ]
        engine, given = self._backend.engine, {"open": list(trial_ids), "attribute": attribute}

        def rows() -> list[Any]:
            with engine.connect() as connection:
                return list(connection.execute(_OPEN, given))

        return [
            OpenTrial(number, trial_id, state, None if text is None else json.loads(text), bool(proposed))
            for trial_id, number, state, text, proposed in insist(rows)
        ]

    def _in(self, wanted: TrialState) -> tuple[tuple[int, int], ...]:
        found = self._unfinished.items()
        return tuple(sorted((number, trial_id) for trial_id, (number, state) in found if state is wanted))

    def _rows(self) -> list[tuple[int, int, TrialState, Mapping[str, Any]]]:
        """Id, number, state and outcome of all trials that may have changed, in the order of their ids.

        Trials are added under a lock on their study, so a lower id never comes later.
        """
        if not isinstance(self._backend, RDBStorage):
            trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
            return [(trial._trial_id, trial.number, trial.state, _outcome_of(trial)) for trial in trials]
        given = {"study": self._study_id, "last": self._last_id, "open": list(self._unfinished)}
        with self._backend.engine.connect() as connection:
            found = sorted(connection.execute(_NEWS, given), key=itemgetter(0))
            return [(row[0], row[1], row[2], {} if row[3] is None else json.loads(row[3])) for row in found]


def _outcome_of(trial: FrozenTrial) -> Mapping[str, Any]:
    found: Mapping[str, Any] = trial.user_attrs.get(OUTCOME, {})
    return found
