"""A study as it stands in the storage: its trials, who works on them, and what is kept with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from contextlib import AbstractContextManager, ExitStack
from typing import Any

from optuna.storages import BaseStorage

from tunetrack.ledger.changes import Change, changes_of
from tunetrack.ledger.claims import Claims
from tunetrack.ledger.history import History, best_of
from tunetrack.ledger.patience import while_away
from tunetrack.ledger.records import TrialRecord, WorkerRecord
from tunetrack.ledger.storage import errors_in_words, url_of
from tunetrack.spec.study import StudySpec

__all__ = ["StudyBook"]


class StudyBook:
    """What can be read of one study, and the attributes that are kept with it.

    Attributes:
        name: the study's name in the storage.
        spec: the study file's content.
    """

    def __init__(self, storage: BaseStorage, name: str, spec: StudySpec) -> None:
        self.name = name
        self.spec = spec
        self._storage = storage
        self._study_id = storage.get_study_id_from_name(name)
        self._claims = Claims(storage, self._study_id, spec)
        self._history = History(storage, self._study_id, spec.space)
        self._lock = threading.RLock()

    def while_away(self, check: Callable[[], None]) -> None:
        """Has `check` called now and then while a database server is waited for that does not answer.

        Args:
            check: what it raises ends the wait, and comes out of whatever was asked of this study. May be called by any
                thread.
        """
        while_away(self._storage, check)

    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials in the order of their numbers.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            return self._history.read()

    def best(self, objective: int = 0) -> TrialRecord | None:
        """The best finished trial by one objective, the first one of equals; None where none has a value.

        Raises:
            LedgerError: the storage cannot be read.
        """
        return best_of(self.trials(), self.spec.objectives, objective)

    def ended_by(self) -> str:
        """Why the study gets no further trial, in words without a full stop; empty where its time alone may end it.

        Raises:
            LedgerError: the storage cannot be read.
        """
        budget, size = self.spec.head.budget, self.spec.space.size
        with self._working():
            standing = self._claims.standing()
            stopped = self._claims.stopped(standing)
            if stopped is not None:
                return stopped.reason
            if budget.trials is not None and standing.count >= budget.trials:
                return f"it has its {budget.trials:,} trials (budget.trials)"
            if size is not None and self._claims.nothing_left(None, self.spec.space):
                return "every combination of the search space has been tried"
        return ""

    def find_duplicate(self, config_key: str, below: int | None = None, look: bool = True) -> TrialRecord | None:
        """The first completed trial that was told with this key, before trial number `below`; None: there is none.

        Args:
            config_key: the key.
            below: a trial number; None: any trial.
            look: whether the storage is looked at. Whoever has just asked for a `twin` need not.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            trial = self._claims.completed_with(config_key, look)
            return None if trial is None or (below is not None and trial.number >= below) else self._history.of(trial)

    def workers(self) -> tuple[WorkerRecord, ...]:
        """Who works on running trials now, in the order of the trials' numbers.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            return self._claims.workers()

    def may_be_sending(self, numbers: Collection[int], other_hosts: bool) -> bool:
        """Whether some of these trials were ended by another process that may still live.

        Such a process may still be on its way with what it wants to say of them elsewhere.

        Args:
            numbers: of trials.
            other_hosts: whether there may be such a process on another host, which cannot be looked at from here.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            return self._claims.may_be_sending(numbers, other_hosts)

    def changes(self) -> tuple[Change, ...]:
        """How the study file was changed since the study began, in the order in which that was accepted.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            return changes_of(self._storage.get_study_user_attrs(self._study_id))

    def attributes(self) -> dict[str, Any]:
        """What was kept with the study by `set_attribute`.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            kept = self._storage.get_study_user_attrs(self._study_id)
            return {key: value for key, value in kept.items() if not key.startswith("tunetrack:")}

    def set_attribute(self, key: str, value: Any) -> None:
        """Keeps a JSON value with the study, such as the MLflow run that it belongs to.

        Raises:
            LedgerError: the storage cannot be written.
        """
        with self._working():
            self._storage.set_study_user_attr(self._study_id, key, value)

    def _working(self) -> AbstractContextManager[Any]:
        stack = ExitStack()
        stack.enter_context(self._lock)
        stack.enter_context(errors_in_words(url_of(self._storage)))
        return stack
