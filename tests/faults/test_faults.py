"""The short version of the harness: one study is killed, one loses its server, some calls go wrong.

At its end each is compared with the uninterrupted one. `scripts/faults` is the long version.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from faults.bench import Bench, Outcome
from faults.inject import CASES, Case, Fault, verify
from faults.kills import kill_at
from faults.moments import Moment, Sign, Strike
from faults.outages import Outage, go_through
from faults.points import suffer
from faults.shortages import MemoryFull, eaten

#: The scenarios run beside one another and share the uninterrupted study, so the first test waits for most of it.
pytestmark = pytest.mark.timeout(900)

#: Start-up is most of what a command takes here, so the studies go through several faults each.
KILLS = Moment(
    "kills",
    "optuna-tpe",
    (
        Strike("worker", Sign("a checkpoint is being written", "checkpoints/*/*.part", 4)),
        Strike("supervisor", Sign("a trial's files are being written", "artifacts/*/artifacts/*.svg", 1)),
        Strike("both", Sign("the best trial's model is being written", "artifacts/models/*/artifacts/**/*")),
    ),
)
OUTAGE = Outage("outage", "kill", 0.5, 5.0)
FAULTS = (
    Fault("mlflow.store.tracking.sqlalchemy_store:SqlAlchemyStore.create_run", 3, "unavailable", "after"),
    Fault("os:fsync", 3, "disk full", caller="tunetrack.training.checkpoint"),
    Fault("tunetrack.ledger.leases:_DatabaseLeases.report", 30, "engine locked"),
    Fault("tunetrack.ledger.ledger:Ledger.tell", 2, "kill", "after"),
)

TASKS: dict[str, Callable[[Bench], Outcome]] = {
    "killed": functools.partial(kill_at, moment=KILLS),
    "server away": functools.partial(go_through, outage=OUTAGE),
    "calls that go wrong": functools.partial(suffer, case=Case(FAULTS)),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Outcome]]]:
    bench = Bench(tmp_path_factory.mktemp("faults"))
    with ThreadPoolExecutor(min(len(TASKS), os.cpu_count() or 1), "ThreadPoolExecutor") as pool:
        yield {name: pool.submit(task, bench) for name, task in TASKS.items()}


def check(outcome: Outcome) -> None:
    if not outcome.hit:
        pytest.fail(f"the study had ended before the fault came: {outcome}", pytrace=False)
    if not outcome.good:
        pytest.fail(str(outcome), pytrace=False)


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_lost_doubled_or_left_over(outcomes: dict[str, Future[Outcome]], name: str) -> None:
    outcome = outcomes[name].result()
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    check(outcome)


@pytest.mark.slow
@pytest.mark.parametrize("always", [False, True])
def test_a_trial_that_kills_its_worker(tmp_path: Path, always: bool) -> None:
    check(eaten(Bench(tmp_path), MemoryFull("killed", always=always)))


def test_every_named_point_is_there() -> None:
    for case in CASES:
        for fault in case.faults:
            verify(fault)


def test_a_point_that_is_not_there_is_told() -> None:
    with pytest.raises(LookupError, match="there is no tunetrack"):
        verify(Fault("tunetrack.ledger.ledger:Ledger.nothing"))
