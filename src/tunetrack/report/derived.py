"""Knows the numbers that are not stored with a trial but follow from its stored epochs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from tunetrack.tracking.queries import TrialRow

__all__ = ["EpochValues", "by_epoch", "convergence_epoch", "history_metrics", "trial_metric"]

#: (run id, metric) -> its values in the order of the epochs.
EpochValues = Mapping[tuple[str, str], Sequence[float]]

_FIRST = "first/"
_CONVERGENCE = "convergence_epoch"


def history_metrics(metrics: Iterable[str]) -> tuple[str, ...]:
    """The per-epoch metrics that must be read to compute these metrics; none for those that are stored."""
    needed = {metric.removeprefix(_FIRST) for metric in metrics if metric.startswith(_FIRST)}
    return tuple(sorted(needed | ({"train/loss"} if _CONVERGENCE in metrics else set())))


def by_epoch(history: pd.DataFrame) -> EpochValues:
    """Stored epochs by run and metric.

    Args:
        history: columns run_id, metric, step, value; step 0 holds final numbers, no epoch.
    """
    known = history[history["step"] > 0].sort_values("step")
    groups = known.groupby(["run_id", "metric"])
    return {(str(run), str(metric)): [float(value) for value in rows["value"]] for (run, metric), rows in groups}


def trial_metric(trial: TrialRow, metric: str, epochs: EpochValues) -> float | None:
    """One number of a trial: stored, of its first epoch (``first/…``), or `convergence_epoch`; None where unknown."""
    if metric == _CONVERGENCE:
        losses = epochs.get((trial.run_id, "train/loss"), ())
        return float(convergence_epoch(losses)) if losses else None
    if metric.startswith(_FIRST):
        values = epochs.get((trial.run_id, metric.removeprefix(_FIRST)), ())
        value = values[0] if values else None
    else:
        value = trial.metrics.get(metric)
    return value if value is not None and math.isfinite(value) else None


def convergence_epoch(losses: Sequence[float], tolerance: float = 0.001, patience: int = 3) -> int:
    """The epoch after which the training loss has stood still for so many epochs in a row; else the number of epochs.

    A change counts as standing still where it is smaller than `tolerance` either way; any other one starts the count
    anew. The rule is that of https://github.com/fjarmula/DeepLearningPipeline. It says nothing of validation accuracy.

    Args:
        losses: mean training loss by epoch, from epoch 1.
        tolerance: nats, greater than 0.
        patience: changes, at least 1.
    """
    still = 0
    for epoch, (before, after) in enumerate(itertools.pairwise(losses), 2):
        still = still + 1 if abs(after - before) < tolerance else 0
        if still == patience:
            return epoch
    return len(losses)
