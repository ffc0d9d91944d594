"""What only the best trial gets: its model in MLflow, and one look at the test images, where there are any."""

from __future__ import annotations

import time
from importlib.metadata import version

from tunetrack import training
from tunetrack.errors import TrackingError
from tunetrack.spec import Evaluation, StudySpec, TrialConfig
from tunetrack.study.data import ResidentSets
from tunetrack.study.result import HeldOut, StudyTrial
from tunetrack.tracking import (
    File,
    ModelRequest,
    StudyRun,
    TrackingStore,
    has_artifact,
    log_run_metrics,
    read_artifact,
    trial_runs,
)

__all__ = ["crown", "log_look", "log_trained", "tested", "weights_are_kept"]

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
        What the test images say, for `log_look`. None where a faithful study leaves no test images.

    Raises:
        TrackingError: the weights cannot be read back, or the model cannot be written.
    """
    config, run_id = spec.config(best.config), _trained_run(best, store, run)
    log_trained(config, run_id, store, run, sets)
    evaluation = tested(config, run_id, store, sets)
    if evaluation is None:
        return None
    return HeldOut(
        best.number, evaluation.accuracy, evaluation.loss, evaluation.group_metrics("test"), at=round(time.time(), 3)
    )


def log_trained(config: TrialConfig, run_id: str, store: TrackingStore, run: StudyRun, sets: ResidentSets) -> str:
    """Logs the network that a trial has trained as an MLflow model on the trial's run; gives the model's URI.

    Args:
        config: the trial's.
        run_id: its run.
        store: where the runs are.
        run: the study's run.
        sets: data sets already read.

    Raises:
        TrackingError: the weights cannot be read back, or the model cannot be written.
    """
    data = sets.get(config)
    weights = training.weights_from_bytes(read_artifact(store, run_id, File.WEIGHTS))
    request = ModelRequest(
        run_id,
        tuple(f"{name}=={version(name).split('+')[0]}" for name in ("mlflow", "torch", "numpy")),
        metadata={"classes": list(data.classes), "input": "float32 images, pixel values in [0, 1]"},
    )
    example = data.validation.images[:EXAMPLE_IMAGES].float().div(255).cpu().numpy()
    return run.log_model(training.deployable(config, data, weights), example, request)


def tested(config: TrialConfig, run_id: str, store: TrackingStore, sets: ResidentSets) -> Evaluation | None:
    """The answers of a trial's network to the test images; None where a faithful study leaves none.

    Raises:
        TrackingError: the weights cannot be read back.
    """
    data = sets.get(config)
    if not len(data.test):
        return None
    weights = training.weights_from_bytes(read_artifact(store, run_id, File.WEIGHTS))
    return training.evaluate(config, data, weights, "test")


def weights_are_kept(best: StudyTrial, store: TrackingStore, run: StudyRun) -> bool:
    """Whether the best trial's weights are in MLflow: not where a node was lost with them before it had sent them.

    Raises:
        TrackingError: the store cannot be read.
    """
    return has_artifact(store, _trained_run(best, store, run), File.WEIGHTS)


def log_look(look: HeldOut, best: StudyTrial, store: TrackingStore, run: StudyRun) -> None:
    """Logs what the test images say on the runs of the trial and of the study, at step 0.

    The points have the time of the look: logged again after a crash, they are the same points, which MLflow keeps once.

    Raises:
        TrackingError: they cannot be written.
    """
    for run_id in (_trained_run(best, store, run), run.run_id):
        log_run_metrics(store, run_id, look.metrics(), look.at)


def _trained_run(best: StudyTrial, store: TrackingStore, run: StudyRun) -> str:
    """The run of the trial that was trained: of a duplicate, the one whose result it has."""
    number = best.number if best.record.duplicate_of is None else best.record.duplicate_of
    run_id = trial_runs(store, run.run_id).get(number)
    if run_id is None:
        raise TrackingError(f"trial {number} of {run.info.name} has no MLflow run, so its weights cannot be read")
    return run_id
