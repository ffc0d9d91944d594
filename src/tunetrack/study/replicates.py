"""What the trials of a confirmation have given, configuration by configuration: values, costs, answers, test images."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunetrack.errors import TrackingError
from tunetrack.spec import StudySpec, TrialState
from tunetrack.spec.domains import Scalar
from tunetrack.stats import compare_answers
from tunetrack.study.best import tested
from tunetrack.study.data import ResidentSets
from tunetrack.study.result import HeldOut, StudyResult, StudyTrial
from tunetrack.tracking import File, TrackingStore, has_artifact, read_artifact, read_predictions, study_trials

__all__ = ["Replicated", "answers", "look_at_test_images", "replicated"]

#: A stored value and the share of right answers that it stands for may differ by so much: float against exact count.
_SAME = 1e-6

Answers = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Replicated:
    """One configuration of a confirmation, all of its trials complete.

    Attributes:
        trial: number of the searched study's trial that it comes from.
        trials: its own trials, in the order of the seeds.
        runs: their MLflow runs.
        values: their first objective.
        seconds: training time of each.
        parameters: trainable numbers of the network; None where they were not counted.
    """

    trial: int
    trials: tuple[StudyTrial, ...]
    runs: tuple[str, ...]
    values: tuple[float, ...]
    seconds: tuple[float, ...]
    parameters: int | None

    @property
    def params(self) -> dict[str, Scalar]:
        """The searched values, the training seed aside."""
        return {path: value for path, value in self.trials[0].params.items() if path in self._searched}

    @property
    def _searched(self) -> frozenset[str]:
        return frozenset(self.trials[0].searched) - {"trainer.seed"}


def replicated(store: TrackingStore, result: StudyResult) -> tuple[tuple[Replicated, ...], dict[int, str]]:
    """The configurations of a confirmation, in its order, and those that did not train to the end on every seed.

    Args:
        store: where its runs are.
        result: the confirmation.

    Returns:
        The complete ones; by number of the searched study's trial why another one is left out.

    Raises:
        TrackingError: the store cannot be read, or a trial's run is not there.
    """
    if result.confirms is None or result.run_id is None:
        raise TrackingError(f"the study {result.name!r} is no confirmation that has a run")
    rows = {row.run_id: row for row in study_trials(store, result.run_id)}
    complete, left_out = [], {}
    for original in result.confirms.trials:
        trials = [result.trials[number] for number in result.confirms.replicates(original)]
        bad = [trial for trial in trials if trial.state is not TrialState.COMPLETE or trial.value is None]
        if bad:
            states = ", ".join(sorted({trial.state.value for trial in bad}))
            left_out[original] = f"{len(bad)} of {len(trials)} trainings {states}"
            continue
        runs = tuple(trial.run_id or "" for trial in trials)
        if missing := [trial.number for trial in trials if trial.run_id not in rows]:
            raise TrackingError(
                f"trial {missing[0]} of {result.name} has no MLflow run; `tunetrack doctor --fix` adds it"
            )
        metrics = [rows[run].metrics for run in runs]
        parameters = metrics[0].get("model/parameters")
        complete.append(
            Replicated(
                original,
                tuple(trials),
                runs,
                tuple(trial.value for trial in trials if trial.value is not None),
                tuple(found.get("train_seconds", 0.0) for found in metrics),
                None if parameters is None else int(parameters),
            )
        )
    return tuple(complete), left_out


def answers(store: TrackingStore, configurations: Sequence[Replicated]) -> Answers | None:
    """Whether each replicate has answered each validation image rightly, (configurations, seeds, images).

    Returns:
        None where the answers are not those behind the values, such as with weights of the best epoch put back; where
        replicates were judged by different images; or where a file is missing.

    Raises:
        TrackingError: the store cannot be read.
    """
    table, labels = [], None
    for one in configurations:
        row = []
        for run, value in zip(one.runs, one.values, strict=True):
            if not has_artifact(store, run, File.PREDICTIONS):
                return None
            found = read_predictions(read_artifact(store, run, File.PREDICTIONS))
            labels = found.labels if labels is None else labels
            right = np.asarray(found.labels == found.predicted)
            if not np.array_equal(labels, found.labels) or abs(float(right.mean()) - value) > _SAME:
                return None
            row.append(right)
        table.append(row)
    return np.array(table, dtype=np.bool_)


def look_at_test_images(
    spec: StudySpec, chosen: Replicated, confirmation: str, store: TrackingStore, sets: ResidentSets
) -> tuple[HeldOut, dict[str, Mapping[str, float]]] | None:
    """Measures all replicates of the chosen configuration on the test images.

    Args:
        spec: the confirmation.
        chosen: the configuration.
        confirmation: name of the confirmation.
        store: where its runs are.
        sets: data sets already read.

    Returns:
        The look, and by run what is logged on each replicate's. None where a faithful study leaves no test images, or
        weights were lost with the machine that had them.

    Raises:
        TrackingError: the store cannot be read.
    """
    if not all(has_artifact(store, run, File.WEIGHTS) for run in chosen.runs):
        return None
    found = []
    for trial, run in zip(chosen.trials, chosen.runs, strict=True):
        evaluation = tested(spec.config(trial.config), run, store, sets)
        if evaluation is None or evaluation.predictions is None:
            return None
        found.append(evaluation)
    predictions = [one.predictions for one in found if one.predictions is not None]
    right = np.array([[one.labels == one.predicted for one in predictions]], dtype=np.bool_)
    interval = compare_answers(right).configurations[0].interval
    by_run = {
        run: {"test/accuracy": one.accuracy, "test/loss": one.loss, **one.group_metrics("test")}
        for run, one in zip(chosen.runs, found, strict=True)
    }
    mean = {name: float(np.mean([metrics[name] for metrics in by_run.values()])) for name in by_run[chosen.runs[0]]}
    look = HeldOut(
        chosen.trial,
        mean.pop("test/accuracy"),
        mean.pop("test/loss"),
        mean,
        round(time.time(), 3),
        confirmation,
        tuple(one.accuracy for one in found),
        interval.low,
        interval.high,
        right.shape[2],
    )
    return look, dict(by_run)
