"""The one record of a study's search state: who asks for a trial, what was proposed, how it ended.

    ledger.reclaim()                               # what workers have left that are gone
    with ledger.keeping():                         # says that this worker lives
        ticket = ledger.ask(limit)                 # None: nothing is left to be done; WAIT: perhaps later
        prune = ledger.report(ticket, epoch, value)
        ledger.tell(ticket, TrialOutcome(...))     # or ledger.release(ticket), to have it run again

Everything is in the storage before a method returns. Several processes may work on one study; each has a ledger of
its own, and one ledger may be used by several threads. A trial belongs to the one that has asked for it, until it is
told, given back, or reclaimed because its worker is gone; from then on that worker can write nothing to it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, cast

import optuna
from optuna.pruners import HyperbandPruner, NopPruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tunetrack.errors import InfeasibleConfigError, LeaseLostError, LedgerError
from tunetrack.ledger.book import StudyBook
from tunetrack.ledger.distributions import suggest_config
from tunetrack.ledger.keeper import renewing
from tunetrack.ledger.leased import LeasedStorage
from tunetrack.ledger.leases import lost
from tunetrack.ledger.pruners import pruner_of
from tunetrack.ledger.records import DEATHS, KEY, Gone, Reclaimed, Ticket, Wait, checked_values, outcome_attribute
from tunetrack.ledger.samplers import SamplerFactory, sampler_factory
from tunetrack.ledger.storage import errors_in_words, exists, masked, open_storage, quiet, url_of
from tunetrack.ledger.studies import NameTakenError, create_study, open_study, unused_name
from tunetrack.spec.flatten import config_key
from tunetrack.spec.points import point_values
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


class Ledger(StudyBook):
    """One study in a storage. Made by `create` and `load`.

    Attributes:
        name: the study's name in the storage.
        spec: the study file's content.
    """

    def __init__(self, storage: BaseStorage, name: str, spec: StudySpec, sampler: BaseSampler | None) -> None:
        super().__init__(storage, name, spec)
        self._samplers: SamplerFactory = sampler_factory(spec) if sampler is None else lambda number: sampler
        # A given sampler is let run on, as `study.optimize` would let it.
        self._ends_when_covered = sampler is None
        self._pruner = pruner_of(spec)
        self._points = [point_values(spec.space, point) for point in spec.head.points]
        self._open: dict[int, _OpenTrial] = {}
        if isinstance(self._pruner, HyperbandPruner):
            # It sorts trials into brackets, and samplers see one bracket only, from its first decision on. An empty
            # decision now makes that the first trial in every process, so a resumed study sees the same brackets.
            self._pruner.prune(
                _Study(name, storage, self._samplers(0), self._pruner),
                optuna.trial.create_trial(state=OptunaState.RUNNING),
            )

    @classmethod
    def start(cls, ledger: str | BaseStorage, spec: StudySpec, sampler: BaseSampler | None = None) -> Ledger:
        """Starts a study under the first free name of base, base-2, base-3, ...; the base is the study file's name.

        Several processes may do so at once: each gets a name of its own.

        Raises:
            LedgerError: the storage cannot be written.
            SpecError: an option of sampler or pruner is wrong.
        """
        storage = open_storage(ledger) if isinstance(ledger, str) else ledger
        while True:
            with suppress(NameTakenError):  # taken between the look and the start
                return cls.create(storage, spec, unused_name(storage, spec.name), sampler)

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
        with quiet(), errors_in_words(url_of(storage)):
            create_study(storage, name, spec)
            return cls(storage, name, spec, sampler)

    @classmethod
    def load(
        cls,
        ledger: str | BaseStorage,
        name: str,
        spec: StudySpec | None = None,
        sampler: BaseSampler | None = None,
        accept_changes: bool = False,
    ) -> Ledger:
        """Opens a study that exists.

        Args:
            ledger: database URL, or an open storage.
            name: name in the ledger.
            spec: the study file to go on with; it may change name, description, budget, reference and places of data
                only. It is kept with the study. Default: the one that is kept.
            sampler: as for `create`.
            accept_changes: `spec` may change more, as long as all trials with a result stay what they are: points of
                the space, judged by the same objectives. `changes` tells of it.

        Raises:
            LedgerError: there is no such study, it is another one than `spec` says, the change cannot be accepted, or
                the storage cannot be read.
        """
        if isinstance(ledger, str) and not exists(ledger):
            raise LedgerError(f"the ledger {masked(ledger)} does not exist; start a study first")
        storage = open_storage(ledger) if isinstance(ledger, str) else ledger
        with quiet(), errors_in_words(url_of(storage)):
            storage, spec = open_study(storage, name, spec, accept_changes)
            return cls(storage, name, spec, sampler)

    def ask(self, limit: int | None = None) -> Ticket | Wait | None:
        """Takes a trial: the lowest one that was given back, else a new one.

        Args:
            limit: the study gets so many trials at the most, however many workers ask; None: any number.

        Returns:
            What to run; None where nothing is left to be done, as the study has its trials or every config of a finite
            space has been taken; WAIT where there is nothing to do now, but trials are run (elsewhere, or by this
            ledger) that may be given back, or that must end before the next one may be proposed (`sampler.lag`).

        Raises:
            LedgerError: the storage cannot be read or written.
        """
        with self._working(), quiet():
            while True:
                taken = self._claims.take(limit, self.spec.space if self._ends_when_covered else None)
                if not isinstance(taken, FrozenTrial):
                    return taken
                with suppress(LeaseLostError):  # frozen while proposing: somebody else has this one by now
                    return self._proposed(taken)

    def is_done(self, limit: int | None = None) -> bool:
        """Whether nothing is left to be done: `ask` with this limit would give None.

        Raises:
            LedgerError: the storage cannot be read.
        """
        with self._working():
            return self._claims.nothing_left(limit, self.spec.space if self._ends_when_covered else None)

    def twin(self, ticket: Ticket) -> TrialState | None:
        """Whether an unfinished trial of a lower number has the same key, or may yet be proposed to have it.

        Whoever waits for its end does not train the same twice. Trials wait for lower numbers only, so the lowest one
        of them waits for nobody.

        Returns:
            None where there is none; RUNNING where it is run; KILLED where it was given back: then `release` this
            ticket and ask again, for a lower number is handed out first.

        Raises:
            LedgerError: the storage cannot be read.
        """
        if not ticket.key:
            return None
        with self._working():
            state = self._claims.twin_of(ticket.number, ticket.key)
        return None if state is None else TrialState.RUNNING if state is OptunaState.RUNNING else TrialState.KILLED

    def _proposed(self, taken: FrozenTrial) -> Ticket:
        again = bool(taken.params) or not taken.user_attrs.keys().isdisjoint((KEY, DEATHS))
        try:
            leased = self._claims.storage_of(taken)
            if taken.number < len(self._points):
                leased.fix(self._points[taken.number])
            study = _Study(self.name, cast(BaseStorage, leased), self._samplers(taken.number), self._pruner)
            trial = optuna.Trial(study, taken._trial_id)
            config = suggest_config(trial, self.spec.space)
            key = self._key(config)
            leased.write(key)
        except BaseException:
            try:
                with suppress(LeaseLostError):
                    self._claims.give_back(taken._trial_id)
            finally:
                self._claims.drop(taken._trial_id)
            raise
        claim = self._claims.token_of(taken)
        self._open[taken.number] = _OpenTrial(trial, leased, claim)
        deaths = len(taken.user_attrs.get(DEATHS, ()))
        return Ticket(taken.number, trial.params, config, again, deaths, claim, key)

    def _key(self, config: dict[str, Any]) -> str:
        try:
            return config_key(self.spec.config(config))
        except InfeasibleConfigError:
            return ""

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keeps the leases of all trials that are open here alive, from a thread; for as long as trials are run.

        A worker that is not heard of for `GRACE_SECONDS` loses its trials to workers of other hosts. Trouble with the
        storage is logged, and renewing is tried again. A storage in memory has no leases.
        """

        def renew() -> None:
            with errors_in_words(url_of(self._storage)):
                self._claims.renew()

        with renewing(renew), quiet():
            yield

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
            LeaseLostError: the trial has been taken over.
        """
        with self._working():
            trial = self._opened(ticket).trial
            if len(self.spec.objectives) > 1:
                return False
            trial.report(value, step)
            if isinstance(self._pruner, NopPruner):
                return False
            with quiet():
                return trial.should_prune()

    def tell(self, ticket: Ticket, outcome: TrialOutcome, config_key: str | None = None) -> None:
        """Ends a trial.

        Args:
            ticket: a trial that this ledger handed out.
            outcome: how it ended. KILLED gives it back, as `release` does. PRUNED counts with its last report.
            config_key: what `find_duplicate` shall find this trial by: a digest of the complete config.

        Raises:
            LedgerError: the ticket is not open here, the values do not fit the objectives, or the storage cannot be
                written.
            LeaseLostError: the trial has been taken over.
        """
        if outcome.state is TrialState.KILLED:
            self.release(ticket)
            return
        values = checked_values(ticket, outcome, len(self.spec.objectives))
        with self._working():
            opened = self._opened(ticket)
            opened.storage.end_with(outcome_attribute(outcome, config_key))
            for constraint, excess in outcome.constraints.items():
                opened.trial.set_constraint(constraint, excess)
            opened.trial.study.tell(opened.trial, values, state=_TOLD_AS[outcome.state])
            self._claims.drop(opened.trial._trial_id)
            del self._open[ticket.number]

    def release(self, ticket: Ticket) -> None:
        """Gives an interrupted trial back: the next `ask`, here or elsewhere, takes the same number and values.

        Raises:
            LedgerError: the ticket is not open here, or the storage cannot be written.
            LeaseLostError: the trial has been taken over.
        """
        with self._working():
            self._claims.give_back(self._opened(ticket).trial._trial_id)
            del self._open[ticket.number]

    def reclaim(
        self, cause: str = "", other_hosts: bool = False, named: Collection[str] = (), wait: bool = True
    ) -> Reclaimed:
        """Takes the running trials from workers that are gone, and counts a death for each.

        A trial is run again as often as `budget.retries` says; then it has failed. A worker of this host is gone when
        its process is; one of another host when it was not heard of for `GRACE_SECONDS` by the database's clock and is
        not heard of in one and a half times `RENEW_SECONDS` after that was seen.

        Args:
            cause: how the worker ended, such as "killed by signal 9 (SIGKILL)"; for the reason of a trial that failed.
            other_hosts: all workers of other hosts are gone, heard of or not. Only where nobody else works on this
                study: in a container that has got a new host name, for instance.
            named: workers that are known to be gone, each as ``host:pid``, the host without its domain.
            wait: whether this call waits for that second look; else a later call is it.

        Returns:
            What became of those trials. Of several processes that reclaim at once, each trial is one's.

        Raises:
            LedgerError: the storage cannot be read or written.
        """
        with errors_in_words(url_of(self._storage)):
            return self._claims.reclaim(cause, self.spec.head.budget.retries, Gone(other_hosts, named, wait))

    def _opened(self, ticket: Ticket) -> _OpenTrial:
        opened = self._open.get(ticket.number)
        if opened is None:
            raise LedgerError(f"trial {ticket.number} is not open here: it was told or released, or asked elsewhere")
        if opened.claim != ticket.claim or opened.trial._trial_id not in self._claims.held:
            raise lost(ticket.number)
        return opened


@dataclass(frozen=True)
class _OpenTrial:
    """A trial that was handed out: Optuna's object, the storage as it sees it, and the claim that the ticket has."""

    trial: optuna.Trial
    storage: LeasedStorage
    claim: str


class _Study(optuna.Study):
    """An Optuna study that grid and brute force may call to a stop: `ask` finds that out by itself."""

    def stop(self) -> None:
        """Optuna allows this within `optimize` only, and raises outside."""
