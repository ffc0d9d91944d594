"""Changes to a trial that count only while its worker holds it: each in one transaction, so a kill leaves no halves.

A claim is the worker's identity with a token of its own, kept with the trial. Every change begins with a write that
finds the trial only in the state and under the claim that it should have, and so holds the row until the commit. On
SQLite it has to be a write: what is read before the first one may be stale by the time of the commit.
"""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, create_trial
from optuna.trial import TrialState as OptunaState
from sqlalchemy import bindparam

from tunetrack.errors import LeaseLostError
from tunetrack.ledger.records import WORKER
from tunetrack.ledger.rows import PARAMS, REPORTS, SYSTEM_ATTRIBUTES, TRIALS, USER_ATTRIBUTES, VALUES

__all__ = ["GRACE_SECONDS", "RENEW_SECONDS", "Change", "Leases", "leases_of", "lost"]

#: How often a worker says that it lives.
RENEW_SECONDS = 10.0
#: How long a worker of another host may be silent before its trial is given to somebody else.
GRACE_SECONDS = 60.0

Worker = Mapping[str, Any]


#: Statements with names for what they are given: made once, since making one costs more than executing it.
_BEATS: Any = models.TrialHeartbeatModel.__table__
_STUDIES: Any = models.StudyModel.__table__
_MOVE = (
    sqlalchemy.update(TRIALS)
    .where(TRIALS.c.trial_id == bindparam("wanted"), TRIALS.c.state == bindparam("from"))
    .values(state=bindparam("to"))
)
_TAKE = _MOVE.values(datetime_start=bindparam("now"))
_END = _MOVE.values(datetime_complete=bindparam("now"))
_CLAIMS = sqlalchemy.exists().where(
    USER_ATTRIBUTES.c.trial_id == bindparam("wanted"), USER_ATTRIBUTES.c.key == bindparam("claim")
)
_HELD = _MOVE.where(_CLAIMS.where(USER_ATTRIBUTES.c.value_json == bindparam("worker")))
_HELD_BY_NOBODY = _MOVE.where(~_CLAIMS.where(USER_ATTRIBUTES.c.value_json != "null"))  # only in an old ledger
# One statement, since these are most of what a short trial writes. FOR UPDATE holds the row as an update would; SQLite
# holds the file.
_REPORT = (
    sqlalchemy.insert(REPORTS)
    .from_select(
        ["trial_id", "step", "intermediate_value", "intermediate_value_type"],
        sqlalchemy.select(
            TRIALS.c.trial_id,
            bindparam("step", type_=REPORTS.c.step.type),
            bindparam("value", type_=REPORTS.c.intermediate_value.type),
            bindparam("kind", type_=REPORTS.c.intermediate_value_type.type),
        )
        .where(TRIALS.c.trial_id == bindparam("wanted"), TRIALS.c.state == bindparam("from"))
        .where(_CLAIMS.where(USER_ATTRIBUTES.c.value_json == bindparam("worker")))
        .with_for_update(),
    )
    .execution_options(preserve_rowcount=True)
)
_HOLD_STUDY = (
    sqlalchemy.update(_STUDIES)
    .where(_STUDIES.c.study_id == bindparam("wanted"))
    .values(study_name=_STUDIES.c.study_name)
)
_LAST_NUMBER = (
    sqlalchemy.select(TRIALS.c.number)
    .where(TRIALS.c.study_id == bindparam("wanted"))
    .order_by(TRIALS.c.trial_id.desc())
    .limit(1)
)
_ATTRIBUTE = (
    sqlalchemy.update(USER_ATTRIBUTES)
    .where(USER_ATTRIBUTES.c.trial_id == bindparam("wanted"), USER_ATTRIBUTES.c.key == bindparam("name"))
    .values(value_json=bindparam("text"))
)
_OLD_SYSTEM_ATTRIBUTE = sqlalchemy.delete(SYSTEM_ATTRIBUTES).where(
    SYSTEM_ATTRIBUTES.c.trial_id == bindparam("wanted"), SYSTEM_ATTRIBUTES.c.key == bindparam("name")
)
_BEAT = (
    sqlalchemy.update(_BEATS)
    .where(_BEATS.c.trial_id == bindparam("wanted"))
    .values(heartbeat=sqlalchemy.func.current_timestamp())
)
_HEARD = sqlalchemy.select(_BEATS.c.trial_id, _BEATS.c.heartbeat).where(
    _BEATS.c.trial_id.in_(bindparam("wanted", expanding=True))
)
_FIRST_BEAT = sqlalchemy.insert(_BEATS).values(heartbeat=sqlalchemy.func.current_timestamp())
_NEW_TRIAL, _NEW_PARAM, _NEW_VALUE = sqlalchemy.insert(TRIALS), sqlalchemy.insert(PARAMS), sqlalchemy.insert(VALUES)
_NEW_ATTRIBUTE = sqlalchemy.insert(USER_ATTRIBUTES)
_NEW_SYSTEM_ATTRIBUTE = sqlalchemy.insert(SYSTEM_ATTRIBUTES)


def lost(number: int) -> LeaseLostError:
    """What a worker is told whose trial has gone to somebody else."""
    return LeaseLostError(
        f"trial {number} has been taken over: this worker was not heard of for {GRACE_SECONDS:.0f} s (suspended, or "
        "cut off from the ledger), or its trial was reclaimed by hand. Nothing more of this attempt is kept"
    )


class Change(ABC):
    """What can be written to one trial within a transaction."""

    @abstractmethod
    def attribute(self, key: str, value: Any, new: bool = False) -> None:
        """Keeps a JSON value with the trial; a `new` one is known not to be there."""

    @abstractmethod
    def system_attribute(self, key: str, value: Any, new: bool = False) -> None:
        """Keeps a JSON value where Optuna's samplers look for it; a `new` one is known not to be there."""

    @abstractmethod
    def parameters(self, values: Sequence[tuple[str, float, BaseDistribution]]) -> None:
        """Keeps the proposed values, each as name, Optuna's internal number and distribution."""

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
    def report(self, trial: FrozenTrial, worker: Worker, step: int, value: float) -> None:
        """Keeps an intermediate value of a RUNNING trial of this worker.

        Raises:
            LeaseLostError: the trial is not running, or under another claim.
        """

    @abstractmethod
    def heartbeats(self, trial_ids: Collection[int]) -> tuple[datetime, dict[int, datetime]]:
        """The database's time, and by trial id when the worker of each of these trials was last heard of."""


def leases_of(storage: BaseStorage) -> Leases:
    """The way of changing trials that a storage allows."""
    backend = getattr(storage, "_backend", storage)
    return _DatabaseLeases(backend) if isinstance(backend, RDBStorage) else _PlainLeases(storage)


class _DatabaseLeases(Leases):
    """In an SQL database, as Optuna lays it out; by plain statements, of which one trial needs dozens."""

    def __init__(self, backend: RDBStorage) -> None:
        self._engine = backend.engine

    def take(self, trial: FrozenTrial, worker: Worker) -> bool:
        with self._engine.begin() as connection:
            wanted = {"wanted": trial._trial_id, "from": OptunaState.WAITING, "to": OptunaState.RUNNING}
            if connection.execute(_TAKE, {**wanted, "now": _utc()}).rowcount != 1:
                return False
            # What an earlier attempt reported is reported again, and must not stand for this attempt's last word.
            connection.execute(sqlalchemy.delete(REPORTS).where(REPORTS.c.trial_id == trial._trial_id))
            change = _DatabaseChange(connection, trial._trial_id)
            change.attribute(WORKER, worker)
            change.beat()
            return True

    def add(self, study_id: int, worker: Worker, below: int | None) -> FrozenTrial | None:
        added = create_trial(state=OptunaState.RUNNING, user_attrs={WORKER: worker})
        with self._engine.begin() as connection:
            # Holds the study's row until the commit, so that one worker at a time numbers a trial.
            connection.execute(_HOLD_STUDY, {"wanted": study_id})
            last = connection.execute(_LAST_NUMBER, {"wanted": study_id}).scalar()
            added.number = 0 if last is None else last + 1
            if below is not None and added.number >= below:
                return None
            row = {"number": added.number, "study_id": study_id, "state": added.state, "datetime_start": _utc()}
            added._trial_id = cast(Any, connection.execute(_NEW_TRIAL, row).inserted_primary_key)[0]
            connection.execute(
                _NEW_ATTRIBUTE, {"trial_id": added._trial_id, "key": WORKER, "value_json": json.dumps(worker)}
            )
            connection.execute(_FIRST_BEAT, {"trial_id": added._trial_id})
        return added

    @contextmanager
    def change(self, trial: FrozenTrial, worker: Worker | None) -> Iterator[Change]:
        claim = {"claim": WORKER, "worker": json.dumps(worker)} if worker is not None else {"claim": WORKER}
        held = _HELD if worker is not None else _HELD_BY_NOBODY
        with self._engine.begin() as connection:
            wanted = {"wanted": trial._trial_id, "from": OptunaState.RUNNING, "to": OptunaState.RUNNING}
            if connection.execute(held, {**wanted, **claim}).rowcount != 1:
                raise lost(trial.number)
            yield _DatabaseChange(connection, trial._trial_id)

    def report(self, trial: FrozenTrial, worker: Worker, step: int, value: float) -> None:
        stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(value)
        wanted = {"wanted": trial._trial_id, "from": OptunaState.RUNNING, "claim": WORKER, "worker": json.dumps(worker)}
        with self._engine.begin() as connection:
            if connection.execute(_REPORT, {**wanted, "step": step, "value": stored, "kind": kind}).rowcount != 1:
                raise lost(trial.number)

    def heartbeats(self, trial_ids: Collection[int]) -> tuple[datetime, dict[int, datetime]]:
        with self._engine.connect() as connection:
            now = connection.execute(sqlalchemy.select(sqlalchemy.func.now())).scalar_one()
            found = {
                trial_id: beat.replace(tzinfo=None)
                for trial_id, beat in connection.execute(_HEARD, {"wanted": list(trial_ids)})
            }
        return now.replace(tzinfo=None), found


class _DatabaseChange(Change):
    """Within an open transaction."""

    def __init__(self, connection: sqlalchemy.Connection, trial_id: int) -> None:
        self._connection, self._trial_id = connection, trial_id

    def attribute(self, key: str, value: Any, new: bool = False) -> None:
        text = json.dumps(value)
        known = {"wanted": self._trial_id, "name": key, "text": text}
        if new or self._connection.execute(_ATTRIBUTE, known).rowcount == 0:
            self._connection.execute(_NEW_ATTRIBUTE, {"trial_id": self._trial_id, "key": key, "value_json": text})

    def system_attribute(self, key: str, value: Any, new: bool = False) -> None:
        if not new:
            self._connection.execute(_OLD_SYSTEM_ATTRIBUTE, {"wanted": self._trial_id, "name": key})
        row = {"trial_id": self._trial_id, "key": key, "value_json": json.dumps(value)}
        self._connection.execute(_NEW_SYSTEM_ATTRIBUTE, row)

    def parameters(self, values: Sequence[tuple[str, float, BaseDistribution]]) -> None:
        rows = [
            {
                "trial_id": self._trial_id,
                "param_name": name,
                "param_value": internal,
                "distribution_json": distribution_to_json(distribution),
            }
            for name, internal, distribution in values
        ]
        if rows:
            self._connection.execute(_NEW_PARAM, rows)

    def study_system_attribute(self, study_id: int, key: str, value: Any) -> None:
        table: Any = models.StudySystemAttributeModel.__table__
        text = json.dumps(value)
        same = (table.c.study_id == study_id, table.c.key == key)
        if self._connection.execute(sqlalchemy.update(table).where(*same).values(value_json=text)).rowcount == 0:
            row = {"study_id": study_id, "key": key, "value_json": text}
            self._connection.execute(sqlalchemy.insert(table).values(row))

    def beat(self) -> None:
        if self._connection.execute(_BEAT, {"wanted": self._trial_id}).rowcount == 0:
            self._connection.execute(_FIRST_BEAT, {"trial_id": self._trial_id})

    def state(self, state: OptunaState, values: Sequence[float] | None = None) -> None:
        for objective, value in enumerate(values or ()):
            stored, kind = models.TrialValueModel.value_to_stored_repr(value)
            row = {"objective": objective, "value": stored, "value_type": kind}
            self._connection.execute(_NEW_VALUE, {"trial_id": self._trial_id, **row})
        moved = {"wanted": self._trial_id, "from": OptunaState.RUNNING, "to": state}
        if state.is_finished():
            self._connection.execute(_END, {**moved, "now": _utc()})
        else:
            self._connection.execute(_MOVE, moved)


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

    def report(self, trial: FrozenTrial, worker: Worker, step: int, value: float) -> None:
        with self.change(trial, worker):
            self._storage.set_trial_intermediate_value(trial._trial_id, step, value)

    def heartbeats(self, trial_ids: Collection[int]) -> tuple[datetime, dict[int, datetime]]:
        return datetime.now(UTC).replace(tzinfo=None), {}


class _PlainChange(Change):
    def __init__(self, storage: BaseStorage, trial_id: int) -> None:
        self._storage, self._trial_id = storage, trial_id

    def attribute(self, key: str, value: Any, new: bool = False) -> None:
        self._storage.set_trial_user_attr(self._trial_id, key, value)

    def system_attribute(self, key: str, value: Any, new: bool = False) -> None:
        self._storage.set_trial_system_attr(self._trial_id, key, value)

    def parameters(self, values: Sequence[tuple[str, float, BaseDistribution]]) -> None:
        for name, internal, distribution in values:
            self._storage.set_trial_param(self._trial_id, name, internal, distribution)

    def study_system_attribute(self, study_id: int, key: str, value: Any) -> None:
        self._storage.set_study_system_attr(study_id, key, value)

    def beat(self) -> None:
        """Nobody outside this process can ask."""

    def state(self, state: OptunaState, values: Sequence[float] | None = None) -> None:
        self._storage.set_trial_state_values(self._trial_id, state, values)


def _utc() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)
