"""How the ledger outlasts a database server that goes away for a while, as it does when it is started again.

Only who has worked with the server before waits for it: at the start of a study a wrong address must be said at once.
Whatever begins while the server is away waits in `_reconnecting`, before anything was sent. What was under way when it
went away has failed, or was kept although no answer came. Reading is simply done again (`PatientStorage`); of a change
to a trial it is found out first whether it was kept (`PatientLeases`), so that each counts once.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import optuna
import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tunetrack.errors import masked
from tunetrack.ledger.leases import Change, Leases, Worker, leases_of
from tunetrack.ledger.records import WORKER
from tunetrack.ledger.rows import TrialRows

__all__ = ["PatientStorage", "insist", "patient_leases_of", "while_away"]

_logger = logging.getLogger(__name__)

#: How long to wait for a server that is away, and how often to knock, seconds.
PATIENCE_SECONDS = 600.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_MEANWHILE_SECONDS = 0.2
#: A server that is killed over and over again while it is asked the same thing is not helped by asking on.
_TRIES = 4
_FAILURES = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)
#: SQLAlchemy's code for the use of a transaction after its connection was lost.
_UNUSABLE = "8s2b"

T = TypeVar("T")


def _reconnecting(storage: PatientStorage) -> None:
    """Has an engine that has been connected before wait until its server takes connections again."""
    engine = storage.engine

    @sqlalchemy.event.listens_for(engine, "do_connect")
    def connect(dialect: Any, record: Any, arguments: Any, options: Any) -> Any:
        deadline, pause = time.monotonic() + PATIENCE_SECONDS, _FIRST_PAUSE
        said = False
        while True:
            try:
                connection = dialect.connect(*arguments, **options)
            except dialect.dbapi.OperationalError as error:
                if time.monotonic() + pause > deadline:
                    raise
                if not said:
                    url = masked(engine.url.render_as_string(hide_password=False))
                    _logger.warning(
                        "the ledger %s does not answer, which is waited for (%.0f minutes at most): %s",
                        url,
                        PATIENCE_SECONDS / 60,
                        str(error).strip().splitlines()[0],
                    )
                said = True
                _sleep(pause, storage.meanwhile)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if said:
                    _logger.warning("the ledger answers again")
                return connection


def _sleep(seconds: float, meanwhile: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        meanwhile()
        time.sleep(min(left, _MEANWHILE_SECONDS))


def _is_cut_off(error: BaseException) -> bool:
    """Whether a connection was lost in the middle of a statement; what had begun is undone, or was just completed."""
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    if isinstance(cause, sqlalchemy.exc.PendingRollbackError):
        return cause.code == _UNUSABLE  # Optuna tries some statements twice within a transaction
    return isinstance(cause, sqlalchemy.exc.DBAPIError) and cause.connection_invalidated


def insist(work: Callable[[], T]) -> T:
    """Does something once more when the server has gone away in the middle of it: what may be done twice."""
    for _ in range(_TRIES - 1):
        try:
            return work()
        except _FAILURES as error:
            if not _is_cut_off(error):
                raise
    return work()


class PatientStorage(TrialRows):
    """Optuna's storage on a database server; what it reads and keeps with a study does not fail for a restart.

    Attributes:
        meanwhile: called now and then while the server is waited for; what it raises ends the wait.
    """

    meanwhile: Callable[[], None]

    def __init__(self, url: str, engine_kwargs: dict[str, Any]) -> None:
        # A connection that was lost while nobody used it is noticed before anything is sent by it.
        super().__init__(url, engine_kwargs={**engine_kwargs, "pool_pre_ping": True})
        self.meanwhile = lambda: None
        _reconnecting(self)


def _patient(name: str) -> Callable[..., Any]:
    def method(self: PatientStorage, *given: Any, **options: Any) -> Any:
        return insist(partial(getattr(TrialRows, name), self, *given, **options))

    return method


# All that reads, and what writes the same value again when it is done twice.
for _name in (
    "get_all_studies",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_directions",
    "get_study_user_attrs",
    "get_study_system_attrs",
    "get_trial",
    "get_trial_param",
    "get_trial_user_attrs",
    "get_trial_system_attrs",
    "get_trial_id_from_study_id_trial_number",
    "_get_best_trial_id",
    "_get_trials",
    "set_study_user_attr",
    "set_study_system_attr",
    "set_trial_user_attr",
    "set_trial_system_attr",
):
    setattr(PatientStorage, _name, _patient(_name))


def while_away(storage: BaseStorage, check: Callable[[], None]) -> None:
    """Has `check` called while a storage waits for its server; what it raises ends the wait."""
    backend = getattr(storage, "_backend", storage)
    if isinstance(backend, PatientStorage):
        backend.meanwhile = check


def patient_leases_of(storage: BaseStorage) -> Leases:
    """As `leases_of`; on a database server they outlast its restart."""
    backend = getattr(storage, "_backend", storage)
    found = leases_of(storage)
    return _PatientLeases(found, backend) if isinstance(backend, PatientStorage) else found


class _PatientLeases(Leases):
    def __init__(self, leases: Leases, storage: PatientStorage) -> None:
        self._leases, self._storage = leases, storage

    def take(self, trial: FrozenTrial, worker: Worker) -> bool:
        def attempt() -> bool:
            return self._leases.take(trial, worker) or self._is_claimed(trial, worker)

        return insist(attempt)

    def add(self, study_id: int, worker: Worker, below: int | None) -> FrozenTrial | None:
        attempts = itertools.count()

        def attempt() -> FrozenTrial | None:
            if next(attempts):
                found = self._storage.get_all_trials(study_id, states=(OptunaState.RUNNING,))
                if kept := [trial for trial in found if trial.user_attrs.get(WORKER) == worker]:
                    return kept[0]
            return self._leases.add(study_id, worker, below)

        return insist(attempt)

    @contextmanager
    def change(self, trial: FrozenTrial, worker: Worker | None) -> Iterator[Change]:
        record = _Recorded()
        try:
            with ExitStack() as stack:
                record.live = insist(lambda: stack.enter_context(self._leases.change(trial, worker)))
                yield record
                if record.cut_off is not None:
                    raise record.cut_off
        except _FAILURES as error:
            if not _is_cut_off(error):
                raise
            insist(lambda: self._again(trial, worker, record))

    def report(self, trial: FrozenTrial, worker: Worker, step: int, value: float) -> None:
        attempts = itertools.count()

        def attempt() -> None:
            # Each step is written once by the one who holds the trial.
            if next(attempts) and step in self._storage.get_trial(trial._trial_id).intermediate_values:
                return
            self._leases.report(trial, worker, step, value)

        insist(attempt)

    def heartbeats(self, trial_ids: Collection[int]) -> tuple[datetime, dict[int, datetime]]:
        return insist(lambda: self._leases.heartbeats(trial_ids))

    def _again(self, trial: FrozenTrial, worker: Worker | None, record: _Recorded) -> None:
        """The whole transaction once more, unless it was kept."""
        if record.was_kept(self._storage.get_trial(trial._trial_id), worker):
            return
        with self._leases.change(trial, worker) as change:
            for use in record.uses:
                use(change)

    def _is_claimed(self, trial: FrozenTrial, worker: Worker) -> bool:
        """Whether the trial is this claim's, of which there is one only: an earlier attempt has taken it."""
        now = self._storage.get_trial(trial._trial_id)
        return now.state is OptunaState.RUNNING and now.user_attrs.get(WORKER) == worker


class _Recorded(Change):
    """Writes as it is told, and remembers it for another attempt; after the connection is lost it only remembers.

    Attributes:
        live: the transaction that is open.
        uses: what was written.
        cut_off: how the connection was lost.
    """

    live: Change

    def __init__(self) -> None:
        self.uses: list[Callable[[Change], None]] = []
        self.cut_off: Exception | None = None
        self._parameters: list[str] = []
        self._state: OptunaState | None = None

    def was_kept(self, now: FrozenTrial, worker: Worker | None) -> bool:
        """Whether the trial shows what only this transaction can have written."""
        if self._state is not None:
            return now.state is self._state and now.user_attrs.get(WORKER) == worker
        # Each value is written once by the one who holds the trial.
        return any(name in now.params for name in self._parameters)

    def attribute(self, key: str, value: Any, new: bool = False) -> None:
        # The second time it may be there.
        self._use(lambda change: change.attribute(key, value, new and change is self.live))

    def system_attribute(self, key: str, value: Any, new: bool = False) -> None:
        self._use(lambda change: change.system_attribute(key, value, new and change is self.live))

    def parameters(self, values: Sequence[tuple[str, float, BaseDistribution]]) -> None:
        kept = list(values)
        self._parameters += [name for name, _, _ in kept]
        self._use(lambda change: change.parameters(kept))

    def study_system_attribute(self, study_id: int, key: str, value: Any) -> None:
        self._use(lambda change: change.study_system_attribute(study_id, key, value))

    def beat(self) -> None:
        self._use(lambda change: change.beat())

    def state(self, state: OptunaState, values: Sequence[float] | None = None) -> None:
        self._state = state
        self._use(lambda change: change.state(state, values))

    def _use(self, use: Callable[[Change], None]) -> None:
        self.uses.append(use)
        if self.cut_off is not None:
            return
        try:
            use(self.live)
        except _FAILURES as error:
            if not _is_cut_off(error):
                raise
            self.cut_off = error
