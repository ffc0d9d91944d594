"""Knows what pruning has saved: the epochs that pruned trials were spared, at the speed that each of them had."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tunetrack.report.values import number
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable

__all__ = ["SavingsInfo", "savings_info"]

_PLANNED = "trainer.epochs"


@dataclass(frozen=True)
class SavingsInfo:
    """What was saved.

    Attributes:
        seconds: by all pruned trials together; None where no pruned trial's epochs and time are known.
        trials: pruned trials that are counted.
        unknown: pruned trials whose planned epochs, trained epochs or time is not known.
        epochs: not trained.
    """

    seconds: float | None
    trials: int
    unknown: int
    epochs: int


def savings_info(table: StudyTable) -> SavingsInfo:
    """Epochs not trained times the trial's own mean seconds an epoch (``train_seconds`` / epochs).

    How many were planned is the trial's parameter ``trainer.epochs``. That a trial would have been stopped early by
    other means, such as early stopping, is not known, so this is an upper bound.
    """
    seconds, epochs, counted, unknown = 0.0, 0, 0, 0
    for trial in table.trials:
        if trial.state is not TrialState.PRUNED:
            continue
        planned, spent = number(trial.trained_with.get(_PLANNED)), trial.metrics.get("train_seconds", math.nan)
        if planned is None or not trial.epochs or not math.isfinite(spent):
            unknown += 1
            continue
        left = max(0, round(planned) - trial.epochs)
        counted, epochs, seconds = counted + 1, epochs + left, seconds + left * spent / trial.epochs
    return SavingsInfo(seconds if counted else None, counted, unknown, epochs)
