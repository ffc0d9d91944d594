"""A logged model loads and predicts for any number of images, without a global run."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest

from tracking_support import study_info
from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import ModelRequest, StudyRun, TrackingStore, TrialRun

torch = pytest.importorskip("torch")


@pytest.fixture
def study(store: TrackingStore, tmp_path: Path) -> StudyRun:
    return store.open_study(study_info(), "images", tmp_path / "artifacts")


@pytest.fixture
def trial(study: StudyRun) -> TrialRun:
    trial = study.open_trial(0, {"model.filters": 4})
    trial.finish(TrialOutcome(TrialState.COMPLETE, (0.9,)))
    return trial


def network() -> object:
    layers = torch.nn
    net = layers.Sequential(
        layers.Conv2d(1, 4, 3, padding=1),
        layers.BatchNorm2d(4),
        layers.ReLU(),
        layers.Dropout(0.5),
        layers.MaxPool2d(2),
        layers.Flatten(),
        layers.Linear(4 * 49, 10),
    )
    return net.to(memory_format=torch.channels_last)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.export's and torch.load's own
def test_round_trip_with_one_three_and_five_images(
    store: TrackingStore, study: StudyRun, trial: TrialRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # torch.export sets it; monkeypatch takes it away again
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    net = network()
    rng = np.random.default_rng(0)
    request = ModelRequest(trial.run_id, ("torch", "mlflow"), {"classes": ["a", "b"]}, {"study": "fashion-cnn"})
    uri = study.log_model(net, rng.random((2, 1, 14, 14), dtype=np.float32), request)
    assert net.training, "the caller's network is left as it was"
    assert mlflow.active_run() is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    plain, served = mlflow.pytorch.load_model(uri), mlflow.pyfunc.load_model(uri)
    by_run = mlflow.pyfunc.load_model(f"runs:/{trial.run_id}/model")
    net.eval()
    for count in (1, 3, 5):
        images = rng.random((count, 1, 14, 14), dtype=np.float32)
        expected = net(torch.from_numpy(images)).detach().numpy()
        np.testing.assert_allclose(plain(torch.from_numpy(images)).detach().numpy(), expected, atol=1e-5)
        np.testing.assert_allclose(served.predict(images), expected, atol=1e-5)
        np.testing.assert_allclose(by_run.predict(images), expected, atol=1e-5)
    assert served.metadata.metadata == {"classes": ["a", "b"]}
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, 1, 14, 14)
    assert served.metadata.run_id == trial.run_id
    outputs = store.client.get_run(trial.run_id).outputs.model_outputs
    assert [f"models:/{output.model_id}" for output in outputs] == [uri]


@pytest.mark.parametrize("shape", [(1, 1, 14, 14), (2, 14, 14)])
def test_example_that_would_freeze_the_batch_is_refused(
    study: StudyRun, trial: TrialRun, shape: tuple[int, ...]
) -> None:
    with pytest.raises(TrackingError, match="at least two float32 images"):
        study.log_model(network(), np.zeros(shape, np.float32), ModelRequest(trial.run_id, ("torch",)))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.export's and torch.load's own
def test_a_model_of_volumes_has_a_signature_of_five_axes(
    store: TrackingStore, study: StudyRun, trial: TrialRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # torch.export sets it; monkeypatch takes it away again
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    layers = torch.nn
    net = layers.Sequential(layers.Conv3d(1, 2, 3), layers.Flatten(), layers.Linear(2 * 8, 10))
    uri = study.log_model(net, np.zeros((2, 1, 4, 4, 4), np.float32), ModelRequest(trial.run_id, ("torch",)))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
    served = mlflow.pyfunc.load_model(uri)
    assert served.metadata.signature.inputs.inputs[0].shape == (-1, 1, 4, 4, 4)
    assert served.predict(np.zeros((3, 1, 4, 4, 4), np.float32)).shape == (3, 10)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.export's and torch.load's own
def test_a_run_has_one_model_however_often_it_is_logged(
    store: TrackingStore, study: StudyRun, trial: TrialRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may be killed while it writes a model, or right after: the next one mends that."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "")  # torch.export sets it; monkeypatch takes it away again
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    half = store.client.create_logged_model(study.experiment_id, "model", trial.run_id)
    request = ModelRequest(trial.run_id, ("torch",))
    images = np.zeros((2, 1, 14, 14), np.float32)
    uri = study.log_model(network(), images, request)
    assert study.log_model(network(), images, request) == uri
    models = store.client.search_logged_models([study.experiment_id])
    assert [f"models:/{model.model_id}" for model in models] == [uri]
    assert half.model_id not in uri
    outputs = store.client.get_run(trial.run_id).outputs.model_outputs
    assert [f"models:/{output.model_id}" for output in outputs] == [uri]
