"""Knows all trials of a study as columns of equal length, by trial number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from tunetrack.report.values import label, number, seconds_of
from tunetrack.report.views.plain import (
    finite,
    half_interval,
    milliseconds,
    param_value,
    provisional_value,
    trial_values,
)
from tunetrack.spec.weight_records import SUMMARY_METRICS
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["columns", "searched_params"]

#: What a page may put on an axis; of these, the ones that occur.
_METRICS = (
    "validation/accuracy",
    "validation/loss",
    "train/accuracy",
    "train/loss",
    "best/validation/accuracy",
    "best/epoch",
    "test/accuracy",
    "model/parameters",
    "model/flops",
    "model/latency_ms",
    "memory/peak_mb",
    "train_seconds",
    "images_per_second",
    *SUMMARY_METRICS,
)


def searched_params(table: StudyTable) -> list[dict[str, Any]]:
    """What is searched, with what the stored values say of it; ``choices`` only where they are no numbers."""
    found = []
    for param in table.study.info.searched:
        known = [trial.params[param.path] for trial in table.trials if param.path in trial.params]
        numbers = [number(value) for value in known]
        numeric = param.numeric and None not in numbers
        choices = None
        if not numeric:
            named = {label(value): size for value, size in zip(known, numbers, strict=True)}
            choices = sorted(named, key=lambda name: (named[name] is None, named[name] or 0.0, name))
        found.append(
            {
                "path": param.path,
                "log": param.log and numeric,
                "numeric": numeric,
                "whole": numeric and all(value is not None and value.is_integer() for value in numbers),
                "conditional": param.conditional,
                "text": param.text,
                "choices": choices,
            }
        )
    return found


def columns(table: StudyTable, params: list[dict[str, Any]], images: int | None = None) -> dict[str, Any]:
    """Every trial, in arrays.

    Args:
        table: the study.
        params: as `searched_params` gives them.
        images: number of validation images, where the trials' own parameters do not say.
    """
    trials, goals = table.trials, table.study.info.objectives
    values = [trial_values(trial, len(goals)) for trial in trials]
    names = [name for name in _METRICS if any(name in trial.metrics for trial in trials)]
    return {
        "number": [trial.number for trial in trials],
        "state": [trial.state.value for trial in trials],
        "reason": [trial.reason for trial in trials],
        "run_id": [trial.run_id for trial in trials],
        "name": [trial.name for trial in trials],
        "start": [milliseconds(trial.start) for trial in trials],
        "end": [milliseconds(trial.end) for trial in trials],
        "seconds": [finite(seconds_of(trial)) for trial in trials],
        "epochs": [trial.epochs for trial in trials],
        "worker": [trial.worker for trial in trials],
        "duplicate_of": [trial.duplicate_of for trial in trials],
        "confirms": [trial.confirms for trial in trials],
        "violates": [trial.violates for trial in trials],
        "health": [None if trial.health is None else list(trial.health) for trial in trials],
        "values": [[each[index] for each in values] for index in range(len(goals))],
        "provisional": [provisional_value(trial, goals[0].metric) for trial in trials],
        "half": [half_interval(trial, goals[0].metric, images) for trial in trials],
        "params": {param["path"]: _values(table, param) for param in params},
        "metrics": {name: _metric(trials, name) for name in names},
    }


def _metric(trials: Sequence[TrialRow], name: str) -> list[float | None]:
    values = [trial.metrics.get(name) for trial in trials]
    return [value if value is not None and math.isfinite(value) else None for value in values]


def _values(table: StudyTable, param: dict[str, Any]) -> list[Any]:
    path, read = param["path"], param_value if param["numeric"] else label
    return [read(trial.params[path]) if path in trial.params else None for trial in table.trials]
