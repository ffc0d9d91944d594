"""Knows how numbers, times, parameters and curves become plain data that JSON can hold: no NaN, no dates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pandas as pd

from tunetrack.report.certainty import images_of, value_interval
from tunetrack.report.values import label, number, score
from tunetrack.tracking.queries import ParamValue, StudyTable, TrialRow

__all__ = [
    "finite",
    "half_interval",
    "history_payload",
    "milliseconds",
    "param_value",
    "provisional_value",
    "trial_values",
    "without_nan",
]


def finite(value: float | None) -> float | None:
    """The number, or None where it is none."""
    return value if value is not None and math.isfinite(value) else None


def milliseconds(moment: datetime | None) -> int | None:
    """Milliseconds since 1970."""
    return None if moment is None else round(moment.timestamp() * 1000)


def param_value(value: ParamValue) -> Any:
    """A parameter as it was logged: a finite number, True or False, or text."""
    if value is None or isinstance(value, bool | str):
        return value
    return number(value) if isinstance(value, float) else value if isinstance(value, int) else label(value)


def half_interval(trial: TrialRow, metric: str, images: int | None = None) -> float | None:
    """Half of the 95 % interval of a trial's accuracy over new images, three digits; None for other objectives.

    Args:
        trial: any.
        metric: of the first objective.
        images: number of validation images, where the trial's own parameters do not say.
    """
    interval = value_interval(metric, score(trial), images_of(trial, images))
    return None if interval is None else float(f"{(interval.high - interval.low) / 2.0:.3g}")


def without_nan(values: Mapping[str, float]) -> dict[str, float | None]:
    """Metrics by name; None where a value is not finite."""
    return {name: finite(value) for name, value in values.items()}


def trial_values(trial: TrialRow, objectives: int) -> list[float | None]:
    """One value an objective; None where the trial has no result that counts."""
    if not trial.state.has_value or trial.values is None:
        return [None] * objectives
    return [finite(value) for value in trial.values]


def provisional_value(trial: TrialRow, metric: str) -> float | None:
    """What a trial without a result had reached when it was stopped, or has by now; no result, and never ranked.

    Args:
        trial: any.
        metric: of the first objective.
    """
    return None if score(trial) is not None else finite(trial.metrics.get(metric))


def history_payload(table: StudyTable, history: pd.DataFrame, metrics: Iterable[str] = ()) -> dict[str, Any]:
    """Curves by metric and trial number: ``{"metrics": {name: {"3": {"steps": [..], "values": [..]}}}}``.

    A value that is not finite is None, so that a line breaks there.

    Args:
        table: the study.
        history: columns run_id, metric, step, value, as `StudyReader.history` gives it.
        metrics: names that are to be there also where no trial has them.
    """
    numbers = {trial.run_id: str(trial.number) for trial in table.trials}
    found: dict[str, dict[str, Any]] = {name: {} for name in metrics}
    columns = (history[name].tolist() for name in ("run_id", "metric", "step", "value"))
    for run_id, metric, step, value in zip(*columns, strict=True):
        if run_id in numbers:
            curve = found.setdefault(metric, {}).setdefault(numbers[run_id], {"steps": [], "values": []})
            curve["steps"].append(int(step))
            curve["values"].append(finite(value))
    return {"metrics": found}
