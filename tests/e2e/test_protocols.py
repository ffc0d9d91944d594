"""Studies by a published protocol and studies of volumes, from their file to MLflow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient

import tunetrack
from data_support import fake_mnist
from study_support import command, tiny, write_study
from tunetrack.spec import TrialState

WORDS = "validation images were drawn from the official test set"


def _study(data: dict[str, Any], **more: Any) -> dict[str, Any]:
    return tiny(data={"name": "mnist", **data}, model={"filters": {"choices": [2, 4]}, "num_layers": 1}, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    fake_mnist(tmp_path / "data", 120, 40)
    return tmp_path / "data"


def test_a_faithful_study_says_so_everywhere(home: Path, folder: Path, tmp_path: Path) -> None:
    file = write_study(tmp_path / "study.yaml", _study({"faithful": True, "train": 100, "validation": 30}))
    done = command("run", file, "--home", home, "--data-dir", folder, "--trials", 2)
    assert done.returncode == 0, done.stderr
    assert WORDS in done.stdout
    result = tunetrack.load_study("tiny", home)
    assert result.validates_on_test_images
    assert result.test is not None
    client = MlflowClient(result.tracking_uri)
    parent = client.get_run(result.run_id)
    assert WORDS in parent.data.tags["mlflow.note.content"]
    for run_id in (result.run_id, *(trial.run_id for trial in result.trials)):
        assert client.get_run(run_id).data.tags["data.validation_images"] == "from the official test set"
    sizes = {item.dataset.name: item.dataset.profile for item in parent.inputs.dataset_inputs}
    assert '"images": 10,' in sizes["mnist-test"]
    report = Path(client.download_artifacts(result.run_id, "report.html", str(tmp_path))).read_text()
    assert WORDS in report


def test_where_validation_takes_all_test_images_there_is_no_test_accuracy(home: Path, folder: Path) -> None:
    document = _study({"faithful": True, "dir": str(folder)}, sampler={"name": "grid"}, optimizer={"name": "adam"})
    first = tunetrack.run_study(document, home=home, trials=1)
    result = tunetrack.run_study(document, home=home, trials=1, resume=True)
    assert first.looks == result.looks == ()
    assert result.validation_images == 40
    client = MlflowClient(result.tracking_uri)
    names = {item.dataset.name for item in client.get_run(result.run_id).inputs.dataset_inputs}
    assert names == {"mnist-train", "mnist-validation"}
    assert len(client.search_logged_models([result.experiment_id])) == 1  # the resumed study logs no second one
    assert "test/accuracy" not in client.get_run(result.run_id).data.metrics


def test_an_honest_study_has_no_such_tag(home: Path, folder: Path) -> None:
    result = tunetrack.run_study(_study({"dir": str(folder), "train": 50}), home=home, trials=1)
    assert not result.validates_on_test_images
    client = MlflowClient(result.tracking_uri)
    for run_id in (result.run_id, result.trials[0].run_id):
        assert "data.validation_images" not in client.get_run(run_id).data.tags


def test_a_study_of_volumes_tells_the_groups_apart(home: Path, folder: Path) -> None:
    document = _study({"name": "voxel_mnist", "dir": str(folder), "train": 100, "validation": 60, "test": 40})
    document["model"] = {"name": "voxel_resnet", "widths": {"choices": [[4], [6]]}, "head": []}
    result = tunetrack.run_study(document, home=home, trials=2)
    assert {trial.state for trial in result.trials} == {TrialState.COMPLETE}
    client = MlflowClient(result.tracking_uri)
    for trial in result.trials:
        metrics = client.get_run(trial.run_id).data.metrics
        halves = [metrics[f"final/validation/accuracy/{group}"] for group in ("upright", "rotated")]
        assert sum(halves) / 2 == pytest.approx(metrics["final/validation/accuracy"])
    metrics = client.get_run(result.run_id).data.metrics
    assert (metrics["test/accuracy/upright"] + metrics["test/accuracy/rotated"]) / 2 == pytest.approx(
        metrics["test/accuracy"]
    )
    (model,) = client.search_logged_models([result.experiment_id])
    served = mlflow.pyfunc.load_model(model.artifact_location)
    assert served.predict(np.zeros((3, 1, 16, 16, 16), np.float32)).shape == (3, 10)
