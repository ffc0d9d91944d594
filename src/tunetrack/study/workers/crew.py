"""Leads the workers of one study: starts them, shows what they do, and replaces those that die.

Nothing of the search passes through here. Workers take trials from the ledger themselves, so one that dies costs the
study nothing but the time until another has its trial.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from tunetrack.errors import TunetrackError
from tunetrack.ledger import TrialRecord
from tunetrack.spec import EpochRecord, TrialOutcome, TrialState
from tunetrack.study.repair import ENDED, write_end
from tunetrack.study.worker import Worker
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.launcher import INTERRUPTED, Event, Launcher, WorkerHandle

__all__ = ["Crew", "CrewPlan"]

#: Deaths in a row without anything new, for each worker, after which starting another is pointless. Where trials are
#: allowed many retries, it takes more: the trial that kills its worker must have time to use them up.
POINTLESS_DEATHS = 3
#: Longest wait for something to happen; signals are looked at so often.
TICK_SECONDS = 0.2
#: How often the ledger is looked at for what workers have done that others have started.
LOOK_SECONDS = 2.0
#: Time for workers to leave after a signal. Whoever sent it expects the end of everything within ten seconds.
LEAVE_SECONDS = 6.0
#: Time for a process that was killed to be gone.
KILL_SECONDS = 1.0
#: Seconds within which workers that say the same are heard once.
SAME_NOTE_SECONDS = 60.0


@dataclass(frozen=True)
class CrewPlan:
    """How many workers shall run a study, and where.

    Attributes:
        workers: how many are started and kept; 0: only those that others start.
        launcher: starts them; the crew enters and leaves it.
        threads: CPU threads of each worker.
        gpus: share of a GPU for each worker, at most 1; 0: none is set aside.
    """

    workers: int
    launcher: Launcher
    threads: int = 1
    gpus: float = 0.0


class Crew:
    """The workers of one study, for as long as it runs.

    Args:
        lead: the study as the process knows it that leads; its `work` is not called.
        plan: how many workers, and where.
        job: what each of them is given.
    """

    def __init__(self, lead: Worker, plan: CrewPlan, job: WorkerJob) -> None:
        self._lead = lead
        self._plan = plan
        self._job = job
        self._handles: list[WorkerHandle] = []
        self._busy: dict[int, int] = {}
        self._furthest: dict[int, int] = {}
        self._deaths = 0
        self._shown = {record.number for record in lead.ledger.trials() if record.state in ENDED}
        self._began = time.monotonic()
        self._look_at = 0.0
        self._notes: dict[str, float] = {}

    def work(self) -> None:
        """Has trials run until the workers find nothing left to do. Their logs are then on the study's run.

        Raises:
            InterruptedStudyError: a signal came; all workers have left, and their trials wait to be run again.
            TunetrackError: one worker after the other dies and the study comes no further.
            LedgerError: the search state cannot be read or written.
        """
        try:
            for index in range(self._plan.workers):
                self._start(index)
            while self._handles or not (self._plan.workers or self._is_done()):
                self._lead.stop.check()
                self._hear(TICK_SECONDS)
                for handle, how in self._gone():
                    self._replace(handle, how)
                self._look_around()
            self._look_around(now=True)
        except BaseException:
            self._leave()
            raise
        finally:
            self._keep_logs()

    def _start(self, index: int, died: str = "") -> None:
        self._handles.append(self._plan.launcher.start(replace(self._job, died=died), index))

    def _hear(self, seconds: float) -> None:
        for event in self._plan.launcher.events(seconds):
            self._tell(event)

    def _gone(self) -> list[tuple[WorkerHandle, str]]:
        """Workers that have ended since the last call, and how; all that they have told has been shown."""
        gone = [(handle, how) for handle in self._handles if (how := handle.ended()) is not None]
        if gone:
            self._hear(0.0)
            self._handles = [handle for handle in self._handles if all(handle is not one for one, _ in gone)]
        return gone

    def _tell(self, event: Event) -> None:
        progress = self._lead.progress
        if event.what == "note":
            self._say(str(event.arguments[0]))
            return
        number = event.arguments[0]
        if event.what == "trial_started":
            self._busy[event.worker] = number
            progress.trial_taken(number, event.worker)
        elif event.what == "epoch_finished":
            record: EpochRecord = event.arguments[1]
            self._reached(number, record.epoch)
        elif event.what == "trial_finished":
            self._busy.pop(event.worker, None)
            self._shown.add(number)
            self._deaths = 0
        getattr(progress, event.what)(*event.arguments)
        if event.what == "trial_finished":
            self._lead.after_trial()

    def _reached(self, number: int, epoch: int) -> None:
        """What was not reached before is a reason to go on after a death."""
        if epoch > self._furthest.get(number, 0):
            self._furthest[number] = epoch
            self._deaths = 0

    def _say(self, text: str) -> None:
        now = time.monotonic()
        if now - self._notes.get(text, -SAME_NOTE_SECONDS) >= SAME_NOTE_SECONDS:
            self._notes[text] = now
            self._lead.progress.note(text)

    def _replace(self, handle: WorkerHandle, how: str) -> None:
        """Has another one work in place of one that died; one that ended well has found nothing left to do."""
        number = self._busy.pop(handle.index, None)
        if not how:
            return
        self._lead.take_back(how, named=(handle.name,))
        if number is not None:
            self._show_lost(number, how)
        self._deaths += 1
        retries = self._lead.spec.head.budget.retries
        if self._deaths >= max(POINTLESS_DEATHS, retries + 1) * self._plan.workers:
            raise TunetrackError(
                f"worker {handle.index} ({handle.name}) {_past(how)}, and the study has come no further with "
                f"{self._deaths} workers. What they have printed is with the study's run, under workers/. "
                f"`tunetrack resume {self._job.name}` tries again"
            )
        hint = ", most often because memory ran out" if "SIGKILL" in how else ""
        self._lead.progress.note(f"worker {handle.index} ({handle.name}) {_past(how)}{hint}; another takes its place")
        self._start(handle.index, how)

    def _show_lost(self, number: int, how: str) -> None:
        """Shows what has become of the trial of a worker that died."""
        record = next(record for record in self._lead.ledger.trials() if record.number == number)
        if record.state in ENDED:  # it died after it had told the ledger, or the trial has failed with it
            self._show_ended(record)
            return
        reason = f"its worker {_past(how)}; it is run again"
        self._lead.progress.trial_finished(number, TrialOutcome(TrialState.KILLED, reason=reason))

    def _show_ended(self, record: TrialRecord) -> None:
        self._shown.add(record.number)
        self._deaths = 0
        outcome = TrialOutcome(
            record.state,
            record.objectives,
            record.reason,
            duplicate_of=record.duplicate_of,
            violates=record.violates,
        )
        self._lead.progress.trial_finished(record.number, outcome)
        self._lead.after_trial()

    def _look_around(self, now: bool = False) -> None:
        """Shows the trials of workers that others have started, and takes back those of the dead among them."""
        if time.monotonic() < self._look_at and not now:
            return
        self._look_at = time.monotonic() + LOOK_SECONDS
        if not self._handles:  # else they do
            self._lead.take_back()
        own = set(self._busy.values())
        for record in self._lead.ledger.trials():
            if record.state in ENDED and record.number not in self._shown and record.number not in own:
                self._show_ended(record)

    def _leave(self) -> None:
        """Has all workers leave, and ends those that do not; their trials wait to be run again."""
        for handle in self._handles:
            handle.stop()
        deadline = time.monotonic() + LEAVE_SECONDS
        while self._handles and time.monotonic() < deadline:
            self._hear(TICK_SECONDS / 4)
            self._gone()
        if not self._handles:
            return
        for handle in self._handles:
            handle.kill()
        lost = {self._busy.get(handle.index) for handle in self._handles}
        killed = {handle.name for handle in self._handles}
        deadline = time.monotonic() + KILL_SECONDS
        while self._handles and time.monotonic() < deadline:
            time.sleep(TICK_SECONDS / 10)
            self._gone()
        killed -= {handle.name for handle in self._handles}
        self._lead.take_back("killed, since it did not leave in time", named=killed)
        for record in self._lead.ledger.trials():
            if record.number in lost and record.state is TrialState.KILLED:
                write_end(self._lead.run, self._lead.ledger, record)

    def _is_done(self) -> bool:
        """Whether workers that others have started, the only ones, have left nothing to do."""
        budget = self._lead.spec.head.budget
        time_is_up = budget.seconds is not None and time.monotonic() - self._began >= budget.seconds
        return time_is_up or self._lead.ledger.is_done(budget.trials)

    def _keep_logs(self) -> None:
        logs = {index: self._plan.launcher.log(index) for index in range(self._plan.workers)}
        files = {f"workers/worker-{index}.log": log for index, log in logs.items() if log}
        if files:
            self._lead.run.log_files(files)


def _past(how: str) -> str:
    """How a worker ended, to go on after its name."""
    if how.startswith("killed"):
        return f"was {how}"
    if how == INTERRUPTED:
        return "was told to leave by somebody else"
    return how if how.startswith("ended") else f"ended with an error ({how})"
