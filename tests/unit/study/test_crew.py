"""Who leads workers: what is done when they end, die one after the other, or do not leave."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from study_support import tiny
from tracking_support import study_info
from tunetrack.errors import InterruptedStudyError, TunetrackError
from tunetrack.ledger import Ledger
from tunetrack.spec import TrialOutcome, TrialState, load_study
from tunetrack.study.data import ResidentSets
from tunetrack.study.progress import Progress
from tunetrack.study.stopping import StopSignals
from tunetrack.study.worker import Worker
from tunetrack.study.workers import crew as crew_module
from tunetrack.study.workers.crew import Crew, CrewPlan
from tunetrack.study.workers.job import WorkerJob
from tunetrack.study.workers.launcher import INTERRUPTED, Event
from tunetrack.tracking import TrackingStore


class Hand:
    """A worker that does what the script says, without a process."""

    def __init__(self, index: int, end: str | None, heeds: bool) -> None:
        self.index, self.name = index, f"here:{index}"
        self.told_to_stop = self.killed = False
        self._end, self._heeds = end, heeds

    def ended(self) -> str | None:
        return self._end

    def stop(self) -> None:
        self.told_to_stop = True
        if self._heeds:
            self._end = INTERRUPTED

    def kill(self) -> None:
        self.killed, self._end = True, "killed by signal 9 (SIGKILL)"


class Script:
    """A launcher whose workers end as they are told here, in the order in which they are started.

    Args:
        ends: how each one ends; None: it goes on until it is told to stop.
        events: what they tell, all at the first look.
        heeds: whether they leave when they are told to.
    """

    def __init__(self, ends: list[str | None], events: list[Event] | None = None, heeds: bool = True) -> None:
        self.ends, self.pending, self.heeds = ends, events or [], heeds
        self.started: list[Hand] = []
        self.jobs: list[WorkerJob] = []

    def start(self, job: WorkerJob, index: int) -> Hand:
        self.jobs.append(job)
        self.started.append(Hand(index, self.ends[min(len(self.started), len(self.ends) - 1)], self.heeds))
        return self.started[-1]

    def events(self, seconds: float) -> list[Event]:
        time.sleep(min(seconds, 0.01))
        told, self.pending = self.pending, []
        return told

    def log(self, index: int) -> bytes | None:
        return b"printed" if index == 0 else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Said(Progress):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[tuple[object, ...]] = []

    def trial_taken(self, number: int, worker: int) -> None:
        self.steps.append(("taken", number, worker))

    def trial_started(self, number: int, config: object) -> None:
        self.steps.append(("started", number))

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        self.steps.append((outcome.state, number, outcome.reason))

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def lead(tmp_path: Path, store: TrackingStore) -> Iterator[Worker]:
    spec = load_study(tiny())
    ledger = Ledger.create(f"sqlite:///{tmp_path / 'ledger.db'}", spec)
    run = store.open_study(study_info(), "images")
    with StopSignals() as stop:
        yield Worker(spec, ledger, run, ResidentSets(), Said(), stop)


def crew(lead: Worker, script: Script, workers: int) -> Crew:
    job = WorkerJob(lead.ledger.name, "sqlite:///ledger.db", "sqlite:///mlflow.db", Path("home"))
    return Crew(lead, CrewPlan(workers, script), job)


def said(lead: Worker) -> Said:
    assert isinstance(lead.progress, Said)
    return lead.progress


def test_workers_that_end_well_are_not_replaced_and_their_logs_are_kept(lead: Worker) -> None:
    script = Script([""], [Event(k, "note", ("the store is away",)) for k in (0, 1)])
    crew(lead, script, 2).work()
    assert [hand.index for hand in script.started] == [0, 1]
    assert said(lead).notes == ["the store is away"]
    assert lead.run.flush(30)
    listed = lead.run.calls.client.list_artifacts(lead.run.run_id, "workers")
    assert [file.path for file in listed] == ["workers/worker-0.log"]


def test_the_dead_are_replaced_and_the_next_one_knows_why(lead: Worker) -> None:
    ticket = lead.ledger.ask()
    script = Script(["killed by signal 9 (SIGKILL)", ""], [Event(0, "trial_started", (0, None))])
    crew(lead, script, 1).work()
    assert [job.died for job in script.jobs] == ["", "killed by signal 9 (SIGKILL)"]
    assert said(lead).steps == [
        ("taken", 0, 0),
        ("started", 0),
        (TrialState.KILLED, 0, "its worker was killed by signal 9 (SIGKILL); it is run again"),
    ]
    expected = "worker 0 (here:0) was killed by signal 9 (SIGKILL), most often because memory ran out; another takes"
    assert said(lead).notes == [f"{expected} its place"]
    lead.ledger.release(ticket)  # type: ignore[arg-type]


def test_workers_that_die_again_and_again_end_the_study(lead: Worker) -> None:
    script = Script(["the data set is missing"])
    with pytest.raises(TunetrackError, match=r"ended with an error \(the data set is missing\)") as caught:
        crew(lead, script, 2).work()
    # budget.retries is 2, so a trial may take three workers with it; and there are two trials at a time
    assert len(script.started) == 7
    assert "has come no further with 6 workers" in str(caught.value)
    assert "`tunetrack resume tiny` tries again" in str(caught.value)


def test_what_is_new_is_worth_further_workers(lead: Worker) -> None:
    finished = Event(0, "trial_finished", (0, TrialOutcome(TrialState.COMPLETE, (0.5,))))
    script = Script([*["killed with its node b, which was lost"] * 4, ""])
    begin = script.start

    def start(job: WorkerJob, index: int) -> Hand:
        if len(script.started) == 2:
            script.pending = [finished]
        return begin(job, index)

    script.start = start  # type: ignore[method-assign]
    crew(lead, script, 1).work()
    assert len(script.started) == 5  # without the news, three had been the end


def signalled(lead: Worker) -> None:
    lead.stop._received = 15


def test_a_signal_stops_all_workers(lead: Worker) -> None:
    script = Script([None])
    signalled(lead)
    with pytest.raises(InterruptedStudyError):
        crew(lead, script, 3).work()
    assert [hand.told_to_stop for hand in script.started] == [True] * 3
    assert not any(hand.killed for hand in script.started)


def test_workers_that_do_not_leave_are_killed_and_their_trials_taken_back(
    lead: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew_module, "LEAVE_SECONDS", 0.2)
    script = Script([None], heeds=False)
    signalled(lead)
    began = time.monotonic()
    with pytest.raises(InterruptedStudyError):
        crew(lead, script, 2).work()
    assert time.monotonic() - began < 5
    assert all(hand.killed for hand in script.started)
