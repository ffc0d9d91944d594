"""Knows how the objective depends on each searched parameter alone."""

from __future__ import annotations

from dataclasses import dataclass

from tunetrack.report.values import label, number, provisional, score
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable

__all__ = ["SliceInfo", "SlicePoint", "slice_info"]


@dataclass(frozen=True)
class SlicePoint:
    """One trial in the slice of one parameter.

    Attributes:
        number: of the trial.
        state: COMPLETE or PRUNED.
        x: the parameter's value; for a parameter without numbers the index of its category.
        value: the objective; for a pruned trial what it had reached.
    """

    number: int
    state: TrialState
    x: float
    value: float


@dataclass(frozen=True)
class SliceInfo:
    """One searched parameter against the first objective.

    Attributes:
        path: dotted path of the parameter.
        log: whether it was searched on a log scale.
        whole: whether all its values are whole numbers.
        text: the range in words; may be empty.
        categories: names of the values where they are no numbers; None for a numeric parameter.
        points: trials that have this parameter and a value, in the order of their numbers.
        left_out: finished or pruned trials that do not have the parameter.
    """

    path: str
    log: bool
    whole: bool
    text: str
    categories: tuple[str, ...] | None
    points: tuple[SlicePoint, ...]
    left_out: int


def slice_info(table: StudyTable, objective: int = 0) -> tuple[SliceInfo, ...]:
    """One slice a searched parameter, in the order of the study file.

    Duplicates are left out: they repeat a measurement that is there already. On a log scale a value that is not
    positive was never proposed; it belongs to another branch of the study file, in which the parameter is fixed.
    A parameter counts as numeric only where all its stored values are numbers.

    Args:
        table: the study.
        objective: index of the objective, from 0.
    """
    metric = table.study.info.objectives[objective].metric
    measured = []
    for trial in table.trials:
        value = score(trial, objective) if trial.state is TrialState.COMPLETE else provisional(trial, metric)
        if value is not None:
            measured.append((trial, value))
    slices = []
    for param in table.study.info.searched:
        having = [(trial, value) for trial, value in measured if param.path in trial.params]
        numbers = [number(trial.params[param.path]) for trial, _ in having]
        categories = None
        if not param.numeric or None in numbers:
            names = [label(trial.params[param.path]) for trial, _ in having]
            categories = _ordered(dict(zip(names, numbers, strict=True)))
            numbers = [float(categories.index(name)) for name in names]
        log = param.log and categories is None
        points = tuple(
            SlicePoint(trial.number, trial.state, x, value)
            for (trial, value), x in zip(having, numbers, strict=True)
            if x is not None and (x > 0 or not log)
        )
        whole = all(point.x.is_integer() for point in points)
        left_out = len(measured) - len(points)
        slices.append(SliceInfo(param.path, log, whole, param.text, categories, points, left_out))
    return tuple(slices)


def _ordered(names: dict[str, float | None]) -> tuple[str, ...]:
    """Choices that are numbers by size, then the others by name."""
    return tuple(sorted(names, key=lambda name: (names[name] is None, names[name] or 0.0, name)))
