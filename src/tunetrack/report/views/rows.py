"""Knows one trial as a row of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tunetrack.report.values import seconds_of
from tunetrack.report.views.plain import (
    finite,
    half_interval,
    milliseconds,
    param_value,
    provisional_value,
    trial_values,
    without_nan,
)
from tunetrack.report.views.query import MissingTrialError
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["chosen", "row"]


def row(table: StudyTable, trial: TrialRow, every_param: bool = False, images: int | None = None) -> dict[str, Any]:
    """One trial with its metrics, and with its searched parameters or all that it was trained with.

    ``half`` is half of the 95 % interval of its accuracy over new images; it rests on one training seed.
    """
    params = trial.trained_with if every_param else trial.params
    paths = params if every_param else [param.path for param in table.study.info.searched]
    return {
        "number": trial.number,
        "state": trial.state.value,
        "reason": trial.reason,
        "run_id": trial.run_id,
        "name": trial.name,
        "start": milliseconds(trial.start),
        "end": milliseconds(trial.end),
        "seconds": finite(seconds_of(trial)),
        "epochs": trial.epochs,
        "worker": trial.worker,
        "duplicate_of": trial.duplicate_of,
        "confirms": trial.confirms,
        "violates": trial.violates,
        "health": None if trial.health is None else list(trial.health),
        "values": trial_values(trial, len(table.study.info.objectives)),
        "provisional": provisional_value(trial, table.study.info.objectives[0].metric),
        "half": half_interval(trial, table.study.info.objectives[0].metric, images),
        "params": {path: param_value(params[path]) for path in paths if path in params},
        "metrics": without_nan(trial.metrics),
    }


def chosen(table: StudyTable, numbers: Sequence[int]) -> list[TrialRow]:
    """The trials of these numbers, in this order, each once.

    Raises:
        MissingTrialError: there is no such trial.
    """
    known = {trial.number: trial for trial in table.trials}
    for number in numbers:
        if number not in known:
            raise MissingTrialError(f"this study has no trial {number}; it has {len(known)} trials")
    return [known[number] for number in dict.fromkeys(numbers)]
