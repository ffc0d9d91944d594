"""Studies, trials and curves read back: types, paging, running studies, repeated epochs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from tracking_support import epoch, study_info
from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import (
    Objective,
    StudyInfo,
    StudyState,
    TrackingStore,
    list_studies,
    read_history,
    read_study,
)

PARAMS = {"optimizer.lr": 1e-3, "model.filters": 32, "optimizer.name": "3", "model.batch_norm": True, "x": None}


def test_study_with_every_kind_of_trial(store: TrackingStore, tmp_path: Path) -> None:
    study = store.open_study(study_info(), "images", tmp_path / "artifacts")
    for number, state in enumerate(state for state in TrialState if state is not TrialState.RUNNING):
        trial = study.open_trial(number, PARAMS)
        trial.log_epoch(epoch(1))
        duplicate = 0 if state is TrialState.DUPLICATE else None
        values = (0.5 + number / 100,) if state.has_value else None
        trial.finish(TrialOutcome(state, values, reason=state.value.lower(), duplicate_of=duplicate))
    study.open_trial(6, PARAMS)
    study.flush()

    table = read_study(store, "fashion-cnn")
    assert table.study.state is StudyState.RUNNING
    assert (table.study.experiment, table.study.end) == ("images", None)
    assert table.study.info.objectives == study_info().objectives
    assert [trial.number for trial in table.trials] == list(range(7))
    assert [trial.state.value for trial in table.trials][:2] == ["COMPLETE", "PRUNED"]
    assert table.trials[0].params == PARAMS
    assert [type(value) for value in table.trials[0].params.values()] == [
        type(PARAMS[path]) for path in table.trials[0].params
    ]
    assert [trial.values is not None for trial in table.trials] == [trial.state.has_value for trial in table.trials]
    assert {trial.duplicate_of for trial in table.trials} == {None, 0}
    last = table.trials[-1]
    assert (last.state, last.end, last.values) == (TrialState.RUNNING, None, None)
    frame = table.frame()
    assert len(frame) == 7
    assert frame.loc[0, "metrics.objective"] == 0.5
    assert frame.loc[0, "params.model.filters"] == 32


@pytest.mark.parametrize("page", [1, 7, 1000])
def test_every_page_is_read(store: TrackingStore, page: int) -> None:
    study = store.open_study(study_info(), "images")
    for number in range(15):
        study.open_trial(number, {"model.filters": number})
    study.flush()
    table = read_study(store, "fashion-cnn", page=page)
    assert [trial.params["model.filters"] for trial in table.trials] == list(range(15))


@pytest.mark.slow
def test_more_trials_than_mlflow_gives_at_a_time(store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    for number in range(1005):
        study.open_trial(number, {})
    study.flush()
    assert [trial.number for trial in read_study(store, "fashion-cnn").trials] == list(range(1005))


def test_several_objectives_have_several_values(store: TrackingStore) -> None:
    goals = (Objective("validation/accuracy", True), Objective("model/parameters", False))
    study = store.open_study(StudyInfo("two", {}, (), goals), "images")
    study.open_trial(0, {}).finish(TrialOutcome(TrialState.COMPLETE, (0.9, 1e5)))
    study.flush()
    (trial,) = read_study(store, "two").trials
    assert trial.values == (0.9, 1e5)
    assert {"objective/validation/accuracy", "objective/model/parameters"} == set(trial.metrics)


def test_studies_of_one_name_are_told_apart_by_experiment(store: TrackingStore) -> None:
    for experiment in ("one", "two"):
        store.open_study(study_info(), experiment)
    assert [row.experiment for row in list_studies(store)] == ["two", "one"]
    assert read_study(store, "fashion-cnn", "one").study.experiment == "one"
    with pytest.raises(TrackingError, match=r"more than one study.*experiment one"):
        read_study(store, "fashion-cnn")
    with pytest.raises(TrackingError, match=r"no study 'fashion'.*known: fashion-cnn"):
        read_study(store, "fashion")


def test_reading_an_empty_store(store: TrackingStore) -> None:
    assert list_studies(store) == ()
    with pytest.raises(TrackingError, match="known: none"):
        read_study(store, "x")


def test_other_runs_of_the_experiment_are_left_alone(store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    store.client.create_run(study.experiment_id, run_name="somebody else's")
    assert read_study(store, "fashion-cnn").trials == ()


def test_history_takes_the_later_of_two_attempts(store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    trial = study.open_trial(0, {})
    for number in (1, 2, 3):
        trial.log_epoch(epoch(number, 0.1))
    study.flush()
    retry = study.open_trial(0, {}, existing=True)
    for number in (1, 2):
        retry.log_epoch(epoch(number, 0.2))
    study.flush()
    history = read_history(store, [retry.run_id], ["train/accuracy", "absent"])
    assert list(history.columns) == ["run_id", "metric", "step", "value"]
    assert history["step"].tolist() == [1, 2, 3]
    assert all(math.isclose(*pair) for pair in zip(history["value"], [0.2, 0.2, 0.1], strict=True))
