"""Study and trial runs as MLflow stores them: states, idempotence, adoption, exactly once."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from mlflow.entities import Run
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from PIL import Image

from tracking_support import epoch, evaluation, study_info
from tunetrack.errors import TrackingError
from tunetrack.server import TrackingServer
from tunetrack.spec.records import Predictions, TrialOutcome, TrialState
from tunetrack.tracking import DatasetInfo, File, StudyState, TrackingStore, TrialArtifacts, connect, read_artifact
from tunetrack.tracking.runs import StudyRun
from tunetrack.tracking.study_info import SearchedParam

PARAMS = {"optimizer.lr": 1e-3, "model.filters": 32, "optimizer.name": "adam", "trainer.clip_grad_norm": None}


@pytest.fixture
def study(store: TrackingStore, tmp_path: Path) -> StudyRun:
    return store.open_study(study_info(), "images", tmp_path / "artifacts")


def stored_document(store: TrackingStore, run_id: str) -> object:
    return yaml.safe_load(read_artifact(store, run_id, File.STUDY))


def files_of(store: TrackingStore, run_id: str) -> set[str]:
    return {file.path for file in store.client.list_artifacts(run_id)}


def test_study_run_carries_the_study(store: TrackingStore, study: StudyRun, tmp_path: Path) -> None:
    run = store.client.get_run(study.run_id)
    assert run.info.run_name == "fashion-cnn"
    assert run.info.status == "RUNNING"
    assert run.info.artifact_uri.startswith((tmp_path / "artifacts").as_uri())
    assert run.data.tags["tunetrack.kind"] == "study"
    assert run.data.tags["study.state"] == "RUNNING"
    assert "| `optimizer.lr` | 1e-05 … 0.1 (log) |" in run.data.tags["mlflow.note.content"]
    assert "maximize `validation/accuracy`" in run.data.tags["mlflow.note.content"]
    assert run.data.params == {}
    assert stored_document(store, study.run_id) == dict(study_info().document)


def test_epochs_are_stored_once_and_in_order(store: TrackingStore, study: StudyRun) -> None:
    trials = [study.open_trial(number, PARAMS) for number in range(3)]
    for number in range(1, 21):
        for trial in trials:
            trial.log_epoch(epoch(number, number / 20))
    study.flush()
    for trial in trials:
        for metric in ("train/accuracy", "validation/loss", "lr"):
            history = store.client.get_metric_history(trial.run_id, metric)
            assert [point.step for point in history] == list(range(1, 21))
        accuracies = [point.value for point in store.client.get_metric_history(trial.run_id, "train/accuracy")]
        assert accuracies == [number / 20 for number in range(1, 21)]


def test_complete_trial(store: TrackingStore, study: StudyRun) -> None:
    trial = study.open_trial(7, PARAMS)
    trial.log_epoch(epoch(1))
    outcome = TrialOutcome(TrialState.COMPLETE, (0.93,), metrics={"best/validation/accuracy": 0.94, "bad": math.inf})
    artifacts = TrialArtifacts(
        config={"model": {"head": (64, 32)}},
        weights=b"PK",
        confusion=evaluation(3),
        files={"weights/x.parquet": b"1"},
        predictions=Predictions(np.array([0, 1, 2], np.uint8), np.array([0, 1, 1], np.uint8), np.ones(3, np.float16)),
    )
    trial.finish(outcome, artifacts)
    study.flush()
    run = store.client.get_run(trial.run_id)
    assert run.info.run_name == "#7 adam lr=0.001 filters=32"
    assert run.info.status == "FINISHED"
    assert run.info.end_time >= run.info.start_time
    assert run.data.metrics["objective"] == 0.93
    assert math.isnan(run.data.metrics["bad"])
    assert run.data.params == {
        "optimizer.lr": "0.001",
        "log10.optimizer.lr": "-3.0000",
        "model.filters": "32",
        "optimizer.name": "adam",
        "trainer.clip_grad_norm": "null",
    }
    tags = run.data.tags
    assert tags["mlflow.parentRunId"] == study.run_id
    assert (tags["trial.state"], tags["trial.reason"], tags["trial.key"]) == ("COMPLETE", "", "fashion-cnn/7")
    assert files_of(store, trial.run_id) == {
        "config.yaml",
        "weights.pt",
        "curves.svg",
        "confusion_matrix.svg",
        "confusion_matrix.csv",
        "predictions.parquet",
        "weights",
    }


def test_small_texts_travel_in_the_line_and_other_files_beside_it(store: TrackingStore, tmp_path: Path) -> None:
    store.use_spool(tmp_path / "spool")
    study = store.open_study(study_info(), "images", tmp_path / "artifacts")
    study.flush()
    files = {"why.txt": "grün\n".encode(), "deep/long.txt": b"a" * 100_000, "deep/binary": b"\xff\xfe"}
    config = {"b": {"small": 1e-05, "none": None}, "a": [1, "zwei"]}
    trial = study.open_trial(0, PARAMS)
    ending = trial.ending(TrialOutcome(TrialState.COMPLETE, (0.5,)), TrialArtifacts(config=config, files=files))
    beside = {path.name for path in (tmp_path / "spool").rglob("*") if path.is_file()}
    assert {"long.txt", "binary"} <= beside
    assert not {"why.txt", "config.yaml"} & beside
    ending.send()
    study.flush()
    stored = Path(store.client.download_artifacts(trial.run_id, "", str(tmp_path)))
    assert {path: (stored / path).read_bytes() for path in files} == files
    text = (stored / "config.yaml").read_text()
    assert yaml.safe_load(text) == config
    assert text.startswith("b:\n  small: 1.0e-05\n")


@pytest.mark.parametrize("existing", [False, True])
def test_files_are_stored_without_reading_their_run(
    store: TrackingStore, study: StudyRun, existing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if existing:
        study.open_trial(0, PARAMS).finish(TrialOutcome(TrialState.KILLED))
        study.flush()
    trial = study.open_trial(0, PARAMS, existing=existing)
    trial.log_epoch(epoch(1))
    run_id = trial.run_id
    study.flush()
    read: list[str] = []
    get_run = SqlAlchemyStore.get_run

    def counted(self: SqlAlchemyStore, run_id: str) -> Run:
        read.append(run_id)
        return get_run(self, run_id)

    monkeypatch.setattr(SqlAlchemyStore, "get_run", counted)
    trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)), TrialArtifacts(weights=b"PK", config={"a": 1}))
    study.flush()
    assert not read
    assert {"weights.pt", "config.yaml"} <= files_of(store, run_id)
    assert read  # listing them does read the run, so reading was seen


def test_what_a_branch_does_not_search_has_no_logarithm(store: TrackingStore, tmp_path: Path) -> None:
    decay = SearchedParam("optimizer.weight_decay", log=True, where=({"optimizer.name": "adamw"},))
    study = store.open_study(replace(study_info(), searched=(decay,)), "images", tmp_path / "artifacts")
    runs = []
    for number, name in enumerate(("adamw", "adam")):
        trial = study.open_trial(number, {"optimizer.name": name, "optimizer.weight_decay": 0.01})
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
        study.flush()
        runs.append(store.client.get_run(trial.run_id).data.params)
    assert [params.get("log10.optimizer.weight_decay") for params in runs] == ["-2.0000", None]
    assert [params["optimizer.weight_decay"] for params in runs] == ["0.01", "0.01"]


def test_a_trial_says_which_process_trains_it_and_repairs_leave_that_alone(
    store: TrackingStore, study: StudyRun
) -> None:
    study.open_trial(0, PARAMS, worker="node7:11").finish(TrialOutcome(TrialState.KILLED))
    study.flush()
    trial = study.open_trial(0, PARAMS, existing=True)
    trial.finish(TrialOutcome(TrialState.FAILED, reason="its worker was killed"))
    study.flush()
    assert store.client.get_run(trial.run_id).data.tags["trial.worker"] == "node7:11"
    again = study.open_trial(0, PARAMS, existing=True, worker="node8:12")
    again.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
    study.flush()
    assert store.client.get_run(trial.run_id).data.tags["trial.worker"] == "node8:12"


@pytest.mark.parametrize("state", list(TrialState)[1:])
def test_filters_find_trials_by_their_state(store: TrackingStore, study: StudyRun, state: TrialState) -> None:
    for number, each in enumerate(list(TrialState)[1:]):
        study.open_trial(number, PARAMS).finish(TrialOutcome(each))
    study.flush()
    for name in ("tags.`trial.state`", "tags.trial.state"):  # both ways of writing it in MLflow's search box
        found = store.client.search_runs([study.experiment_id], f"{name} = '{state.value}'")
        assert [run.data.tags["trial.state"] for run in found] == [state.value]


def test_validation_images_become_one_picture(store: TrackingStore, study: StudyRun) -> None:
    tiles = np.arange(50 * 4 * 3, dtype=np.uint8).reshape(50, 4, 3)
    study.log_images(tiles, "0123")
    study.flush()
    layout = json.loads(read_artifact(store, study.run_id, File.IMAGES_LAYOUT))
    assert layout == {"tile": [3, 4], "columns": 40, "count": 50, "digest": "0123"}
    with Image.open(io.BytesIO(read_artifact(store, study.run_id, File.IMAGES))) as picture:
        assert (picture.mode, picture.size) == ("L", (40 * 3, 2 * 4))
        for index in (0, 39, 40, 49):
            left, top = index % 40 * 3, index // 40 * 4
            assert (np.asarray(picture.crop((left, top, left + 3, top + 4))) == tiles[index]).all()


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (TrialState.COMPLETE, "FINISHED"),
        (TrialState.PRUNED, "FINISHED"),
        (TrialState.DUPLICATE, "FINISHED"),
        (TrialState.INFEASIBLE, "FINISHED"),
        (TrialState.FAILED, "FAILED"),
        (TrialState.KILLED, "KILLED"),
    ],
)
def test_status_of_each_state(store: TrackingStore, study: StudyRun, state: TrialState, status: str) -> None:
    trial = study.open_trial(0, PARAMS)
    values = (0.5,) if state.has_value else None
    duplicate = 3 if state is TrialState.DUPLICATE else None
    trial.finish(TrialOutcome(state, values, reason="why", duplicate_of=duplicate))
    study.flush()
    run = store.client.get_run(trial.run_id)
    assert run.info.status == status
    assert (run.data.tags["trial.state"], run.data.tags["trial.reason"]) == (state.value, "why")
    assert run.data.tags.get("trial.duplicate_of") == ("3" if duplicate else None)
    assert files_of(store, trial.run_id) == set()


def test_resumed_study_attaches_to_the_same_runs(store: TrackingStore, study: StudyRun, uri: str) -> None:
    first = study.open_trial(0, PARAMS)
    first.finish(TrialOutcome(TrialState.KILLED, reason="lost"))
    study.finish(StudyState.KILLED)
    assert study.flush()
    with connect(uri) as again:
        resumed = again.open_study(study_info(), "images")
        assert resumed.resumed
        assert resumed.run_id == study.run_id
        retry = resumed.open_trial(0, PARAMS, existing=True)
        assert retry.run_id == first.run_id
        run = again.client.get_run(retry.run_id)
        assert (run.info.status, run.data.tags["trial.state"], run.data.tags["trial.reason"]) == (
            "RUNNING",
            "RUNNING",
            "",
        )
        fresh = resumed.open_trial(1, PARAMS, existing=True)
        assert fresh.run_id != first.run_id
        assert again.client.get_run(study.run_id).info.status == "RUNNING"
    assert not study.resumed


def test_worker_process_attaches_to_the_study(store: TrackingStore, study: StudyRun) -> None:
    attached = store.attach_study(study.run_id)
    assert attached.info.objectives == study.info.objectives
    assert attached.info.searched == study.info.searched
    trial = attached.open_trial(4, PARAMS)
    assert store.client.get_run(trial.run_id).data.tags["mlflow.parentRunId"] == study.run_id
    with pytest.raises(TrackingError, match="not a study"):
        store.attach_study(trial.run_id)


def test_run_of_mlflow_run_is_adopted_in_spite_of_its_params(store: TrackingStore) -> None:
    experiment = store.client.create_experiment("by-mlflow-run")
    run = store.client.create_run(experiment, run_name="gifted-ant-1")
    # What `mlflow run . -P study=x.yaml -P trials=5` writes before it starts the command.
    for key, value in {"study": "x.yaml", "trials": "5", "name": "other", "objective": "'quoted'"}.items():
        store.client.log_param(run.info.run_id, key, value)
    study = store.open_study(study_info(), "another-experiment", run_id=run.info.run_id)
    study.open_trial(0, {**PARAMS, "study": "y"}).finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
    study.finish(StudyState.COMPLETE, "Best: trial 0.", best_trial=0)
    study.flush()
    adopted = store.client.get_run(run.info.run_id)
    assert (study.run_id, study.experiment_id) == (run.info.run_id, experiment)
    assert adopted.info.run_name == "fashion-cnn"
    assert adopted.data.params == {"study": "x.yaml", "trials": "5", "name": "other", "objective": "'quoted'"}
    assert (adopted.info.status, adopted.data.tags["study.best_trial"]) == ("FINISHED", "0")
    assert adopted.data.tags["mlflow.note.content"].startswith("Best: trial 0.  \n[Compare the trials](")
    assert store.client.get_experiment_by_name("another-experiment") is None


def test_adopting_a_run_that_is_not_there(store: TrackingStore) -> None:
    with pytest.raises(TrackingError, match=r"open the study 'fashion-cnn'.*not found"):
        store.open_study(study_info(), "images", run_id="0" * 32)


def test_killed_ends_the_trials_that_still_run(store: TrackingStore, study: StudyRun) -> None:
    done, running = study.open_trial(0, PARAMS), study.open_trial(1, PARAMS)
    done.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
    study.killed("Ctrl-C")
    study.flush()
    tags = [store.client.get_run(trial.run_id).data.tags for trial in (done, running)]
    assert [tag["trial.state"] for tag in tags] == ["COMPLETE", "KILLED"]
    parent = store.client.get_run(study.run_id)
    assert (parent.info.status, parent.data.tags["study.state"]) == ("KILLED", "KILLED")


def test_deleted_experiment_is_named(store: TrackingStore) -> None:
    store.client.delete_experiment(store.experiment_id("gone"))
    with pytest.raises(TrackingError, match=r"was deleted.*mlflow experiments restore"):
        store.open_study(study_info(), "gone")


def test_dataset_is_an_input_of_the_run(store: TrackingStore, study: StudyRun) -> None:
    sizes = {"train": 9, "validation": 0, "test": 1}  # a part without images is no input
    study.log_dataset(DatasetInfo("digits", "abc", sizes, (1, 8, 8), ("0", "1"), "sklearn"))
    study.flush()
    inputs = store.client.get_run(study.run_id).inputs.dataset_inputs
    assert [(each.dataset.name, each.dataset.digest, each.tags[0].value) for each in inputs] == [
        ("digits-train", "abc", "training"),
        ("digits-test", "abc", "test"),
    ]


def test_the_same_over_http_without_a_word_on_stdout(server: TrackingServer, capfd: pytest.CaptureFixture[str]) -> None:
    with connect(server.base_url) as store:
        study = store.open_study(study_info("over-http"), "http")
        trial = study.open_trial(0, PARAMS)
        trial.log_epoch(epoch(1))
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)), TrialArtifacts(weights=b"PK"))
        study.finish(StudyState.COMPLETE)
        study.flush()
        run = store.client.get_run(trial.run_id)
        assert (run.info.status, run.data.metrics["objective"]) == ("FINISHED", 0.5)
        assert files_of(store, trial.run_id) == {"weights.pt", "curves.svg"}
        assert stored_document(store, study.run_id) == dict(study_info("over-http").document)
    assert capfd.readouterr().out == ""


_CRASH = """
import pathlib, sys
sys.path.insert(0, {tests!r})
from tracking_support import epoch, study_info
from tunetrack.tracking import connect
store = connect({uri!r})
study = store.open_study(study_info(), "images")
trial = study.open_trial(0, {{"model.filters": 1}})
for number in range(1, 51):
    trial.log_epoch(epoch(number))
raise RuntimeError("the study's code failed")
"""


def test_exception_elsewhere_loses_nothing_that_was_logged(uri: str) -> None:
    tests = str(Path(__file__).parents[2])
    code = _CRASH.format(tests=tests, uri=uri)
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, timeout=60)
    with connect(uri) as store:
        runs = store.client.search_runs([store.experiment_id("images")], "tags.`trial.key` = 'fashion-cnn/0'")
        assert len(store.client.get_metric_history(runs[0].info.run_id, "lr")) == 50


@pytest.mark.parametrize("faithful", [True, False])
def test_runs_say_where_selection_has_seen_test_images(store: TrackingStore, tmp_path: Path, faithful: bool) -> None:
    info = replace(study_info(), validates_on_test_images=faithful)
    study = store.open_study(info, "images", tmp_path / "artifacts")
    trial = study.open_trial(0, {**PARAMS, "data.faithful": faithful})
    study.flush()
    for run_id in (study.run_id, trial.run_id):
        tag = store.client.get_run(run_id).data.tags.get("data.validation_images")
        assert tag == ("from the official test set" if faithful else None)
    assert store.attach_study(study.run_id).info.validates_on_test_images is faithful
