"""The storage as one trial sees it: its proposal is written in one go, and all it writes counts while its lease holds.

Optuna's own trial, samplers and `tell` work on it unchanged.
"""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping, Sequence
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tunetrack.ledger.leases import Leases
from tunetrack.ledger.records import KEY, OUTCOME
from tunetrack.ledger.rows import KeptTrials, has_no_values
from tunetrack.ledger.untrained import Seen

__all__ = ["LeasedStorage"]


class LeasedStorage:
    """Stands in for the storage while a trial is proposed and run.

    Until `write`, values are kept here, and so is what a sampler remembers with the trial and with the study (qmc: how
    many points it has given out). Optuna commits each on its own: a worker killed in between would leave a trial
    that is proposed differently when it is asked for again, and with several workers on one file each commit is a turn
    to wait for.
    """

    def __init__(
        self,
        storage: BaseStorage,
        leases: Leases,
        trial: FrozenTrial,
        worker: Mapping[str, Any],
        lag: int | None = None,
        seen: Seen | None = None,
    ) -> None:
        self._seen = seen
        self._outcome: dict[str, Any] | None = None
        self._at_end: dict[str, Any] = {}
        self._storage, self._leases, self._worker, self._lag = storage, leases, worker, lag
        # Nobody else writes to it, so it is not read again. What an earlier attempt reported is reported again.
        self._trial = copy.copy(trial)
        self._trial.intermediate_values = {}
        self._stored = {*trial.user_attrs, *trial.system_attrs}
        self._values: list[tuple[str, float, BaseDistribution]] = []
        self._of_study: dict[tuple[int, str], Any] = {}
        self._of_trial: dict[str, Any] = {}
        self._looked_at: list[FrozenTrial] | None = None
        self._proposing = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    def fix(self, values: Mapping[str, Any]) -> None:
        """Has these values proposed, by parameter name, whatever the sampler says: as Optuna reads an enqueued trial.

        They are in the study file and follow from the trial's number, so they are not stored once more.
        """
        self._trial.system_attrs = {**self._trial.system_attrs, "fixed_params": dict(values)}

    def set_trial_param(self, trial_id: int, name: str, internal: float, distribution: BaseDistribution) -> None:
        """Keeps a value for `write`."""
        self._values.append((name, internal, distribution))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Keeps what a sampler remembers, for `write`."""
        if self._proposing:
            self._of_study[study_id, key] = value
        else:
            self._storage.set_study_system_attr(study_id, key, value)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """What samplers remember, this proposal included; with a lag they remember nothing.

        NSGA-II keeps there who the parents are, which it can tell from the trials. Whichever trial came first would
        say it for all, and that one may see others than this.
        """
        kept = {key: value for (study, key), value in self._of_study.items() if study == study_id}
        return kept if self._lag is not None else {**self._storage.get_study_system_attrs(study_id), **kept}

    def write(self, key: str) -> None:
        """Writes the proposal and its key.

        Raises:
            LeaseLostError: the trial has been taken over.
        """
        with self._leases.change(self._trial, self._worker) as change:
            change.parameters(self._values)
            if self._lag is None:
                for (study_id, name), remembered in self._of_study.items():
                    change.study_system_attribute(study_id, name, remembered)
            for name, remembered in self._of_trial.items():
                change.system_attribute(name, remembered, new=name not in self._stored)
            change.attribute(KEY, key, new=KEY not in self._stored)
        own = self._trial
        own.params = own.params | {name: kind.to_external_repr(number) for name, number, kind in self._values}
        own.distributions = own.distributions | {name: kind for name, _, kind in self._values}
        self._values, self._of_study, self._of_trial = [], {}, {}
        self._looked_at, self._proposing = None, False

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """A stored trial; this one as it was written here."""
        if trial_id != self._trial._trial_id:
            return self._storage.get_trial(trial_id)
        found = copy.copy(self._trial)
        for name in ("params", "distributions", "intermediate_values", "system_attrs", "user_attrs"):
            setattr(found, name, dict(getattr(found, name)))
        return found

    def get_trial_system_attrs(self, trial_id: int) -> dict[str, Any]:
        """What samplers and pruners remember with a trial; with this one, also what is not written yet."""
        return self.get_trial(trial_id).system_attrs

    def end_with(self, outcome: dict[str, Any]) -> None:
        """The trial is about to be told: this, and what is set until then for samplers to see, is kept with its end."""
        self._outcome, self._at_end = outcome, {}

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Keeps what a sampler or a pruner remembers with the trial, or how far it breaks a constraint."""
        if self._outcome is not None:
            self._at_end[key] = value
            return
        if self._proposing:
            self._of_trial[key] = value
        else:
            self._storage.set_trial_system_attr(trial_id, key, value)
        self._trial.system_attrs = {**self._trial.system_attrs, key: value}

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[OptunaState] | None = None
    ) -> list[FrozenTrial]:
        """The trials that samplers and pruners see: none that failed without values, and with a lag those before it.

        The workers of these died while they were proposed, or their values are of an earlier study file. Nobody can
        learn from them, and brute_force takes them for the end of its tree. One proposal sees the trials as they were
        when it looked first, however often its sampler asks.
        """
        found = self._looked_at
        if found is None:
            found = self._visible(study_id)
            if self._proposing:
                self._looked_at = found = found if self._seen is None else self._seen(found)
        found = [*found] if states is None else [trial for trial in found if trial.state in states]
        return copy.deepcopy(found) if deepcopy else found

    def _visible(self, study_id: int) -> list[FrozenTrial]:
        if isinstance(self._storage, KeptTrials):
            found = self._storage.with_values(study_id)
        else:
            found = [one for one in self._storage.get_all_trials(study_id, deepcopy=False) if not has_no_values(one)]
        if self._lag is None:
            return found
        own, below = self._trial.number, self._trial.number - self._lag
        return [trial for trial in found if trial.number < below or trial.number == own]

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Keeps a report.

        Raises:
            LeaseLostError: the trial has been taken over.
        """
        self._leases.report(self._trial, self._worker, step, intermediate_value)
        self._trial.intermediate_values[step] = intermediate_value

    def set_trial_state_values(self, trial_id: int, state: OptunaState, values: Sequence[float] | None = None) -> bool:
        """Ends the trial, together with its outcome.

        Raises:
            LeaseLostError: the trial has been taken over.
        """
        with self._leases.change(self._trial, self._worker) as change:
            if self._outcome:
                change.attribute(OUTCOME, self._outcome, new=OUTCOME not in self._stored)
            for key, value in self._at_end.items():
                change.system_attribute(key, value)
            change.state(state, values)
        self._trial.state, self._trial.values = state, None if values is None else list(values)
        return True
