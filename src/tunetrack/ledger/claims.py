"""Who may run which trial: taking a waiting or a new one, giving it back, and finding those of dead processes."""

from __future__ import annotations

from datetime import datetime, timedelta

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tunetrack.ledger.records import WORKER
from tunetrack.ledger.storage import take_waiting
from tunetrack.ledger.workers import is_dead, is_here, worker_identity
from tunetrack.spec.space import SearchSpace

__all__ = ["Claims"]

#: A running trial without a worker is being taken at this moment, or its worker ended while taking it.
_TAKING_SECONDS = 60.0


class Claims:
    """The claims on the trials of one study."""

    def __init__(self, storage: BaseStorage, study_id: int) -> None:
        self._storage = storage
        self._study_id = study_id

    def take_again(self) -> FrozenTrial | None:
        """Takes the first trial that was given back; None where there is none."""
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False, states=(TrialState.WAITING,)):
            if take_waiting(self._storage, trial._trial_id):
                self._storage.set_trial_user_attr(trial._trial_id, WORKER, worker_identity())
                return trial
        return None

    def take_new(self) -> FrozenTrial:
        """Adds a trial that is this process's from the start, in one commit."""
        template = optuna.trial.create_trial(state=TrialState.RUNNING, user_attrs={WORKER: worker_identity()})
        return self._storage.get_trial(self._storage.create_new_trial(self._study_id, template))

    def give_back(self, trial_id: int) -> None:
        """Makes a trial wait to be taken again, with the values that it has."""
        # Without a worker first: a trial that is RUNNING under the name of a dead worker could be reclaimed twice.
        self._storage.set_trial_user_attr(trial_id, WORKER, None)
        self._storage.set_trial_state_values(trial_id, TrialState.WAITING)

    def reclaim(self, other_hosts: bool) -> tuple[int, ...]:
        """Gives back the running trials whose worker has ended; returns their numbers."""
        running = self._storage.get_all_trials(self._study_id, deepcopy=False, states=(TrialState.RUNNING,))
        left = [trial for trial in running if _is_left(trial, other_hosts)]
        for trial in left:
            self.give_back(trial._trial_id)
        return tuple(trial.number for trial in left)

    def covers(self, space: SearchSpace) -> bool:
        """Whether every config of a finite space is taken, so that any further trial would be a duplicate."""
        if space.size is None:
            return False
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        return len(trials) >= space.size and len({frozenset(t.params.items()) for t in trials}) >= space.size


def _is_left(trial: FrozenTrial, other_hosts: bool) -> bool:
    worker = trial.user_attrs.get(WORKER)
    if worker is None:
        started = trial.datetime_start
        return started is None or datetime.now() - started > timedelta(seconds=_TAKING_SECONDS)
    return is_dead(worker) or (other_hosts and not is_here(worker))
