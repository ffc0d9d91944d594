"""Who may run which trial: taking a waiting or a new one, giving it back, and finding those of dead workers.

Where a kill -9 may strike, and what is then in the ledger:

- while a trial is added or taken again: nothing, or a RUNNING trial with its worker's claim (one transaction);
- while it is proposed: a RUNNING trial without values; whoever takes it again proposes the same ones;
- while it is told, given back or counted as a death: what was before, or all of it (one transaction).

So a trial that is RUNNING always names a worker, and when that one is gone `reclaim` finds it.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from tunetrack.errors import LeaseLostError
from tunetrack.ledger import leases
from tunetrack.ledger.board import Board, Standing
from tunetrack.ledger.deaths import death, used_up
from tunetrack.ledger.leased import LeasedStorage
from tunetrack.ledger.patience import patient_leases_of
from tunetrack.ledger.records import DEATHS, KEY, OUTCOME, WAIT, WORKER, Gone, Reclaimed, Wait, WorkerRecord
from tunetrack.ledger.rows import has_no_values
from tunetrack.ledger.stop_rules import Stopped, StopRules
from tunetrack.ledger.untrained import seen_by
from tunetrack.ledger.workers import is_alive, label_of, let_go, new_worker
from tunetrack.spec.space import SearchSpace
from tunetrack.spec.study import StudySpec

__all__ = ["Claims"]


_FINISHED = tuple(state for state in TrialState if state.is_finished())

#: A worker that is looked at a second time has had so many times `RENEW_SECONDS` for a sign of life.
_SECOND_LOOK = 1.5


@dataclass(frozen=True)
class _Silent:
    """A running trial whose worker cannot be looked at from here and was not heard of.

    Attributes:
        trial: as it was read.
        heard: when it was heard of last, by the database's clock.
        since: when that was seen first, by this process's monotonic clock.
    """

    trial: FrozenTrial
    heard: datetime | None
    since: float


class Claims:
    """The claims on the trials of one study.

    Attributes:
        held: by trial id the trials that this object has taken and neither given back nor ended, with their claims.
    """

    def __init__(self, storage: BaseStorage, study_id: int, spec: StudySpec) -> None:
        self.held: dict[int, tuple[FrozenTrial, dict[str, Any]]] = {}
        self._storage = storage
        self._study_id = study_id
        self._lag = spec.head.sampler.lag
        self._rules = StopRules(spec)
        self._seen = seen_by(spec)
        self._leases = patient_leases_of(storage)
        self._board = Board(storage, study_id)
        self._silent: dict[int, _Silent] = {}

    def take(self, limit: int | None = None, space: SearchSpace | None = None) -> FrozenTrial | Wait | None:
        """Takes the lowest trial that was given back, else a new one.

        Args:
            limit: the study gets so many trials at the most.
            space: it gets no more trials when this space, being finite, has been searched through.

        Returns:
            The trial; None where nothing is left to be done; WAIT where that depends on trials that are run now.
        """
        worker = new_worker()
        try:
            taken = self._take(worker, limit, space)
        except BaseException:
            let_go(worker)  # should the storage have it all the same, it can be reclaimed
            raise
        if isinstance(taken, FrozenTrial):
            self.held[taken._trial_id] = taken, worker
        else:
            let_go(worker)
        return taken

    def nothing_left(self, limit: int | None, space: SearchSpace | None) -> bool:
        """Whether `take` would find that nothing is left to be done."""
        standing = self._board.look()
        below = self._below(standing, limit, space)
        open_trials = standing.running or standing.waiting
        return below is not None and standing.count >= below and not open_trials

    def _take(
        self, worker: Mapping[str, Any], limit: int | None, space: SearchSpace | None
    ) -> FrozenTrial | Wait | None:
        while True:
            standing = self._board.look()
            for _, trial_id in standing.waiting:
                trial = self._storage.get_trial(trial_id)
                if trial.state is TrialState.WAITING and self._leases.take(trial, worker):
                    return self._storage.get_trial(trial_id)  # others may have had it since it was read
            below = self._below(standing, limit, space)
            if below is not None and standing.count >= below:
                return WAIT if standing.running or standing.waiting else None
            added = self._leases.add(self._study_id, worker, below)
            if added is not None:
                return added
            # Others were faster. Only a new look can tell whether theirs were the last ones.

    def _below(self, standing: Standing, limit: int | None, space: SearchSpace | None) -> int | None:
        """The number that a new trial must stay below; None: it may have any.

        With a lag, trial n exists where what it may see, the trials before n - lag, has ended, does not cover the space
        and fulfils no rule that ends the study. As an ended trial stays ended, this bound holds whatever others do
        meanwhile.
        """
        bounds = [] if limit is None else [limit]
        if self._lag is not None:
            bounds.append(standing.ended_below + self._lag + 1)
        covered = self._covered_by(standing, space)
        stopped = self.stopped(standing)
        ends = [end for end in (covered, None if stopped is None else stopped.after) if end is not None]
        bounds += [end + self._lag + 1 if self._lag is not None else 0 for end in ends]
        return min(bounds, default=None)

    def stopped(self, standing: Standing) -> Stopped | None:
        """Which rule ends the study by what has ended; with a lag, by trials whose predecessors have all ended."""
        if not self._rules.any:
            return None
        trials = self._storage.get_all_trials(self._study_id, deepcopy=False)
        images = self._storage.get_study_user_attrs(self._study_id).get("validation_images")
        return self._rules.first(trials if self._lag is None else trials[: standing.ended_below], images)

    def _covered_by(self, standing: Standing, space: SearchSpace | None) -> int | None:
        """The number of the trial with which every config of a finite space was taken; None: some are left.

        With a lag, only trials count whose predecessors have all ended.
        """
        if space is None or space.size is None or standing.count < space.size:
            return None
        taken: set[frozenset[tuple[str, Any]]] = set()
        for trial in self._storage.get_all_trials(self._study_id, deepcopy=False):
            if self._lag is not None and trial.number >= standing.ended_below:
                return None
            if not has_no_values(trial) or not space.parameters:
                taken.add(frozenset(trial.params.items()))
                if len(taken) >= space.size:
                    return trial.number
        return None

    def storage_of(self, trial: FrozenTrial) -> LeasedStorage:
        """The storage for a trial that is held."""
        return LeasedStorage(self._storage, self._leases, *self.held[trial._trial_id], self._lag, self._seen)

    def standing(self) -> Standing:
        """How far the study is now."""
        return self._board.look()

    def twin_of(self, number: int, key: str) -> TrialState | None:
        """The state of the first unfinished trial before `number` that has this key or has not been proposed yet."""
        standing = self._board.look()
        earlier = [trial_id for place, trial_id in (*standing.waiting, *standing.running) if place < number]
        for trial in self._board.open_trials(earlier, KEY):
            # Without key and values it is being proposed, or its worker died over that; an old ledger has no keys.
            own = ("" if trial.proposed else key) if trial.attribute is None else trial.attribute
            if own == key and not trial.state.is_finished():
                return trial.state
            if own == key:
                self._board.look()  # it has ended since, and `completed_with` shall know of it
        return None

    def completed_with(self, key: str, look: bool = True) -> FrozenTrial | None:
        """The first trial that was trained to the end and told with this key; None: there is none.

        Args:
            key: the key.
            look: else it had ended when the trials were looked at last.
        """
        if look:
            self._board.look()
        found = self._board.told_with(key)
        return self._storage.get_trial(found[0]) if found else None

    def token_of(self, trial: FrozenTrial) -> str:
        """What tells this claim on a trial that is held from all others."""
        return str(self.held[trial._trial_id][1]["token"])

    def give_back(self, trial_id: int) -> None:
        """Makes a trial that is held wait to be taken again, with the values that it has.

        Raises:
            LeaseLostError: it has been taken over.
        """
        with self._leases.change(*self.held[trial_id]) as change:
            change.state(TrialState.WAITING)
        self.drop(trial_id)

    def drop(self, trial_id: int) -> None:
        """Forgets a trial that was ended or lost, or that cannot be given back: then it can be reclaimed."""
        _, worker = self.held.pop(trial_id, (None, {}))
        let_go(worker)

    def renew(self) -> None:
        """Says of all trials that are held that their worker lives; those that were taken over are held no longer."""
        for trial_id, (trial, worker) in list(self.held.items()):
            try:
                with self._leases.change(trial, worker) as change:
                    change.beat()
            except LeaseLostError:
                if self.held.get(trial_id, (None, None))[1] is worker:  # else it was ended or given back just now
                    self.drop(trial_id)

    def reclaim(self, cause: str, retries: int, gone: Gone) -> Reclaimed:
        """Counts a death for every running trial whose worker is gone, and has it run again or ends it as failed.

        Args:
            cause: how the worker ended, in words.
            retries: so many deaths of a trial's workers are forgiven.
            gone: what is known of workers of other hosts.
        """
        lost, silent = [], []
        running = [trial_id for _, trial_id in self._board.look().running]
        now, heard = self._leases.heartbeats(running)
        for trial, alive in self._doubtful(running):
            last = heard.get(trial._trial_id)
            if alive is False or gone.other_hosts or label_of(trial.user_attrs.get(WORKER)) in gone.named:
                lost.append(trial)
            elif _is_silent(last, now, trial):
                silent.append(self._seen_silent(trial, last))
        self._silent = {one.trial._trial_id: one for one in silent}
        if silent and gone.wait:
            time.sleep(leases.RENEW_SECONDS * _SECOND_LOOK)
            _, heard = self._leases.heartbeats([one.trial._trial_id for one in silent])
        # Clocks are set forward and back. Who is still not heard of after a renewal was due is gone indeed.
        until = time.monotonic() - leases.RENEW_SECONDS * _SECOND_LOOK
        lost += [one.trial for one in silent if one.since <= until and heard.get(one.trial._trial_id) == one.heard]
        return self._bury(lost, cause, retries)

    def _seen_silent(self, trial: FrozenTrial, heard: datetime | None) -> _Silent:
        """A silent trial, with the moment since when the same is known of it."""
        before = self._silent.get(trial._trial_id)
        if before is None or before.heard != heard:
            return _Silent(trial, heard, time.monotonic())
        return _Silent(trial, heard, before.since)

    def workers(self) -> tuple[WorkerRecord, ...]:
        """Who works on running trials now, by the trials' numbers."""
        running = self._storage.get_all_trials(self._study_id, deepcopy=False, states=(TrialState.RUNNING,))
        known = [(trial, trial.user_attrs[WORKER]) for trial in running if trial.user_attrs.get(WORKER)]
        now, heard = self._leases.heartbeats([trial._trial_id for trial, _ in known])
        return tuple(
            WorkerRecord(
                number=trial.number,
                host=str(worker["host"]),
                pid=int(worker["pid"]),
                alive=is_alive(worker),
                silent_seconds=_seconds_between(heard.get(trial._trial_id), now),
            )
            for trial, worker in known
        )

    def may_be_sending(self, numbers: Collection[int], other_hosts: bool) -> bool:
        """Whether a process other than this one has ended one of these trials, and may still live."""
        ended = self._storage.get_all_trials(self._study_id, deepcopy=False, states=_FINISHED)
        workers = (trial.user_attrs.get(WORKER) for trial in ended if trial.number in numbers)
        lives = {is_alive(worker) for worker in workers if worker is not None}
        return True in lives or (other_hosts and None in lives)

    def _doubtful(self, running: Collection[int]) -> Iterator[tuple[FrozenTrial, bool | None]]:
        """Those whose worker does not live on this host: the trial, whether it is gone, None where nobody can look.

        Whole trials are read for these alone; most of the time, there are none.
        """
        for found in self._board.open_trials(running, WORKER):
            alive = is_alive(found.attribute) if found.attribute else None
            if alive or found.state is not TrialState.RUNNING:
                continue
            trial = self._storage.get_trial(found.trial_id)
            # Somebody else may have taken it since: that worker was not looked at.
            if trial.state is TrialState.RUNNING and trial.user_attrs.get(WORKER) == found.attribute:
                yield trial, alive

    def _bury(self, gone: Iterable[FrozenTrial], cause: str, retries: int) -> Reclaimed:
        released, failed = [], []
        for trial in gone:
            earlier = trial.user_attrs.get(DEATHS, [])
            deaths = [*earlier, death(earlier, cause, trial.last_step)]
            # Another process may reclaim at this moment: the claim of the dead is there for one of the two.
            with suppress(LeaseLostError), self._leases.change(trial, trial.user_attrs.get(WORKER)) as change:
                change.attribute(DEATHS, deaths)
                if len(deaths) <= retries:
                    change.state(TrialState.WAITING)
                    released.append(trial.number)
                else:
                    # Optuna's samplers look away from failed trials, so there is nothing to tell them.
                    change.attribute(OUTCOME, {"reason": used_up(deaths, retries)})
                    change.state(TrialState.FAIL)
                    failed.append(trial.number)
        return Reclaimed(tuple(released), tuple(failed))


def _is_silent(heard: datetime | None, now: datetime, trial: FrozenTrial) -> bool:
    """Whether nothing was heard for so long; also where a clock that was set back makes the last sign a later one."""
    if heard is None:  # killed before the first sign of life, or an old ledger: by this host's clock
        heard, now = trial.datetime_start or datetime.min, datetime.now()
    return abs((now - heard).total_seconds()) > leases.GRACE_SECONDS


def _seconds_between(heard: datetime | None, now: datetime) -> float | None:
    return None if heard is None else max(0.0, (now - heard).total_seconds())
