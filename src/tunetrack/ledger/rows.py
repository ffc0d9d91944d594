"""Reads trials out of the tables that Optuna lays out, by few plain statements.

Optuna's own reading makes an object of its mapper for every row, which took most of the time of a trial that trains
nothing. What has ended is read once, as in Optuna's own cache.
"""

from __future__ import annotations

import copy
import itertools
import json
from bisect import bisect_left
from collections.abc import Container, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import sqlalchemy
from optuna import distributions
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState

__all__ = [
    "PARAMS",
    "REPORTS",
    "SYSTEM_ATTRIBUTES",
    "TRIALS",
    "USER_ATTRIBUTES",
    "VALUES",
    "KeptTrials",
    "TrialRows",
    "has_no_values",
]

#: The tables; Optuna declares them through its mapper.
TRIALS: Any = models.TrialModel.__table__
PARAMS: Any = models.TrialParamModel.__table__
VALUES: Any = models.TrialValueModel.__table__
REPORTS: Any = models.TrialIntermediateValueModel.__table__
USER_ATTRIBUTES: Any = models.TrialUserAttributeModel.__table__
SYSTEM_ATTRIBUTES: Any = models.TrialSystemAttributeModel.__table__

#: What belongs to trials: a key, a number and a text each; None: there is no number.
_CHILDREN = {
    PARAMS: ("param_name", "param_value", "distribution_json"),
    VALUES: ("objective", "value", "value_type"),
    REPORTS: ("step", "intermediate_value", "intermediate_value_type"),
    USER_ATTRIBUTES: ("key", None, "value_json"),
    SYSTEM_ATTRIBUTES: ("key", None, "value_json"),
}
# Statements are made once, since making one costs more than executing it.
_TRIAL = sqlalchemy.select(
    TRIALS.c.trial_id, TRIALS.c.number, TRIALS.c.state, TRIALS.c.datetime_start, TRIALS.c.datetime_complete
)
_ONE = _TRIAL.where(TRIALS.c.trial_id == sqlalchemy.bindparam("wanted"))
_NEWER = _TRIAL.where(
    TRIALS.c.study_id == sqlalchemy.bindparam("study"), TRIALS.c.trial_id > sqlalchemy.bindparam("above")
)
_THESE = _TRIAL.where(TRIALS.c.trial_id.in_(sqlalchemy.bindparam("below", expanding=True)))
# A union, since one condition with an OR would have databases go through all trials of the study.
_OF_STUDY = sqlalchemy.union_all(_NEWER, _THESE)


def _of_trials(table: Any, key: str, number: str | None, text: str) -> Any:
    return sqlalchemy.select(
        sqlalchemy.literal_column(f"'{table.name}'"),
        table.c.trial_id,
        *table.primary_key,
        sqlalchemy.cast(table.c[key], sqlalchemy.String),
        sqlalchemy.cast(sqlalchemy.null(), sqlalchemy.Float) if number is None else table.c[number],
        sqlalchemy.cast(table.c[text], sqlalchemy.String),
    )


# One statement, and so one journey to a database server: table, trial id, place in the table, key, number, text.
_OF_ALL = sqlalchemy.union_all(*(_of_trials(table, *names) for table, names in _CHILDREN.items()))
_OF_SOME = sqlalchemy.union_all(
    *(
        _of_trials(table, *names).where(table.c.trial_id.in_(sqlalchemy.bindparam("ids", expanding=True)))
        for table, names in _CHILDREN.items()
    )
)

#: More trials than these are asked for by their study, not one by one.
_BY_ID = 500
#: So many at once: each id is given for five tables, and SQLite before 3.32 takes 999 values.
_AT_ONCE = 150


class TrialRows(RDBStorage):
    """Optuna's storage in an SQL database, with trials read as rows."""

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """One trial as it stands now."""
        with self.engine.connect() as connection:
            found = _trials(connection, _ONE, {"wanted": trial_id})
        if not found:
            raise KeyError(f"there is no trial with id {trial_id}")
        return found[0]

    def _get_trials(
        self,
        study_id: int,
        states: Container[TrialState] | None,
        included_trial_ids: set[int],
        trial_id_greater_than: int,
    ) -> list[FrozenTrial]:
        wanted = _OF_STUDY
        if states is not None:
            among = TRIALS.c.state.in_([state for state in TrialState if state in states])
            wanted = sqlalchemy.union_all(_NEWER.where(among), _THESE.where(among))
        below = [trial_id for trial_id in included_trial_ids if trial_id <= trial_id_greater_than]
        given = {"study": study_id, "above": trial_id_greater_than, "below": below}
        with self.engine.connect() as connection:
            found = _trials(connection, wanted, given)
            if not found:  # of no study, or of one without news
                known = sqlalchemy.select(models.StudyModel.study_id).where(models.StudyModel.study_id == study_id)
                if connection.execute(known).first() is None:
                    raise KeyError(f"there is no study with id {study_id}")
        return found


class KeptTrials(_CachedStorage):
    """Optuna's cache of what has ended, with the trials of each study in a list.

    A look at every trial for each proposal, just to put them in order, took 1.4 ms at 9,000 trials.
    """

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._study_ids: dict[str, int] = {}
        self._in_order: dict[int, list[FrozenTrial]] = {}
        self._valueless: dict[int, set[int]] = {}

    def get_study_id_from_name(self, study_name: str) -> int:
        """The id of a study; kept, since every trial asks for it."""
        if study_name not in self._study_ids:
            self._study_ids[study_name] = super().get_study_id_from_name(study_name)
        return self._study_ids[study_name]

    def delete_study(self, study_id: int) -> None:
        """Deletes a study with its trials."""
        self._study_ids = {name: known for name, known in self._study_ids.items() if known != study_id}
        self._in_order.pop(study_id, None)
        self._valueless.pop(study_id, None)
        super().delete_study(study_id)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """The trials in the order of their numbers."""
        self._read_trials_from_remote_storage(study_id)
        with self._lock:
            found = [*self._in_order.get(study_id, ())]
        if states is not None:
            found = [trial for trial in found if trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def with_values(self, study_id: int) -> list[FrozenTrial]:
        """The trials in the order of their numbers, but those that failed before they had values; not copied."""
        found = self.get_all_trials(study_id, deepcopy=False)
        without = self._valueless.get(study_id)
        return [trial for trial in found if trial.number not in without] if without else found

    def _add_trials_to_cache(self, study_id: int, trials: list[FrozenTrial]) -> None:
        super()._add_trials_to_cache(study_id, trials)
        kept = self._in_order.setdefault(study_id, [])
        for trial in trials:
            place = bisect_left(kept, trial.number, key=attrgetter("number"))
            known = place < len(kept) and kept[place].number == trial.number
            kept[place : place + known] = [trial]
            if has_no_values(trial):
                self._valueless.setdefault(study_id, set()).add(trial.number)


def has_no_values(trial: FrozenTrial) -> bool:
    """Whether a trial has failed before it had values.

    Its worker died while it was proposed, or its values are of an earlier study file.
    """
    return trial.state is TrialState.FAIL and not trial.params


def _trials(
    connection: sqlalchemy.Connection, wanted: sqlalchemy.Executable, given: Mapping[str, Any]
) -> list[FrozenTrial]:
    """The trials that a statement finds, in the order of their ids.

    The rows of the trials are read first: what belongs to one that has ended is complete by then.
    """
    rows = sorted(connection.execute(wanted, given), key=itemgetter(0))
    if not rows:
        return []
    ids = [row[0] for row in rows]
    # A study that is opened again has thousands of trials: then the rows of the whole database are gone through once.
    asked: list[tuple[sqlalchemy.Executable, dict[str, Any]]] = [(_OF_ALL, {})]
    if len(ids) <= _BY_ID:
        asked = [(_OF_SOME, {"ids": ids[first : first + _AT_ONCE]}) for first in range(0, len(ids), _AT_ONCE)]
    of: dict[int, dict[str, list[Any]]] = {trial_id: {table.name: [] for table in _CHILDREN} for trial_id in ids}
    for table, trial_id, *rest in itertools.chain.from_iterable(connection.execute(*one) for one in asked):
        if trial_id in of:
            of[trial_id][table].append(rest)
    return [_trial(row, of[row[0]]) for row in rows]


def _trial(row: Sequence[Any], children: Mapping[str, list[Any]]) -> FrozenTrial:
    """A trial of its row and what belongs to it, by table: place, key, number and text of each."""
    trial_id, number, state, start, complete = row
    as_written = (sorted(found, key=itemgetter(0)) for found in children.values())
    params, values, reports, attributes, of_samplers = as_written
    value, report = models.TrialValueModel, models.TrialIntermediateValueModel
    by_objective = {int(objective): (one, kind) for _, objective, one, kind in values}
    return FrozenTrial(
        number=number,
        state=state,
        value=None,
        values=[
            value.stored_repr_to_value(one, value.TrialValueType[kind])
            for _, (one, kind) in sorted(by_objective.items())
        ]
        or None,
        datetime_start=_local(start),
        datetime_complete=_local(complete),
        params={name: _distribution(text).to_external_repr(one) for _, name, one, text in params},
        distributions={name: _distribution(text) for _, name, _, text in params},
        user_attrs={key: json.loads(text) for _, key, _, text in attributes},
        system_attrs={key: json.loads(text) for _, key, _, text in of_samplers},
        intermediate_values={
            int(step): report.stored_repr_to_intermediate_value(one, report.TrialIntermediateValueType[kind])
            for _, step, one, kind in reports
        },
        trial_id=trial_id,
    )


@lru_cache(maxsize=10_000)
def _distribution(text: str) -> distributions.BaseDistribution:
    return distributions.json_to_distribution(text)


def _local(utc: datetime | None) -> datetime | None:
    """Optuna keeps times in UTC and gives them in local time, both without a zone."""
    return None if utc is None else utc.replace(tzinfo=UTC).astimezone().replace(tzinfo=None)
