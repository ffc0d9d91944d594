"""The one record of a study's search state: who asks for a trial, what was proposed, how it ended.

    ticket = ledger.ask()                      # None: a finite space has been searched through
    prune = ledger.report(ticket, epoch, value)
    ledger.tell(ticket, TrialOutcome(...))     # or ledger.release(ticket), to have it run again

Everything is in the storage before a method returns. Several processes may work on one study; each has a ledger of
its own, and one ledger may be used by several threads.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, cast

import optuna
from optuna.pruners import HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState as OptunaState

from tunetrack.errors import LedgerError
from tunetrack.ledger.claims import Claims
from tunetrack.ledger.distributions import suggest_config
from tunetrack.ledger.history import History, best_of
from tunetrack.ledger.pruners import pruner_of
from tunetrack.ledger.records import OUTCOME, Ticket, TrialRecord, checked_values, outcome_attribute
from tunetrack.ledger.samplers import SamplerFactory, sampler_factory
from tunetrack.ledger.storage import (
    ValueBuffer,
    errors_in_words,
    exists,
    masked,
    open_storage,
    quiet,
    url_of,
)
from tunetrack.ledger.studies import differing_sections, read_document, write_document
from tunetrack.spec.loading import load_study
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.study import StudySpec

__all__ = ["Ledger"]

_TOLD_AS: Mapping[TrialState, OptunaState] = {
    TrialState.COMPLETE: OptunaState.COMPLETE,
    TrialState.DUPLICATE: OptunaState.COMPLETE,
    TrialState.PRUNED: OptunaState.PRUNED,
    # Pruned without any report is what TPE ranks last, so it leaves the region; a failed trial it does not see. Where
    # half of the space was infeasible, 3 % of its later proposals were (31 % if told as failed). gp learns nothing of
    # either: it sees completed trials only, and is drawn to where it has none.
    TrialState.INFEASIBLE: OptunaState.PRUNED,
    TrialState.FAILED: OptunaState.FAIL,
}


class Ledger:
    """One study in a storage. Made by `create` and `load`.

    Attributes:
        name: the study's name in the storage.
        spec: the study file's content.
    """

    def __init__(self, storage: BaseStorage, name: str, spec: StudySpec, sampler: BaseSampler | None) -> None:
        self.name = name
        self.spec = spec
        self._storage = storage
        self._samplers: SamplerFactory = sampler_factory(spec) if sampler is None else lambda number: sampler
        # A given sampler is let run on, as `study.optimize` would let it.
        self._ends_when_covered = sampler is None
        self._pruner = pruner_of(spec)
        self._study_id = storage.get_study_id_from_name(name)
        self._claims = Claims(storage, self._study_id)
        self._history = History(storage, self._study_id, spec.space)
        self._open: dict[int, optuna.Trial] = {}
        self._lock = threading.RLock()
        if isinstance(self._pruner, HyperbandPruner):
            # It sorts trials into brackets, and samplers see one bracket only, from its first decision on. An empty
            # decision now makes that the first trial in every process, so a resumed study sees the same brackets.
            self._pruner.prune(
                _Study(name, storage, self._samplers(0), self._pruner),
                optuna.trial.create_trial(state=OptunaState.RUNNING),
            )

    @classmethod
    def create(
        cls, ledger: str | BaseStorage, spec: StudySpec, name: str | None = None, sampler: BaseSampler | None = None
    ) -> Ledger:
        """Starts a study.

        Args:
            ledger: database URL, or an open storage.
            spec: the study.
            name: name in the ledger; default: the spec's.
            sampler: a sampler object that is kept for all trials, in place of the one that the spec names.

        Raises:
            LedgerError: there is a study of that name, or the storage cannot be written.
            SpecError: an option of sampler or pruner is wrong.
        """
        name = name or spec.name
        sampler_factory(spec)
        pruner_of(spec)
        storage = open_storage(ledger) if isinstance(ledger, str) else ledger
        directions = [StudyDirection.MAXIMIZE if o.maximize else StudyDirection.MINIMIZE for o in spec.objectives]
        with quiet(), errors_in_words(url_of(storage)):
            try:
                study_id = storage.create_new_study(directions, name)
            except optuna.exceptions.DuplicatedStudyError as error:
                raise LedgerError(
                    f"the ledger {masked(url_of(storage))} has a study {name!r}; resume it, or give another name"
                ) from error
            write_document(storage, study_id, spec)
            return cls(storage, name, spec, sampler)

    @classmethod
    def load(
        cls,
        ledger: str | BaseStorage,
        name: str,
        spec: StudySpec | None = None,
        sampler: BaseSampler | None = None,
    ) -> Ledger:
        """Opens a study that exists.

        Args:
            ledger: database URL, or an open storage.
            name: name in the ledger.
            spec: the study file to go on with; it may change name, description, budget and reference only. Default:
                the one that is kept with the study.
            sampler: as for `create`.

        Raises:
            LedgerError: there is no such study, it is another one than `spec` says, or the storage cannot be read.
        """
        if isinstance(ledger, str) and not exists(ledger):
            raise LedgerError(f"the ledger {masked(ledger)} does not exist; start a study first")
        storage = open_storage(ledger) if isinstance(ledger, str) else ledger
        url = masked(url_of(storage))
        with quiet(), errors_in_words(url_of(storage)):
            known = {study.study_name: study for study in storage.get_all_studies()}
            if name not in known:
                names = ", ".join(known) or "none"
                raise LedgerError(f"the ledger {url} has no study {name!r}; it has: {names}")
            document, fingerprint = read_document(known[name].user_attrs, name, url)
            if spec is None:
                spec = load_study(document)
            elif spec.fingerprint != fingerprint:
                sections = ", ".join(differing_sections(document, spec.document))
                raise LedgerError(
                    f"the study {name!r} in the ledger {url} was started with another {sections}; a resumed study "
                    "may change name, description, budget and reference only. Start a new study, or undo the change"
                )
            return cls(storage, name, spec, sampler)

    def ask(self) -> Ticket | None:
        """Takes a trial: one that was given back, else a new one.

        Returns:
            What to run; None where every config of a finite space has been taken.

        Raises:
            LedgerError: the storage cannot be read or written.
        """
        with self._working():
            again = self._claims.take_again()
            if again is None and self._ends_when_covered and self._claims.covers(self.spec.space):
                return None
            taken = again or self._claims.take_new()
            try:
                study = _Study(self.name, self._storage, self._samplers(taken.number), self._pruner)
                trial = optuna.Trial(study, taken._trial_id)
                if again is not None:
                    _forget_reports(trial)
                values = ValueBuffer(self._storage)
                trial.storage = cast(BaseStorage, values)
                config = suggest_config(trial, self.spec.space)
                trial.storage = self._storage
                values.write()
            except BaseException:
                self._claims.give_back(taken._trial_id)
                raise
            self._open[taken.number] = trial
            return Ticket(taken.number, trial.params, config, retry=again is not None)

    def report(self, ticket: Ticket, step: int, value: float) -> bool:
        """Keeps an intermediate value of the objective.

        Args:
            ticket: a trial that this ledger handed out.
            step: at least 0, such as the epoch.
            value: the objective at that step; NaN is allowed and gets pruned by most pruners.

        Returns:
            Whether the trial should end now, as PRUNED. Never with several objectives, for which nothing is kept.

        Raises:
            LedgerError: the ticket is not open here, or the storage cannot be written.
        """
        if len(self.spec.objectives) > 1:
            return False
        with self._working():
            trial = self._opened(ticket)
            trial.report(value, step)
            return not isinstance(self._pruner, NopPruner) and trial.should_prune()

    def tell(self, ticket: Ticket, outcome: TrialOutcome, config_key: str | None = None) -> None:
        """Ends a trial.

        Args:
            ticket: a trial that this ledger handed out.
            outcome: how it ended. KILLED gives it back, as `release` does. PRUNED counts with its last report.
            config_key: what `find_duplicate` shall find this trial by: a digest of the complete config.

        Raises:
            LedgerError: the ticket is not open here, the values do not fit the objectives, or the storage cannot be
                written.
        """
        if outcome.state is TrialState.KILLED:
            self.release(ticket)
            return
        values = checked_values(ticket, outcome, len(self.spec.objectives))
        with self._working():
            trial = self._opened(ticket)
            attribute = outcome_attribute(outcome, config_key)
            if attribute:
                trial.set_user_attr(OUTCOME, attribute)
            trial.study.tell(trial, values, state=_TOLD_AS[outcome.state])
            del self._open[ticket.number]

    def release(self, ticket: Ticket) -> None:
        """Gives an interrupted trial back: the next `ask`, here or elsewhere, takes the same number and values.

        Raises:
            LedgerError: the ticket is not open here, or the storage cannot be written.
        """
        with self._working():
            self._claims.give_back(self._opened(ticket)._trial_id)
            del self._open[ticket.number]

    def reclaim(self, other_hosts: bool = False) -> tuple[int, ...]:
        """Gives back the running trials whose process has ended, so that they are run again. For a resumed study.

        Args:
            other_hosts: also take those of other hosts, whose processes cannot be looked at. Only where nobody else
                works on this study: in a container that has got a new host name, for instance.

        Returns:
            The numbers of the trials given back.

        Raises:
            LedgerError: the storage cannot be read or written.
        """
        with self._working():
            return self._claims.reclaim(other_hosts)

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

    def find_duplicate(self, config_key: str) -> TrialRecord | None:
        """The first completed trial that was told with this key; None where there is none.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            return self._history.completed_with(config_key)

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
        stack.enter_context(quiet())
        stack.enter_context(errors_in_words(url_of(self._storage)))
        return stack

    def _opened(self, ticket: Ticket) -> optuna.Trial:
        if ticket.number not in self._open:
            raise LedgerError(f"trial {ticket.number} is not open here: it was told or released, or asked elsewhere")
        return self._open[ticket.number]


class _Study(optuna.Study):
    """An Optuna study that grid and brute force may call to a stop: `ask` finds that out by itself."""

    def stop(self) -> None:
        """Optuna allows this within `optimize` only, and raises outside."""


def _forget_reports(trial: optuna.Trial) -> None:
    """A trial that is run again reports its steps again, and the pruner judges it by those alone."""
    frozen = copy.copy(trial._cached_frozen_trial)
    frozen.intermediate_values = {}
    trial._cached_frozen_trial = frozen
