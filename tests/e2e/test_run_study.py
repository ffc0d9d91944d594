"""A study from Python, looked at in MLflow: runs, params, metrics, artifacts, the model."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from PIL import Image

import tunetrack
from study_support import tiny
from tunetrack.api.studies import launch_study
from tunetrack.api.study_files import load_study_file
from tunetrack.errors import LedgerError, SpecError, StudyFailedError
from tunetrack.server import TrackingServer
from tunetrack.spec import TrialState
from tunetrack.study.launch import Launch
from tunetrack.study.place import Place
from tunetrack.study.tracked import shares_validation_images


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> tunetrack.StudyResult:
    home = tmp_path_factory.mktemp("home")
    (home / "mlflow.db").write_bytes(database_template.read_bytes())
    return tunetrack.run_study(tiny(), home=home)


@pytest.fixture
def client(study: tunetrack.StudyResult) -> MlflowClient:
    return MlflowClient(study.tracking_uri)


def test_result_names_the_best_trial(study: tunetrack.StudyResult) -> None:
    assert [trial.number for trial in study.trials] == [0, 1, 2]
    assert {trial.state for trial in study.trials} == {TrialState.COMPLETE}
    assert study.best is not None
    assert study.best.value == max(trial.value for trial in study.trials if trial.value is not None)
    assert study.validation_images == 100
    assert study.test is not None
    assert 0.0 <= study.test.accuracy <= 1.0
    assert [look.trial for look in study.looks] == [study.best.number]
    assert list(study.frame()["number"]) == [0, 1, 2]


def test_runs_have_what_comparison_pages_read(study: tunetrack.StudyResult, client: MlflowClient) -> None:
    def content(run_id: str | None, name: str) -> bytes:
        return Path(client.download_artifacts(run_id, name)).read_bytes()

    layout = json.loads(content(study.run_id, "validation_images.json"))
    assert (layout["tile"], layout["count"]) == ([8, 8], 100)
    with Image.open(io.BytesIO(content(study.run_id, "validation_images.png"))) as picture:
        assert picture.size == (40 * 8, 3 * 8)
    labels = []
    for trial in study.trials:
        frame = pd.read_parquet(io.BytesIO(content(trial.run_id, "predictions.parquet")))
        assert list(frame["index"]) == list(range(100))
        assert (frame["label"] == frame["predicted"]).mean() == pytest.approx(trial.value)
        labels.append(list(frame["label"]))
        run = client.get_run(trial.run_id)
        assert run.data.tags["trial.worker"].endswith(f":{os.getpid()}")
        lr = trial.params["optimizer.lr"]
        assert run.info.run_name.startswith(f"#{trial.number} {trial.params['optimizer.name']} lr={lr:.3g} filters=")
    assert labels[0] == labels[1] == labels[2]


def test_the_study_says_how_it_ended_and_its_tables_are_known_to_sqlite(
    study: tunetrack.StudyResult, client: MlflowClient
) -> None:
    assert study.best is not None
    note = client.get_run(study.run_id).data.tags["mlflow.note.content"].splitlines()
    assert note[0].startswith(f"**Best: trial {study.best.number}** with validation/accuracy {study.best.value:.4f}")
    assert note[1].startswith(f"[Compare the trials](tunetrack/studies/{study.run_id}) · [Charts in MLflow](#/exp")
    assert "[Report](" in note[1]
    assert "Trials: 3 COMPLETE; " in note[3]
    with closing(sqlite3.connect(study.tracking_uri.removeprefix("sqlite:///"))) as database:
        assert {table for (table,) in database.execute("SELECT tbl FROM sqlite_stat1")} >= {"runs", "latest_metrics"}


@pytest.mark.parametrize(
    ("data", "same"),
    [
        ({}, True),
        ({"augment": {"rotation": {"low": 0.0, "high": 20.0}}}, True),
        ({"seed": {"choices": [0, 1]}}, False),
        ({"validation": {"choices": [50, 100]}}, False),
    ],
)
def test_images_are_shown_only_where_all_trials_have_the_same(data: dict[str, Any], same: bool) -> None:
    spec = load_study_file(tiny(data={**tiny()["data"], **data}))
    assert shares_validation_images(spec) is same


def test_runs_are_nested_with_every_value_as_a_param(study: tunetrack.StudyResult, client: MlflowClient) -> None:
    parent = client.get_run(study.run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["study.state"] == "COMPLETE"
    assert "Best: trial" in parent.data.tags["mlflow.note.content"]
    for trial in study.trials:
        run = client.get_run(trial.run_id)
        assert run.data.tags["mlflow.parentRunId"] == study.run_id
        assert run.data.tags["trial.state"] == "COMPLETE"
        assert int(run.data.params["model.filters"]) == trial.params["model.filters"]
        assert float(run.data.params["optimizer.lr"]) == trial.params["optimizer.lr"]
        assert run.data.params["trainer.epochs"] == "2"
        assert ("optimizer.momentum" in run.data.params) == (trial.params["optimizer.name"] == "sgd")
        assert run.data.metrics["objective"] == trial.value
        history = client.get_metric_history(trial.run_id, "validation/accuracy")
        assert sorted(point.step for point in history) == [1, 2]
        assert run.data.metrics["best/validation/accuracy"] == max(point.value for point in history)


def test_artifacts_are_there(study: tunetrack.StudyResult, client: MlflowClient) -> None:
    names = {item.path for item in client.list_artifacts(study.run_id)}
    assert {"study.yaml", "report.html"} <= names
    assert study.best is not None
    names = {item.path for item in client.list_artifacts(study.best.run_id)}
    assert {"config.yaml", "weights.pt", "confusion_matrix.csv"} <= names
    assert any(name.startswith("curves.") for name in names)


def test_only_the_best_trial_has_a_model_and_it_takes_any_batch(
    study: tunetrack.StudyResult, client: MlflowClient
) -> None:
    models = client.search_logged_models([study.experiment_id])
    assert study.best is not None
    assert [model.source_run_id for model in models] == [study.best.run_id]
    model = mlflow.pyfunc.load_model(models[0].artifact_location)
    for images in (1, 3, 5):
        batch = np.random.default_rng(images).random((images, 1, 8, 8), dtype=np.float32)
        assert model.predict(batch).shape == (images, 10)


def test_data_set_is_an_input_of_the_study(study: tunetrack.StudyResult, client: MlflowClient) -> None:
    inputs = client.get_run(study.run_id).inputs.dataset_inputs
    contexts = {tag.value: item.dataset for item in inputs for tag in item.tags}
    assert set(contexts) == {"training", "validation", "test"}


def test_study_can_be_read_back(study: tunetrack.StudyResult) -> None:
    home = Path(study.tracking_uri.removeprefix("sqlite:///")).parent
    again = tunetrack.load_study("tiny", home)
    assert again.document() == study.document()
    assert [listing["name"] for listing in tunetrack.list_studies(home)] == ["tiny"]
    assert tunetrack.list_studies(home)[0]["state"] == "COMPLETE"
    with pytest.raises(LedgerError, match="no study 'other'"):
        tunetrack.load_study("other", home)


def test_a_server_takes_the_runs_as_well(tmp_path: Path, server: TrackingServer) -> None:
    result = tunetrack.run_study(tiny(name="over-http"), home=tmp_path / "home", tracking_uri=server.base_url, trials=2)
    client = MlflowClient(server.base_url)
    assert result.best is not None
    names = {item.path for item in client.list_artifacts(result.best.run_id)}
    assert {"config.yaml", "weights.pt", "confusion_matrix.csv"} <= names
    assert client.get_run(result.run_id).data.tags["study.state"] == "COMPLETE"
    assert len(client.search_logged_models([result.experiment_id])) == 1
    again = tunetrack.load_study("over-http", tmp_path / "home")  # finds the server by itself
    assert [trial.run_id for trial in again.trials] == [trial.run_id for trial in result.trials]


def test_wrong_override_starts_nothing(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="did you mean epochs"):
        tunetrack.run_study(tiny(), home=tmp_path / "home", trainer__epoch=3)
    assert not (tmp_path / "home").exists()


def test_a_second_run_is_a_study_of_its_own(home: Path) -> None:
    one = tunetrack.run_study(tiny(), home=home, trials=1)
    two = tunetrack.run_study(tiny(), home=home, trials=1)
    assert (one.name, two.name) == ("tiny", "tiny-2")
    assert one.experiment_id == two.experiment_id
    assert one.run_id != two.run_id


@pytest.mark.parametrize("sampler", [{"name": "tpe", "seed": 1, "n_startup_trials": 2}, {"engine": "hyperopt"}])
def test_a_study_in_pieces_is_the_study_in_one_go(home: Path, sampler: dict[str, object]) -> None:
    whole = tunetrack.run_study(tiny(name="whole", sampler=sampler), home=home, trials=4)
    tunetrack.run_study(tiny(name="pieces", sampler=sampler), home=home, trials=2)
    pieces = tunetrack.run_study(tiny(name="pieces", sampler=sampler), home=home, trials=4, resume=True)
    assert [trial.params for trial in pieces.trials] == [trial.params for trial in whole.trials]
    assert [trial.values for trial in pieces.trials] == [trial.values for trial in whole.trials]
    assert len({trial.run_id for trial in pieces.trials}) == 4


def test_the_test_images_are_looked_at_once_a_winner(home: Path) -> None:
    document = tiny(sampler={"name": "random", "seed": 0})
    looks = [tunetrack.run_study(document, home=home, trials=1).looks]
    for trials in (1, 2, 4, 6):
        looks.append(tunetrack.run_study(document, home=home, trials=trials, resume=True).looks)
    result = tunetrack.load_study("tiny", home)
    assert looks[0] == looks[1]  # nothing new, so no look
    winners = [look.trial for look in result.looks]
    assert winners == sorted(set(winners))
    assert winners[-1] == result.best.number if result.best else False
    assert ("no longer untouched" in result.test_in_words()) == (len(winners) > 1)
    assert len(winners) > 1  # with this seed a later trial wins
    models = MlflowClient(result.tracking_uri).search_logged_models([result.experiment_id])
    assert len(models) == len(winners)


def test_no_trial_starts_after_the_time_is_up_and_earlier_time_counts(home: Path) -> None:
    document = tiny(budget={"seconds": 1.0}, trainer={"epochs": 200, "batch_size": 25})  # one trial takes longer
    assert len(tunetrack.run_study(document, home=home).trials) == 1
    with_more = tunetrack.run_study(document, home=home, resume=True)
    assert len(with_more.trials) == 1


def test_a_finite_space_ends_the_study(home: Path) -> None:
    document = tiny(model={"filters": {"choices": [4, 8]}}, optimizer={"name": "adam"}, budget={"trials": 50})
    result = tunetrack.run_study(document, home=home)
    assert {trial.params["model.filters"] for trial in result.trials} == {4, 8}
    assert len(result.trials) < 50


def test_a_configuration_is_trained_once(home: Path) -> None:
    document = tiny(model={"filters": {"choices": [4, 8]}}, optimizer={"name": "adam"}, budget={"trials": 5})
    result = tunetrack.run_study(document, home=home)
    states = [trial.state for trial in result.trials]
    assert states.count(TrialState.COMPLETE) == 2
    assert result.counts().get(TrialState.DUPLICATE, 0) == len(states) - 2
    for trial in result.trials:
        if trial.state is TrialState.DUPLICATE:
            assert trial.record.duplicate_of is not None
            assert trial.value == result.trials[trial.record.duplicate_of].value


def test_what_cannot_be_built_or_diverges_ends_its_trial_alone(home: Path) -> None:
    document = tiny(
        model={"filters": 4, "num_layers": {"choices": [1, 4]}},
        optimizer={"name": "sgd", "lr": {"choices": [0.1, 1e30]}},
        sampler={"name": "grid"},
        budget={"trials": 4},
    )
    result = tunetrack.run_study(document, home=home)
    by_values = {(t.params["model.num_layers"], t.params["optimizer.lr"]): t for t in result.trials}
    assert by_values[1, 0.1].state is TrialState.COMPLETE
    assert by_values[1, 1e30].state is TrialState.FAILED
    assert "loss became" in by_values[1, 1e30].record.reason
    assert by_values[4, 0.1].state is TrialState.INFEASIBLE
    assert "pooling" in by_values[4, 0.1].record.reason
    client = MlflowClient(result.tracking_uri)
    assert client.get_run(by_values[1, 1e30].run_id).info.status == "FAILED"
    assert client.get_run(by_values[4, 0.1].run_id).info.status == "FINISHED"


def test_two_objectives_give_two_values(home: Path) -> None:
    document = tiny(
        objective=[{"metric": "validation/accuracy"}, {"metric": "model/parameters"}],
        sampler={"name": "nsgaii", "seed": 0},
    )
    result = tunetrack.run_study(document, home=home)
    assert all(trial.values is not None and len(trial.values) == 2 for trial in result.trials)
    assert not result.objectives[1].maximize


def test_pruned_trials_are_finished_for_mlflow(home: Path) -> None:
    document = tiny(pruner={"name": "threshold", "lower": 2.0}, budget={"trials": 1})
    with pytest.raises(StudyFailedError, match="pruned after epoch 1 of 2"):
        tunetrack.run_study(document, home=home)
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("tiny")
    runs = {run.data.tags["tunetrack.kind"]: run for run in client.search_runs([experiment.experiment_id])}
    assert runs["trial"].info.status == "FINISHED"
    assert runs["trial"].data.tags["trial.state"] == "PRUNED"
    assert runs["study"].info.status == "FAILED"
    assert "report.html" in {item.path for item in client.list_artifacts(runs["study"].info.run_id)}


def test_a_resumed_study_keeps_its_run_wherever_that_is(home: Path) -> None:
    spec = load_study_file(tiny())
    first = launch_study(load_study_file(tiny(), {"budget.trials": 1}), Launch(Place(home), experiment="elsewhere"))
    again = launch_study(spec, Launch(Place(home), resume=True))  # does not name the experiment
    assert (again.run_id, again.experiment_id) == (first.run_id, first.experiment_id)
    assert all(trial.run_id is not None for trial in again.trials)


def test_a_combination_that_breaks_a_rule_is_infeasible_in_plain_words(home: Path) -> None:
    document = tiny(
        model={"filters": 4, "num_layers": 1},
        # The corners hold momentum at 0.5; nesterov with momentum 0.0 is further inside.
        optimizer={"name": "sgd", "momentum": {"choices": [0.5, 0.0]}, "nesterov": {"choices": [False, True]}},
        sampler={"name": "grid"},
        budget={"trials": 4},
    )
    result = tunetrack.run_study(document, home=home)
    broken = [trial for trial in result.trials if trial.state is TrialState.INFEASIBLE]
    assert [(t.params["optimizer.momentum"], t.params["optimizer.nesterov"]) for t in broken] == [(0.0, True)]
    assert broken[0].record.reason == "optimizer: nesterov needs a momentum greater than 0"
    assert broken[0].run_id is not None
