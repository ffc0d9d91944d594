"""What only the best trial gets: its model in MLflow, and one look at the test images."""

from __future__ import annotations

from importlib.metadata import version

from tunetrack import training
from tunetrack.errors import TrackingError
from tunetrack.spec import StudySpec
from tunetrack.study.data import ResidentSets
from tunetrack.study.result import StudyTrial
from tunetrack.tracking import ModelRequest, StudyRun

__all__ = ["crown"]

#: Images in the model's input example; one image would freeze the exported batch size.
EXAMPLE_IMAGES = 4


def crown(spec: StudySpec, best: StudyTrial, run: StudyRun, sets: ResidentSets) -> dict[str, float]:
    """Logs the best trial's model and measures it on the test images.

    Args:
        spec: the study.
        best: its best trial; for several objectives, the best by the first one.
        run: the study's run.
        sets: data sets already read.

    Returns:
        ``test/accuracy``, fraction in [0, 1], and ``test/loss``, also logged on both runs.

    Raises:
        TrackingError: the weights cannot be read back, or the model cannot be written.
    """
    number = best.record.number if best.record.duplicate_of is None else best.record.duplicate_of
    run_id = run.store.trial_run_ids(run.info).get(number)
    if run_id is None:
        raise TrackingError(f"trial {number} of {run.info.name} has no MLflow run, so its weights cannot be read")
    config = spec.config(best.record.config)
    data = sets.get(config)
    weights = training.weights_from_bytes(run.store.read_artifact(run_id, "weights.pt"))
    evaluation = training.evaluate(config, data, weights, "test")
    request = ModelRequest(
        run_id,
        tuple(f"{name}=={version(name).split('+')[0]}" for name in ("mlflow", "torch", "numpy")),
        metadata={"classes": list(data.classes), "input": "float32 images, pixel values in [0, 1]"},
    )
    example = data.validation.images[:EXAMPLE_IMAGES].float().div(255).cpu().numpy()
    run.log_model(training.deployable(config, data, weights), example, request)
    test = {"test/accuracy": evaluation.accuracy, "test/loss": evaluation.loss}
    run.store.log_metrics(run_id, test)
    run.log_metrics(test)
    return test
