"""What only the best trial gets: its model in MLflow, and one look at the test images, where there are any."""

from __future__ import annotations

from importlib.metadata import version

from tunetrack import training
from tunetrack.errors import TrackingError
from tunetrack.spec import StudySpec
from tunetrack.study.data import ResidentSets
from tunetrack.study.result import HeldOut, StudyTrial
from tunetrack.tracking import (
    File,
    ModelRequest,
    StudyRun,
    TrackingStore,
    log_run_metrics,
    read_artifact,
    trial_runs,
)

__all__ = ["crown"]

#: Images in the model's input example; one image would freeze the exported batch size.
EXAMPLE_IMAGES = 4


def crown(spec: StudySpec, best: StudyTrial, store: TrackingStore, run: StudyRun, sets: ResidentSets) -> HeldOut | None:
    """Logs the best trial's model and measures it on the test images.

    Args:
        spec: the study.
        best: its best trial; for several objectives, the best by the first one.
        store: where the runs are.
        run: the study's run.
        sets: data sets already read.

    Returns:
        What the test images say; also logged on both runs as ``test/accuracy``, ``test/loss`` and, for a data set with
        groups, ``test/accuracy/<group>``. None where a faithful study leaves no test images.

    Raises:
        TrackingError: the weights cannot be read back, or the model cannot be written.
    """
    number = best.number if best.record.duplicate_of is None else best.record.duplicate_of
    run_id = trial_runs(store, run.run_id).get(number)
    if run_id is None:
        raise TrackingError(f"trial {number} of {run.info.name} has no MLflow run, so its weights cannot be read")
    config = spec.config(best.config)
    data = sets.get(config)
    weights = training.weights_from_bytes(read_artifact(store, run_id, File.WEIGHTS))
    request = ModelRequest(
        run_id,
        tuple(f"{name}=={version(name).split('+')[0]}" for name in ("mlflow", "torch", "numpy")),
        metadata={"classes": list(data.classes), "input": "float32 images, pixel values in [0, 1]"},
    )
    example = data.validation.images[:EXAMPLE_IMAGES].float().div(255).cpu().numpy()
    run.log_model(training.deployable(config, data, weights), example, request)
    if not len(data.test):
        return None
    evaluation = training.evaluate(config, data, weights, "test")
    test = {"test/accuracy": evaluation.accuracy, "test/loss": evaluation.loss, **evaluation.group_metrics("test")}
    log_run_metrics(store, run_id, test)
    run.log_metrics(test)
    return HeldOut(best.number, evaluation.accuracy, evaluation.loss)
