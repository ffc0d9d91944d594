"""With `sampler.lag` the trials of a study do not depend on how many workers run it, nor on when one of them dies."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tracking_support import database_template, end_idle_artifact_threads, store, uri  # noqa: F401
from tunetrack.ledger import Ledger
from tunetrack.ledger.workers import let_go
from tunetrack.spec import EpochRecord, TrialOutcome, TrialState
from tunetrack.study import worker as worker_module
from tunetrack.study.data import ResidentSets
from tunetrack.study.progress import Progress
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import study_info
from tunetrack.study.trial import TrialResult
from tunetrack.study.worker import Worker
from tunetrack.testing import toy_loss, toy_spec
from tunetrack.tracking import StudyRun, TrackingStore

TRIALS, EPOCHS = 22, 3

#: Few enough configurations that proposals meet each other.
SPACE = {
    "model": {"num_layers": {"low": 1, "high": 4}, "filters": {"low": 16, "high": 64, "step": 16}},
    "optimizer": {"name": "adam"},
    "trainer": {"epochs": EPOCHS, "batch_size": {"choices": [32, 64]}},
}

SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"name": "tpe", "n_startup_trials": 5},
    "random": {"name": "random"},
    "qmc": {"name": "qmc"},
    "nsgaii": {"name": "nsgaii", "population_size": 6},
    "brute_force": {"name": "brute_force"},
    "hyperopt": {"engine": "hyperopt", "name": "tpe", "n_startup_jobs": 5},
}


class _DeadError(BaseException):
    """What ends a thread as a kill ends a process: nothing is tidied up."""


def no_training(ledger: Ledger, deaths: list[int]) -> Callable[..., TrialResult]:
    """A trainer that sleeps for a while that nobody can foresee, and dies in the first trial from each of `deaths`."""

    def train(config: Any, objectives: Sequence[Any], data: Any, watch: Any) -> TrialResult:
        loss = toy_loss(config.document())
        ((trial, worker),) = ledger._claims.held.values()
        for epoch in range(1, EPOCHS + 1):
            time.sleep(random.random() * 0.01)
            if epoch == 2 and deaths and trial.number >= deaths[0]:
                deaths.pop(0)
                let_go(worker)
                raise _DeadError
            value = loss + 1 / epoch
            if watch.epoch(EpochRecord(epoch, value, 0.5, value, 0.5, 1e-3, 0.0, 1.0), value, False):
                return TrialResult(TrialOutcome(TrialState.PRUNED, reason="pruned"))
        return TrialResult(TrialOutcome(TrialState.COMPLETE, (value,)))

    return train


def table(
    workers: int, url: str, run: StudyRun, sections: dict[str, Any], deaths: Sequence[int] = ()
) -> list[tuple[Any, ...]]:
    """All that the trials of a study are, run by so many workers."""
    spec = toy_spec(**SPACE, budget={"trials": TRIALS}, **sections)
    Ledger.create(url, spec)
    left, sets = list(deaths), ResidentSets()
    sets.get(spec.first_config())

    def work(_: int) -> None:
        while True:
            ledger = Ledger.load(url, "toy")
            worker = Worker(spec, ledger, run, sets, Progress(), StopSignals())
            worker.train = no_training(ledger, left)
            try:
                return worker.work()
            except _DeadError:
                continue  # another worker takes its place

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))
    assert left == []
    trials = Ledger.load(url, "toy").trials()
    assert sum(trial.deaths for trial in trials) == len(deaths)
    return [(t.number, t.values, t.state, t.objectives, t.intermediate, t.duplicate_of, t.reason) for t in trials]


@pytest.fixture
def run(store: TrackingStore, tmp_path: Path) -> StudyRun:  # noqa: F811
    spec = toy_spec(**SPACE)
    return store.open_study(study_info(spec, "toy", "toy"), "toy", tmp_path / "artifacts")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_module, "PAUSES", (0.01, 0.05))
    monkeypatch.setattr(worker_module, "TAKE_BACK_SECONDS", 0.1)


@pytest.mark.parametrize(
    "sampler",
    [
        "tpe",
        "hyperopt",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("random", "qmc", "nsgaii", "brute_force")),
    ],
)
def test_any_number_of_workers_runs_the_same_trials(sampler: str, run: StudyRun, tmp_path: Path) -> None:
    sections = {
        "sampler": {**SAMPLERS[sampler], "lag": 4, "seed": 1},
        "pruner": {"name": "median", "n_startup_trials": 4, "n_warmup_steps": 1},
    }
    tables = [
        table(workers, f"sqlite:///{tmp_path}/{workers}-{len(deaths)}.db", run, sections, deaths)
        for workers, deaths in ((1, ()), (2, ()), (8, (3, 9)))
    ]
    assert len(tables[0]) == TRIALS
    for other in tables[1:]:
        assert other == tables[0]
    states = {row[2] for row in tables[0]}
    assert {TrialState.COMPLETE, TrialState.PRUNED} <= states
    assert sampler == "qmc" or TrialState.DUPLICATE in states


def test_any_number_of_workers_stops_after_the_same_trial(run: StudyRun, tmp_path: Path) -> None:
    sections = {"sampler": {**SAMPLERS["tpe"], "lag": 4, "seed": 1}, "stop": {"no_improvement": 6}}
    tables = [
        table(workers, f"sqlite:///{tmp_path}/stop-{workers}-{len(deaths)}.db", run, sections, deaths)
        for workers, deaths in ((1, ()), (2, ()), (8, (3,)))
    ]
    assert 7 + 4 <= len(tables[0]) < TRIALS
    assert tables[1] == tables[0] == tables[2]


def test_without_a_lag_a_study_in_parallel_is_another_one(run: StudyRun, tmp_path: Path) -> None:
    """What the comparison above can see."""
    sections = {"sampler": {**SAMPLERS["tpe"], "seed": 1}}
    one, many = (table(workers, f"sqlite:///{tmp_path}/{workers}.db", run, sections) for workers in (1, 6))
    assert [row[1] for row in one] != [row[1] for row in many]
