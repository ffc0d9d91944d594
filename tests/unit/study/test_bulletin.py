"""What MLflow's own UI shows of a running study: its standing in words, the order of parameters, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from study_support import tiny
from tracking_support import study_info
from tunetrack.ledger import TrialRecord
from tunetrack.report import importance_info
from tunetrack.spec import StudySpec, TrialState, load_study
from tunetrack.spec.study import Budget
from tunetrack.study import bulletin as bulletin_module
from tunetrack.study.bulletin import Bulletin, table_of
from tunetrack.study.outcome import in_words, so_far_in_words
from tunetrack.study.result import StudyResult, StudyTrial
from tunetrack.tracking import StudyRun, StudyState, StudyTable, TrackingStore, list_studies

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 1, 1, 12, 30, tzinfo=UTC)
SEARCHED = ("optimizer.lr", "model.filters", "optimizer.name")


@pytest.fixture
def spec() -> StudySpec:
    return load_study(tiny())


def record(number: int, state: TrialState = TrialState.COMPLETE) -> TrialRecord:
    """A trial of ten seconds whose value depends on the filters alone."""
    filters = 8 * (1 + number * 7 % 16)
    config = {
        "optimizer": {"lr": 10 ** -(1 + number * 3 % 7 / 2), "name": ("adam", "sgd")[number % 2]},
        "model": {"filters": filters},
    }
    value = (0.5 + filters / 1000,) if state.has_value else None
    ended = None if state in (TrialState.RUNNING, TrialState.KILLED) else START + timedelta(seconds=10)
    return TrialRecord(number, state, {}, config, value, started=START, finished=ended)


def result(spec: StudySpec, *records: TrialRecord) -> StudyResult:
    trials = tuple(StudyTrial(one, None, SEARCHED) for one in records)
    return StudyResult("tiny", spec.objectives, SEARCHED, trials, "r", "1", "sqlite://", validation_images=100)


def ranking(table: StudyTable) -> tuple[str, ...]:
    return tuple(param.path for param in importance_info(table, resamples=0).params or ())


def note(store: TrackingStore, run: StudyRun) -> str:
    return str(store.client.get_run(run.run_id).data.tags["mlflow.note.content"])


def until(wanted: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not wanted():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_standing_in_words(spec: StudySpec) -> None:
    waiting = record(3, TrialState.KILLED)
    found = result(spec, record(0), record(1), record(2, TrialState.PRUNED), waiting, record(4, TrialState.RUNNING))
    assert so_far_in_words(found, Budget(trials=50), NOW) == (
        "**Running**: 3 of 50 trials ended (2 COMPLETE, 1 PRUNED). **Best so far: trial 1** with validation/accuracy "
        "0.5640 (95 % interval 0.4623 to 0.6533, 1 seed x 100 images). 1 trial was interrupted and will be run again. "
        "30 s of trials so far. As of 2026-01-01 12:30 UTC."
    )
    assert so_far_in_words(result(spec), Budget(seconds=600), NOW) == (
        "**Running**: 0 trials ended. 0 s of trials of 10 min 0 s so far. As of 2026-01-01 12:30 UTC."
    )
    assert in_words(found).endswith("Trials: 1 RUNNING, 2 COMPLETE, 1 PRUNED, 1 KILLED; 30 s of trials in all.")


def test_importance_needs_no_look_into_mlflow(spec: StudySpec, store: TrackingStore) -> None:
    run = store.open_study(study_info(), "images")
    known: dict[int, object] = {}
    found = result(spec, *map(record, range(60)), record(60, TrialState.RUNNING))
    assert ranking(table_of(found, run, known))[0] == "model.filters"  # type: ignore[arg-type]
    assert set(known) == set(range(60))  # what has ended is not read again; what runs may change


def test_a_running_study_says_how_it_stands(spec: StudySpec, store: TrackingStore) -> None:
    run = store.open_study(study_info(), "images")
    counted: list[int] = []
    found = result(spec, *map(record, range(60)))
    with Bulletin(spec, run, lambda: found, ranking, counted.append) as bulletin:
        bulletin.trial_ended()
        until(lambda: counted == [60])
        run.flush()
        assert note(store, run).startswith("**Running**: 60 of 3 trials ended (60 COMPLETE).")
        (row,) = list_studies(store)
        assert row.info.important[0] == "model.filters"
        tags = store.client.get_experiment(run.experiment_id).tags
        assert any(key.startswith("mlflow.sharedViewState.") for key in tags)
        for _ in range(100):  # much too early for another one
            bulletin.trial_ended()
    assert counted == [60]


def test_each_bulletin_is_paid_for_before_the_next(
    spec: StudySpec, store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulletin_module, "PAUSE_SECONDS", 0.0)
    run = store.open_study(study_info(), "images")
    made: list[float] = []

    def slow(table: StudyTable) -> tuple[str, ...]:
        made.append(time.monotonic())
        time.sleep(0.02)
        return ()

    with Bulletin(spec, run, lambda: result(spec, record(0)), slow, lambda trials: None) as bulletin:
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            began = time.perf_counter()
            bulletin.trial_ended()
            assert time.perf_counter() - began < 1.0
            time.sleep(0.001)
    assert 1 <= len(made) <= 3  # each takes 20 ms or more, of which a hundred times as much is the pause


def test_nothing_is_said_after_the_end(spec: StudySpec, store: TrackingStore) -> None:
    run = store.open_study(study_info(), "images")

    def slow(table: StudyTable) -> tuple[str, ...]:
        time.sleep(0.5)
        return ("model.filters",)

    with Bulletin(spec, run, lambda: result(spec, record(0)), slow, lambda trials: None) as bulletin:
        bulletin.trial_ended()
    run.finish(StudyState.COMPLETE, "It is over.")
    time.sleep(0.6)
    run.flush()
    assert note(store, run).startswith("It is over.")
    assert run.info.important == ()


def test_a_mistake_in_a_bulletin_is_logged_and_harms_nobody(
    spec: StudySpec, store: TrackingStore, caplog: pytest.LogCaptureFixture
) -> None:
    run = store.open_study(study_info(), "images")

    def broken(table: StudyTable) -> tuple[str, ...]:
        raise ArithmeticError("no order")

    with Bulletin(spec, run, lambda: result(spec, record(0)), broken, lambda trials: None) as bulletin:
        bulletin.trial_ended()
    assert "the description of the study tiny could not be renewed" in caplog.text
    assert "no order" in caplog.text
