"""An outcome in the words of the library that proposed the trial, for people who drive that library themselves."""

from __future__ import annotations

import math
from typing import Any

import optuna
from hyperopt import STATUS_FAIL, STATUS_OK

from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.study import Objective

__all__ = ["hyperopt_result", "optuna_result"]


def optuna_result(outcome: TrialOutcome, objectives: int) -> float | tuple[float, ...]:
    """What an Optuna objective returns for an outcome; NaN makes Optuna call the trial failed and go on.

    Raises:
        optuna.TrialPruned: the trial was pruned, or could not be built.
    """
    if outcome.state in (TrialState.PRUNED, TrialState.INFEASIBLE):
        raise optuna.TrialPruned(outcome.reason)
    values = outcome.values or (math.nan,) * objectives
    return values if objectives > 1 else values[0]


def hyperopt_result(outcome: TrialOutcome, objective: Objective) -> dict[str, Any]:
    """What a Hyperopt objective returns for an outcome: the loss, smaller is better, or a failure with its reason."""
    if outcome.values is None or outcome.violates:  # Hyperopt knows no constraints
        return {
            "status": STATUS_FAIL,
            "reason": outcome.reason or "; ".join(outcome.violates),
            "state": outcome.state.value,
        }
    value = outcome.values[0]
    return {"status": STATUS_OK, "loss": -value if objective.maximize else value, "state": outcome.state.value}
