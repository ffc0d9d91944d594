"""From a trial's epochs to the numbers that it is judged by."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from tunetrack.spec import EpochRecord, Objective
from tunetrack.spec.constraints import Constraint
from tunetrack.spec.records import LATENCY

__all__ = ["excesses", "final_metrics", "measures_latency", "running_value"]


def final_metrics(
    records: Sequence[EpochRecord], model: Mapping[str, float], peak_memory_mb: float | None = None
) -> dict[str, float]:
    """The summary numbers of a trial, best and last epoch kept apart by name.

    Args:
        records: the trial's epochs in order; may be empty.
        model: the model's numbers by name, as `ModelSummary.metrics` gives them.
        peak_memory_mb: the most memory that the trial has held at one time, mebibytes; None where it is not known.

    Returns:
        ``model/…``, ``train_seconds``, ``memory/peak_mb`` where it is known and, after one epoch at least, ``best/…``,
        ``best/epoch`` and ``final/…``. The best epoch is that of the highest validation accuracy, the first one among
        equals.
    """
    numbers = {**model, "train_seconds": sum(r.epoch_seconds for r in records)}
    if peak_memory_mb is not None:
        numbers["memory/peak_mb"] = peak_memory_mb
    if not records:
        return numbers
    best, last = max(records, key=lambda record: record.validation_accuracy), records[-1]
    return numbers | {
        "best/epoch": float(best.epoch),
        "best/validation/accuracy": best.validation_accuracy,
        "best/validation/loss": min(record.validation_loss for record in records),
        "final/validation/accuracy": last.validation_accuracy,
        "final/validation/loss": last.validation_loss,
        "final/train/accuracy": last.train_accuracy,
        "final/train/loss": last.train_loss,
    }


def running_value(objective: Objective, records: Sequence[EpochRecord], model: Mapping[str, float]) -> float:
    """The objective as it stands after the last of these epochs; after the last epoch, the trial's value.

    Args:
        objective: names the metric.
        records: the trial's epochs in order, at least one.
        model: the model's numbers by name.

    Returns:
        NaN for a number that is measured at the trial's end and is not among the model's yet.
    """
    known = records[-1].metrics() | final_metrics(records, model)
    return known.get(str(objective.metric), math.nan)


def excesses(constraints: Sequence[Constraint], known: Mapping[str, float]) -> dict[str, float]:
    """By how much each constraint is broken, by its text; 0 or less: it is kept.

    Args:
        constraints: the limits.
        known: the trial's numbers by name. Limits on others are left out.
    """
    return {str(one): one.excess(known[one.metric]) for one in constraints if one.metric in known}


def measures_latency(objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> bool:
    """Whether something that a trial is judged by needs the time of a forward pass."""
    return LATENCY in {*(str(goal.metric) for goal in objectives), *(one.metric for one in constraints)}
