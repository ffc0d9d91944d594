"""Knows how runs of anybody's become what the reviewer's rules see, and what could only be guessed of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tunetrack.report.review.guesses import (
    MetricNames,
    finest_share,
    image_count,
    metric_names,
    parameter_count,
    tests_for_validation,
)
from tunetrack.report.review.reviewed import Reviewed, ReviewedTrial
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import TrackingStore
from tunetrack.tracking.reader.foreign import ForeignRun, read_experiment

__all__ = ["read_foreign", "reviewed_runs"]

_STATES = {
    "FINISHED": TrialState.COMPLETE,
    "FAILED": TrialState.FAILED,
    "KILLED": TrialState.KILLED,
    "RUNNING": TrialState.RUNNING,
    "SCHEDULED": TrialState.RUNNING,
}
_MODELS = (".pt", ".pth", ".h5", ".keras", ".pkl", ".onnx", ".safetensors", ".ckpt")


def read_foreign(store: TrackingStore, experiment: str) -> Reviewed:
    """The runs of an experiment as the rules see them.

    Args:
        store: where it is; nothing is written to it.
        experiment: its name, or its id.

    Raises:
        TrackingError: the store failed, or there is no such experiment, or it has no runs but ours.
    """
    return reviewed_runs(experiment, read_experiment(store, experiment))


def reviewed_runs(name: str, runs: Sequence[ForeignRun]) -> Reviewed:
    """The same from runs that were read.

    Args:
        name: of the experiment.
        runs: the oldest first; at least one.
    """
    metrics = metric_names(metric for run in runs for metric in run.metrics)
    scale = _scale(runs, metrics)
    trials = tuple(_trial(number, run, metrics, scale) for number, run in enumerate(runs))
    held = "test" if metrics.objective.removeprefix("best/").startswith("test/") else "validation"
    guessed = [*metrics.said]
    if not metrics.objective:
        guessed.append("No metric is called accuracy or loss, so that runs cannot be compared.")
    if scale != 1.0:
        guessed.append("Accuracies are percentages.")
    paths = dict.fromkeys(path for run in runs for path in run.params)
    from_test, from_test_said = _from_test(metrics, held, list(paths))
    images, said = _images(trials, metrics.objective, "test" if from_test else held)
    if said:
        guessed.append(said)
    objective = metrics.objective or "validation/accuracy"
    return Reviewed(
        name,
        False,
        trials,
        objective,
        not objective.endswith("loss"),
        images=images,
        from_test=from_test,
        from_test_said=from_test_said,
        told_test=tuple(trial.number for trial in trials if trial.metric("test/accuracy") is not None),
        guessed=tuple(guessed),
    )


def _scale(runs: Sequence[ForeignRun], metrics: MetricNames) -> float:
    """0.01 where accuracies are percentages."""
    names = [name for ours, name in metrics.names.items() if ours.endswith("accuracy")]
    values = [run.metrics[name] for run in runs for name in names if name in run.metrics]
    return 0.01 if any(1.5 < value <= 100.0 for value in values) else 1.0


def _trial(number: int, run: ForeignRun, metrics: MetricNames, scale: float) -> ReviewedTrial:
    def factor(ours: str) -> float:
        return scale if ours.endswith("accuracy") else 1.0

    named = {ours: name for ours, name in metrics.names.items() if name in run.metrics}
    known = {ours: run.metrics[name] * factor(ours) for ours, name in named.items()}
    rest = {name: value for name, value in run.metrics.items() if name not in named.values()}
    size = parameter_count({**run.params, **run.metrics})
    curves = {
        ours: tuple(value * factor(ours) for value in run.curves[name])
        for ours, name in named.items()
        if len(run.curves.get(name, ())) > 1
    }
    value = known.get(metrics.objective)
    models = [bytes_ for path, bytes_ in run.files.items() if path.lower().endswith(_MODELS)]
    return ReviewedTrial(
        number,
        _STATES.get(run.status, TrialState.FAILED),
        run.params,
        {**rest, **known, **({} if size is None else {"model/parameters": size})},
        value if value is not None and math.isfinite(value) else None,
        curves,
        run.name,
        seconds=None if run.end is None else (run.end - run.start) / 1000.0,
        model_bytes=max(models, default=None),
        files=tuple(path for path in run.files if path.lower().endswith(_MODELS)),
    )


def _from_test(metrics: MetricNames, held: str, params: Sequence[str]) -> tuple[bool | None, str]:
    if not metrics.objective:
        return None, ""
    if held == "test":
        names = [name for ours, name in metrics.names.items() if ours.removeprefix("best/").startswith("test/")]
        return True, f"The only metrics of held-out images are called test: {', '.join(sorted(names))}."
    sized = tests_for_validation(params)
    if sized is not None:
        return True, (
            f"The parameter {sized!r} gives the size of a test set, and none that of a validation set, so the metrics "
            "called validation seem to be of test images."
        )
    return None, ""


def _images(trials: Sequence[ReviewedTrial], objective: str, split: str) -> tuple[int | None, str]:
    """How many images were held out, and how that is known."""
    found = [image_count(trial.params, split) or image_count(trial.params, "validation") for trial in trials]
    counts = [pair for pair in found if pair is not None]
    if counts and len(counts) == len(trials):
        smallest, path = min(counts)
        return smallest, f"{smallest:,} held-out images: the parameter {path!r}."
    accuracies = [
        value
        for trial in trials
        for name in dict.fromkeys((objective, "validation/accuracy", "test/accuracy"))
        for value in (*trial.curve(name), *((trial.metrics[name],) if name in trial.metrics else ()))
        if name.endswith("accuracy")
    ]
    images = finest_share(accuracies)
    if images is not None:
        return images, f"{images:,} held-out images: all accuracies are multiples of 1/{images}."
    return None, "The number of held-out images is not known."
