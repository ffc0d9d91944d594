"""Changes to a trial that count only while its worker holds it: each in one transaction, so a kill leaves no halves.

A claim is the worker's identity with a token of its own, kept with the trial. Every change begins with a write that
finds the trial only in the state and under the claim that it should have, and so holds the row until the commit. On
SQLite it has to be a write: what is read before the first one may be stale by the time of the commit.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState
from sqlalchemy.orm import Session

from tunetrack.errors import LeaseLostError
from tunetrack.ledger.records import WORKER

__all__ = ["GRACE_SECONDS", "RENEW_SECONDS", "Change", "Leases", "leases_of", "lost"]

#: How often a worker says that it lives.
RENEW_SECONDS = 10.0
#: How long a worker of another host may be silent before its trial is given to somebody else.
GRACE_SECONDS = 60.0

Worker = Mapping[str, Any]


def lost(number: int) -> LeaseLostError:
    """What a worker is told whose trial has gone to somebody else."""
    return LeaseLostError(
        f"trial {number} has been taken over: this worker was not heard of for {GRACE_SECONDS:.0f} s (suspended, or "
        "cut off from the ledger), or its trial was reclaimed by hand. Nothing more of this attempt is kept"
    )


class Change(ABC):
    """What can be written to one trial within a transaction."""

    @abstractmethod
    def report(self, step: int, value: float) -> None:
        """Keeps an intermediate value."""

    @abstractmethod
    def attribute(self, key: str, value: Any) -> None:
        """Keeps a JSON value with the trial."""

    @abstractmethod
    def parameter(self, name: str, internal: float, distribution: BaseDistribution) -> None:
        """Keeps a proposed value."""

    @abstractmethod
    def study_system_attribute(self, study_id: int, key: str, value: Any) -> None:
        """Keeps what a sampler remembers with the study."""

    @abstractmethod
    def beat(self) -> None:
        """Says that the worker lives."""

    @abstractmethod
    def state(self, state: OptunaState, values: Sequence[float] | None = None) -> None:
        """Moves the trial to another state; comes last, since a finished trial cannot be written any more."""


class Leases(ABC):
    """The claims on the trials of one storage."""

    @abstractmethod
    def take(self, trial: FrozenTrial, worker: Worker) -> bool:
        """Turns a WAITING trial into a RUNNING one of this worker; False where somebody was faster."""

    @abstractmethod
    def add(self, study_id: int, worker: Worker, below: int | None) -> FrozenTrial | None:
        """Adds a RUNNING trial of this worker, unless its number would be `below` or more: then None."""

    @abstractmethod
    def change(self, trial: FrozenTrial, worker: Worker | None) -> AbstractContextManager[Change]:
        """One transaction on a RUNNING trial of this worker; no other use of the storage is allowed inside.

        Raises:
            LeaseLostError: the trial is not running, or under another claim.
        """

    @abstractmethod
    def heartbeats(self, study_id: int) -> tuple[datetime, dict[int, datetime]]:
        """The database's time, and by trial id when the worker of each running trial was last heard of."""


def leases_of(storage: BaseStorage) -> Leases:
    """The way of changing trials that a storage allows."""
    backend = getattr(storage, "_backend", storage)
    return _DatabaseLeases(backend) if isinstance(backend, RDBStorage) else _PlainLeases(storage)


class _DatabaseLeases(Leases):
    """In an SQL database, as Optuna lays it out."""

    def __init__(self, backend: RDBStorage) -> None:
        self._backend = backend

    def take(self, trial: FrozenTrial, worker: Worker) -> bool:
        with _create_scoped_session(self._backend.scoped_session) as session, session.no_autoflush:
            now = datetime.now(UTC).replace(tzinfo=None)
            waiting = _trials(trial, OptunaState.WAITING)
            if _count(session, waiting.values(state=OptunaState.RUNNING, _datetime_start_utc=now)) != 1:
                return False
            # What an earlier attempt reported is reported again, and must not stand for this attempt's last word.
            reports = models.TrialIntermediateValueModel
            session.execute(sqlalchemy.delete(reports).where(reports.trial_id == trial._trial_id))
            change = _DatabaseChange(self._backend, session, trial._trial_id)
            change.attribute(WORKER, worker)
            change.beat()
            return True

    def add(self, study_id: int, worker: Worker, below: int | None) -> FrozenTrial | None:
        study, trials = models.StudyModel, models.TrialModel
        last = sqlalchemy.select(trials.number).where(trials.study_id == study_id).order_by(trials.trial_id.desc())
        template = create_trial(state=OptunaState.RUNNING, user_attrs={WORKER: worker})
        with _create_scoped_session(self._backend.scoped_session) as session, session.no_autoflush:
            # Holds the study's row until the commit, so that one worker at a time numbers a trial.
            row = sqlalchemy.update(study).where(study.study_id == study_id).values(study_id=study_id)
            session.execute(row.execution_options(synchronize_session=False))
            number = session.execute(last.limit(1)).scalar_one_or_none()
            template.number = 0 if number is None else number + 1
            if below is not None and template.number >= below:
                return None
            trial = models.TrialModel(
                study_id=study_id,
                number=template.number,
                state=OptunaState.RUNNING,
                datetime_start=template.datetime_start,
            )
            session.add(trial)
            session.flush()
            template._trial_id = trial_id = cast(int, trial.trial_id)
            session.add(models.TrialUserAttributeModel(trial_id=trial_id, key=WORKER, value_json=json.dumps(worker)))
            _DatabaseChange(self._backend, session, trial_id).beat()
        return template

    @contextmanager
    def change(self, trial: FrozenTrial, worker: Worker | None) -> Iterator[Change]:
        with _create_scoped_session(self._backend.scoped_session) as session, session.no_autoflush:
            held = _trials(trial, OptunaState.RUNNING).where(_claimed_by(trial._trial_id, worker))
            if _count(session, held.values(state=OptunaState.RUNNING)) != 1:
                raise lost(trial.number)
            yield _DatabaseChange(self._backend, session, trial._trial_id)

    def heartbeats(self, study_id: int) -> tuple[datetime, dict[int, datetime]]:
        beats, trials = models.TrialHeartbeatModel, models.TrialModel
        wanted = (
            sqlalchemy.select(beats.trial_id, beats.heartbeat)
            .join(trials, trials.trial_id == beats.trial_id)
            .where(trials.study_id == study_id, trials.state == OptunaState.RUNNING)
        )
        with _create_scoped_session(self._backend.scoped_session) as session:
            now = session.execute(sqlalchemy.func.now()).scalar_one()
            found = {trial_id: beat.replace(tzinfo=None) for trial_id, beat in session.execute(wanted)}
        return now.replace(tzinfo=None), found


class _DatabaseChange(Change):
    """Within an open session; Optuna's own way of writing, without its commit after every value."""

    def __init__(self, backend: RDBStorage, session: Session, trial_id: int) -> None:
        self._backend, self._session, self._trial_id = backend, session, trial_id

    def report(self, step: int, value: float) -> None:
        self._backend._set_trial_intermediate_value_without_commit(self._session, self._trial_id, step, value)

    def attribute(self, key: str, value: Any) -> None:
        model = models.TrialUserAttributeModel
        self._backend._set_trial_attr_without_commit(self._session, model, self._trial_id, key, value)

    def parameter(self, name: str, internal: float, distribution: BaseDistribution) -> None:
        # All trials of a study have the distributions of its study file, so there is no other one to compare with.
        self._backend._set_trial_param_without_commit(
            self._session, self._trial_id, name, internal, distribution, previous_distribution=distribution
        )

    def study_system_attribute(self, study_id: int, key: str, value: Any) -> None:
        model, text = models.StudySystemAttributeModel, json.dumps(value)
        same = (model.study_id == study_id, model.key == key)
        if _count(self._session, sqlalchemy.update(model).where(*same).values(value_json=text)) == 0:
            self._session.add(model(study_id=study_id, key=key, value_json=text))

    def beat(self) -> None:
        model = models.TrialHeartbeatModel
        known = sqlalchemy.update(model).where(model.trial_id == self._trial_id)
        if _count(self._session, known.values(heartbeat=sqlalchemy.func.current_timestamp())) == 0:
            self._session.add(model(trial_id=self._trial_id))

    def state(self, state: OptunaState, values: Sequence[float] | None = None) -> None:
        trial = models.TrialModel.find_or_raise_by_id(self._trial_id, self._session)
        for objective, value in enumerate(values or ()):
            self._backend._set_trial_value_without_commit(self._session, trial, objective, value)
        trial.state = state
        if state.is_finished():
            trial.datetime_complete = datetime.now()


class _PlainLeases(Leases):
    """In a storage without transactions, such as one in memory: safe among threads, and no crash is survived."""

    _lock = threading.RLock()

    def __init__(self, storage: BaseStorage) -> None:
        self._storage = storage

    def take(self, trial: FrozenTrial, worker: Worker) -> bool:
        with self._lock:
            taken = self._storage.set_trial_state_values(trial._trial_id, OptunaState.RUNNING)
            if taken:
                self._storage.set_trial_user_attr(trial._trial_id, WORKER, dict(worker))
            return taken

    def add(self, study_id: int, worker: Worker, below: int | None) -> FrozenTrial | None:
        with self._lock:
            if below is not None and len(self._storage.get_all_trials(study_id, deepcopy=False)) >= below:
                return None
            template = create_trial(state=OptunaState.RUNNING, user_attrs={WORKER: dict(worker)})
            return self._storage.get_trial(self._storage.create_new_trial(study_id, template))

    @contextmanager
    def change(self, trial: FrozenTrial, worker: Worker | None) -> Iterator[Change]:
        with self._lock:
            found = self._storage.get_trial(trial._trial_id)
            if found.state is not OptunaState.RUNNING or found.user_attrs.get(WORKER) != worker:
                raise lost(trial.number)
            yield _PlainChange(self._storage, trial._trial_id)

    def heartbeats(self, study_id: int) -> tuple[datetime, dict[int, datetime]]:
        return datetime.now(UTC).replace(tzinfo=None), {}


class _PlainChange(Change):
    def __init__(self, storage: BaseStorage, trial_id: int) -> None:
        self._storage, self._trial_id = storage, trial_id

    def report(self, step: int, value: float) -> None:
        self._storage.set_trial_intermediate_value(self._trial_id, step, value)

    def attribute(self, key: str, value: Any) -> None:
        self._storage.set_trial_user_attr(self._trial_id, key, value)

    def parameter(self, name: str, internal: float, distribution: BaseDistribution) -> None:
        self._storage.set_trial_param(self._trial_id, name, internal, distribution)

    def study_system_attribute(self, study_id: int, key: str, value: Any) -> None:
        self._storage.set_study_system_attr(study_id, key, value)

    def beat(self) -> None:
        """Nobody outside this process can ask."""

    def state(self, state: OptunaState, values: Sequence[float] | None = None) -> None:
        self._storage.set_trial_state_values(self._trial_id, state, values)


def _trials(trial: FrozenTrial, state: OptunaState) -> sqlalchemy.Update:
    model = models.TrialModel
    found = sqlalchemy.update(model).where(model.trial_id == trial._trial_id, model.state == state)
    return found.execution_options(synchronize_session=False)


def _claimed_by(trial_id: int, worker: Worker | None) -> sqlalchemy.ColumnElement[bool]:
    """The condition that the trial is kept under this very claim; None: under none, as only an old ledger has it."""
    model = models.TrialUserAttributeModel
    claims = sqlalchemy.exists().where(model.trial_id == trial_id, model.key == WORKER)
    if worker is None:
        return ~claims.where(model.value_json != "null")
    return claims.where(model.value_json == json.dumps(worker))


def _count(session: Session, statement: sqlalchemy.Update) -> int:
    """How many rows a statement changed."""
    result = session.execute(statement)
    return int(getattr(result, "rowcount"))  # noqa: B009  (sqlalchemy's types know it of cursors alone)
