"""From a trial's epochs to the numbers that it is judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tunetrack.spec import EpochRecord, Objective

__all__ = ["final_metrics", "running_value"]


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
    """The objective as it stands after the last of these epochs; after the last epoch, the trial's value."""
    metric = str(objective.metric)
    known = records[-1].metrics() | final_metrics(records, model)
    return known[metric]
