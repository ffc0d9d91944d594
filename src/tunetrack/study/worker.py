"""The one loop that runs trials: claim, train, tell, until the budget is spent. The same in every process."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from tunetrack.errors import DataError, InfeasibleConfigError, InterruptedStudyError, LeaseLostError, TrackingError
from tunetrack.ledger import Ledger, Ticket, Wait
from tunetrack.spec import (
    EpochRecord,
    Finding,
    Objective,
    StudySpec,
    TrialConfig,
    TrialOutcome,
    TrialState,
    flatten,
    trial_params,
)
from tunetrack.study.data import ResidentSets
from tunetrack.study.progress import Progress
from tunetrack.study.repair import write_end
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import worker_name
from tunetrack.study.trial import TrialResult, TrialWatch, run_trial
from tunetrack.tracking import Ending, StudyRun, TrialArtifacts, TrialRun
from tunetrack.training import ResidentData

__all__ = ["Worker", "trial_artifacts"]

#: How long a study waits for room on the disk before it stops, and how often it looks, seconds.
ROOM_SECONDS = 600.0
_LOOK_SECONDS = 1.0

#: How long a worker with nothing to do sleeps, seconds: first, and at the most.
PAUSES = (0.05, 1.0)
#: How often a worker looks for others that are gone, seconds.
TAKE_BACK_SECONDS = 2.0


@dataclass
class Worker:
    """Runs trials of one study in this process.

    Attributes:
        spec: the study.
        ledger: its search state, shared by all workers.
        run: its MLflow run.
        sets: data sets already read.
        progress: told of every step.
        stop: signals that end the loop.
        train: runs one configuration; anything but `run_trial` is for measuring what the rest costs.
        checkpoints: folder of the states of this study's trials that are under way; None: none are kept.
        after_trial: called when a trial has ended, before the next one begins; returns at once.
        device_share: share of a device that this worker's trials have, above 0 and at most 1.
    """

    spec: StudySpec
    ledger: Ledger
    run: StudyRun
    sets: ResidentSets
    progress: Progress
    stop: StopSignals
    train: Callable[[TrialConfig, Sequence[Objective], ResidentData, TrialWatch], TrialResult] = run_trial
    checkpoints: Path | None = None
    after_trial: Callable[[], None] = lambda: None
    device_share: float = 1.0
    _started: float = 0.0
    _spent_before: float = 0.0
    _take_back_at: float = 0.0

    def work(self) -> None:
        """Runs trials until the budget is spent or the search space is exhausted.

        Raises:
            InterruptedStudyError: a signal came; the running trial is KILLED in MLflow and waits in the ledger.
            LedgerError: the search state cannot be read or written.
            TrackingError: the tracking store cannot be written.
        """
        self._started, self._spent_before = time.monotonic(), self._earlier_seconds()
        budget, pause = self.spec.head.budget, PAUSES[0]
        while not self._time_is_up():
            self.stop.check()
            self._take_back_now_and_then()
            ticket = self.ledger.ask(budget.trials)
            if ticket is None:
                return
            if isinstance(ticket, Wait):  # those that run elsewhere may be given back, should their worker die
                self._sleep(pause)
                pause = min(2 * pause, PAUSES[1])
                continue
            pause = PAUSES[0]
            if self._is_its_turn(ticket):
                self._run(ticket)
                self.after_trial()

    def take_back(self, cause: str = "", everybody: bool = False, named: Collection[str] = ()) -> None:
        """Has the trials run again whose workers are gone, and ends those that have lost too many.

        Args:
            cause: how such a worker ended, where somebody saw it.
            everybody: whether nobody else can be at work, wherever a worker says that it is.
            named: workers that are known to be gone, as `worker_name` names them. Others of other hosts are gone when
                a second call, some time after the first one, has not heard of them either.

        Raises:
            LedgerError: the search state cannot be read or written.
        """
        gone = self.ledger.reclaim(cause, everybody, named, wait=False)
        if not gone.failed:
            return
        for record in self.ledger.trials():
            if record.number in gone.failed:
                write_end(self.run, self.ledger, record)
                self.progress.note(f"trial {record.number} has FAILED: {record.reason}")

    def finished_trials(self) -> int:
        """How many trials of the study have ended; one that was interrupted waits, and does not count."""
        return sum(record.state not in (TrialState.RUNNING, TrialState.KILLED) for record in self.ledger.trials())

    def _earlier_seconds(self) -> float:
        """Seconds in which at least one trial was run before this worker began."""
        now, spent, until = datetime.now(UTC), 0.0, None
        for record in sorted(self.ledger.trials(), key=lambda record: record.started or now):
            end = now if record.state is TrialState.RUNNING else record.finished
            if record.started is None or end is None:
                continue
            begin = record.started if until is None else max(until, record.started)
            spent += max(0.0, (end - begin).total_seconds())
            until = end if until is None else max(until, end)
        return spent

    def _take_back_now_and_then(self) -> None:
        """Workers on other machines die as well."""
        if time.monotonic() >= self._take_back_at:
            self.take_back()
            self._take_back_at = time.monotonic() + TAKE_BACK_SECONDS

    def _sleep(self, seconds: float) -> None:
        with self.stop.interruptible():
            time.sleep(seconds)

    def _is_its_turn(self, ticket: Ticket) -> bool:
        """Waits while the same configuration is trained under a lower number, whose result can then be reused.

        Returns:
            False where that number waits to be run again: this one was given back, and the lower one comes first.

        Raises:
            InterruptedStudyError: a signal came while waiting; the trial was given back.
        """
        pause = PAUSES[0] / 10  # the other one may be about to be proposed only
        while (twin := self.ledger.twin(ticket)) is TrialState.RUNNING:
            try:
                self._sleep(pause)
            except InterruptedStudyError:
                self.ledger.release(ticket)
                raise
            pause = min(2 * pause, PAUSES[1])
            self._take_back_now_and_then()
        if twin is not None:
            self.ledger.release(ticket)
        return twin is None

    def _may_exist(self, ticket: Ticket) -> bool:
        """Whether MLflow may know this trial: only a process that died could have left it there."""
        return ticket.retry or self.run.resumed

    def _time_is_up(self) -> bool:
        seconds = self.spec.head.budget.seconds
        return seconds is not None and self._spent_before + time.monotonic() - self._started >= seconds

    def _run(self, ticket: Ticket) -> None:
        try:
            config = self.spec.config(ticket.config)
        except InfeasibleConfigError as error:
            self._not_built(ticket, str(error))
            return
        params = trial_params(config, self.spec.searched_paths)
        trial = self.run.open_trial(ticket.number, params, self._may_exist(ticket), worker_name())
        self.progress.trial_started(ticket.number, config)
        try:
            with self._given_back(ticket, trial):
                result = self._result(ticket, config, trial)
                ending = self._kept(trial.ending(result.outcome, trial_artifacts(config, result)), ticket)
            self._end(ticket, ending, result.outcome, ticket.key)
        except LeaseLostError as error:
            trial.abandon()
            self.progress.note(f"{error}. What was found here does not count.")
            return
        if (checkpoint := self._checkpoint(ticket)) is not None:
            checkpoint.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty, where other trials are under way; or never made
                checkpoint.parent.rmdir()
        self.progress.trial_finished(ticket.number, result.outcome)

    @contextlib.contextmanager
    def _given_back(self, ticket: Ticket, trial: TrialRun) -> Iterator[None]:
        """Gives a trial back that is interrupted, or whose result cannot be kept: it will be run again."""
        try:
            yield
        except (InterruptedStudyError, TrackingError) as error:
            # Where the ledger does not answer, whoever looks at it next gives the trial back.
            with contextlib.suppress(InterruptedStudyError):
                self.ledger.release(ticket)
            trial.finish(TrialOutcome(TrialState.KILLED, reason=str(error)))
            raise

    def _kept(self, ending: Ending, ticket: Ticket) -> Ending:
        """What ends a trial, once it is on the disk.

        Raises:
            InterruptedStudyError: a signal came while waiting for room.
            TrackingError: the disk has stayed full.
        """
        deadline = time.monotonic() + ROOM_SECONDS
        if not ending.on_disk:
            self.progress.note(
                f"the disk is full, so the result of trial {ticket.number} cannot be kept; free some space. The study "
                f"waits for that for up to {ROOM_SECONDS / 60:.0f} minutes"
            )
        try:
            while not ending.write():
                self.stop.check()
                if time.monotonic() >= deadline:
                    raise TrackingError(
                        f"the disk has been full for {ROOM_SECONDS / 60:.0f} minutes. Nothing is lost: free some "
                        f"space, and `tunetrack resume {self.ledger.name}` goes on with trial {ticket.number}"
                    )
                time.sleep(_LOOK_SECONDS)
        except (InterruptedStudyError, TrackingError):
            ending.drop()
            raise
        return ending

    def _end(self, ticket: Ticket, ending: Ending, outcome: TrialOutcome, key: str | None = None) -> None:
        """Ends a trial in the ledger and in MLflow, or, should this process die on the way, in neither or both.

        What is to be sent to MLflow lies on the disk before the ledger is told, and counts only once it has been: after
        a crash in between, the next start looks into the ledger and sends it or throws it away.
        """
        trained = outcome.metrics.get("train_seconds")
        used = None if trained is None else trained * self.device_share
        try:
            self.ledger.tell(ticket, replace(outcome, device_seconds=used), key)
        except LeaseLostError:
            ending.drop()
            raise
        ending.send()

    def _checkpoint(self, ticket: Ticket) -> Path | None:
        return None if self.checkpoints is None else self.checkpoints / f"{ticket.number}.pt"

    def _result(self, ticket: Ticket, config: TrialConfig, trial: TrialRun) -> TrialResult:
        below = None if self.spec.head.sampler.lag is None else ticket.number  # higher ones may or may not have ended
        twin = self.ledger.find_duplicate(ticket.key, below, look=False)  # `_is_its_turn` has just looked
        if twin is not None:
            reason = f"same configuration as trial {twin.number}, whose result is reused"
            outcome = TrialOutcome(TrialState.DUPLICATE, twin.objectives, reason, duplicate_of=twin.number)
            return TrialResult(replace(outcome, constraints=twin.constraints, violates=twin.violates))

        def watch_epoch(record: EpochRecord, value: float, unsaved: bool) -> bool:
            # What a crash would have trained again must not be in MLflow yet: it would be there twice.
            trial.log_epoch(record, held=unsaved)
            self.progress.epoch_finished(ticket.number, record)
            return self.ledger.report(ticket, record.epoch, value)

        def watch_health(finding: Finding) -> None:
            self.progress.found(ticket.number, finding)

        head = self.spec.head
        watch = TrialWatch(
            watch_epoch,
            self.stop.interruptible,
            lambda: self.stop.pending,
            trial.log_conditions,
            watch_health,
            self._checkpoint(ticket),
            self.progress.note,
            head.pruner.is_control(head.sampler.seed, ticket.number),
            self.spec.constraints,
        )
        try:
            data = self.sets.get(config)
        except DataError as error:  # a data setting that is searched may ask for more images than there are
            return TrialResult(TrialOutcome(TrialState.INFEASIBLE, reason=str(error)))
        return self.train(config, self.spec.objectives, data, watch)

    def _not_built(self, ticket: Ticket, reason: str) -> None:
        outcome = TrialOutcome(TrialState.INFEASIBLE, reason=reason)
        params = flatten(ticket.config, self.spec.searched_paths)
        trial = self.run.open_trial(ticket.number, params, self._may_exist(ticket), worker_name())
        with self._given_back(ticket, trial):
            ending = self._kept(trial.ending(outcome), ticket)
        self._end(ticket, ending, outcome)
        self.progress.trial_finished(ticket.number, outcome)


def trial_artifacts(config: TrialConfig, result: TrialResult) -> TrialArtifacts:
    """The files that a finished trial leaves in MLflow."""
    files = {"error.txt": result.traceback.encode()} if result.traceback else {}
    return TrialArtifacts(
        config.document(),
        result.weights,
        result.evaluation,
        files=files,
        findings=result.findings,
        predictions=result.predictions,
        model=result.model,
    )
