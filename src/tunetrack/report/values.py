"""Knows how a stored trial is read: its objective value, who is better, what a value is called.

The folder's one place for these rules, so that every figure, table and sentence of the report agrees.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import numpy as np

from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = [
    "finished",
    "label",
    "number",
    "pareto_front",
    "provisional",
    "ranked",
    "score",
    "seconds_of",
    "short_name",
    "unit",
    "window",
]

#: Quartile distances beyond the worse quartile from which a value is an outlier that would flatten the axis.
_FENCE = 4.0


def score(trial: TrialRow, objective: int = 0) -> float | None:
    """A trial's value for one objective; None where it has none that counts, or one that is not finite."""
    if not trial.state.has_value or trial.values is None:
        return None
    value = trial.values[objective]
    return value if math.isfinite(value) else None


def provisional(trial: TrialRow, metric: str) -> float | None:
    """What a pruned trial had reached when it was stopped; None for every other state."""
    value = trial.metrics.get(metric) if trial.state is TrialState.PRUNED else None
    return value if value is not None and math.isfinite(value) else None


def finished(table: StudyTable) -> tuple[TrialRow, ...]:
    """The trials that have a finite value for every objective, in the order of their numbers."""
    count = len(table.study.info.objectives)
    return tuple(trial for trial in table.trials if all(score(trial, index) is not None for index in range(count)))


def ranked(table: StudyTable, objective: int = 0) -> tuple[TrialRow, ...]:
    """The finished trials, best first by one objective; equals by the others, then by their numbers.

    Those that break a constraint of the study are left out: none of them can be chosen.
    """
    goals = table.study.info.objectives
    order = [objective, *(index for index in range(len(goals)) if index != objective)]

    def key(trial: TrialRow) -> tuple[float, ...]:
        return (*((-1.0 if goals[i].maximize else 1.0) * (score(trial, i) or 0.0) for i in order), trial.number)

    return tuple(sorted((trial for trial in finished(table) if not trial.violates), key=key))


def pareto_front(points: Sequence[Sequence[float]], maximize: Sequence[bool]) -> tuple[int, ...]:
    """Indices of the points that no other point beats.

    A point beats another one where it is at least as good in every objective and better in one, so equal points stand
    together on the front.

    Args:
        points: finite, one value an objective.
        maximize: for each objective, whether larger is better.
    """
    if not points:
        return ()
    costs = np.asarray(points, dtype=float) * np.where(np.asarray(maximize), -1.0, 1.0)
    # In lexicographic order a point is beaten by an earlier one or by none, and by one on the front if by any.
    distinct, places = np.unique(costs, axis=0, return_inverse=True)
    front: list[int] = []
    for index, own in enumerate(distinct):
        if not np.all(distinct[front] <= own, axis=1).any():
            front.append(index)
    return tuple(int(index) for index in np.flatnonzero(np.isin(places.ravel(), front)))


def seconds_of(trial: TrialRow) -> float | None:
    """What a trial cost, seconds; see `TrialRow.seconds`."""
    return trial.seconds


def number(value: object) -> float | None:
    """A parameter's value as a finite number; None for everything else, True and False included."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def label(value: object) -> str:
    """A parameter's value as text: numbers short, lists and None as in a study file."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return f"{value:.4g}"
    return json.dumps(value)


def short_name(path: str) -> str:
    """The last part of a path; of ``optimizer.name`` the part before it; of a list's entry, the list and its number."""
    first, _, last = path.rpartition(".")
    if last.isdecimal() and first:
        return f"{short_name(first)}.{last}"
    return first.rpartition(".")[2] if last == "name" and first else last


def unit(metric: str) -> str:
    """The unit of a metric by its name; empty where it is not known."""
    if metric.endswith("accuracy"):
        return "fraction"
    if metric.endswith("loss"):
        return "mean cross-entropy, nats"
    if metric.endswith("seconds"):
        return "seconds"
    if metric.endswith("_ms"):
        return "milliseconds"
    return "count" if metric.endswith("parameters") else ""


def window(values: Sequence[float], maximize: bool) -> tuple[float, float]:
    """The part of an axis that shows the good and the usual values, (low, high), low <= high.

    The good end is always in it. The bad end is cut at `_FENCE` quartile distances beyond the worse quartile: one trial
    that diverged would otherwise press all others into one line.

    Args:
        values: finite, at least one.
        maximize: whether larger is better.
    """
    low, high = min(values), max(values)
    if len(values) < 4:
        return low, high
    first, third = (float(value) for value in np.percentile(values, (25, 75)))
    reach = _FENCE * (third - first)
    if reach == 0.0:
        return low, high
    return (max(low, first - reach), high) if maximize else (low, min(high, third + reach))
