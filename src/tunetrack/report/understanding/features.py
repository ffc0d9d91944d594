"""Knows how configurations become columns of numbers that a forest can split, and which values a parameter took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tunetrack.report.forest import Floats
from tunetrack.report.values import label, number
from tunetrack.tracking.queries import ParamValue, SearchedParam, TrialRow

__all__ = ["Feature", "encoded", "feature_of", "own_values"]

#: Points along a range; a parameter with no more values than `_FEW` is looked at where it has them.
_GRID, _FEW = 25, 10


@dataclass(frozen=True)
class Feature:
    """One searched parameter as the forests see it: a column where it is a number, else a column a category.

    Attributes:
        path: dotted path.
        log: whether it is searched on a log scale; its column holds the logarithm.
        whole: whether all its values are whole numbers.
        categories: names of the values where they are no numbers; None for a numeric parameter.
        grid: where its effect is looked at: numbers in order, or the indices of the categories.
        few: whether the grid is the few values that it took, and not points along a range.
        filler: column value of a trial that lacks it, which for categories has none of them.
    """

    path: str
    log: bool
    whole: bool
    categories: tuple[str, ...] | None
    grid: tuple[float, ...]
    few: bool
    filler: float

    @property
    def width(self) -> int:
        """How many columns it has."""
        return 1 if self.categories is None else len(self.categories)

    def columns(self, value: ParamValue | None, there: bool = True) -> list[float]:
        """A value's columns.

        Args:
            value: as it was logged.
            there: False for a configuration that lacks the parameter.
        """
        if self.categories is not None:
            return [float(there and name == label(value)) for name in self.categories]
        return [self._place(number(value))] if there else [self.filler]

    def grid_columns(self) -> Floats:
        """The grid as columns, (points, width)."""
        if self.categories is not None:
            return np.eye(len(self.categories))
        return np.array([[self._place(value)] for value in self.grid])

    def _place(self, value: float | None) -> float:
        if value is None or (self.log and value <= 0):
            return self.filler
        return math.log10(value) if self.log else value


def own_values(trials: Iterable[TrialRow], param: SearchedParam) -> list[ParamValue]:
    """The values of the trials that have the parameter; one that is not positive on a log scale was not searched."""
    found = [trial.params[param.path] for trial in trials if param.path in trial.params]
    return [value for value in found if not param.log or (number(value) or 1.0) > 0]


def feature_of(param: SearchedParam, values: Sequence[ParamValue]) -> Feature | None:
    """The parameter as these values of trials show it; None where they are all the same."""
    numbers = [number(value) for value in values]
    if not param.numeric or None in numbers:
        known = dict(zip((label(value) for value in values), numbers, strict=True))
        names = sorted(known, key=lambda name: (known[name] is None, known[name] or 0.0, name))
        grid = tuple(map(float, range(len(names))))
        return Feature(param.path, False, False, tuple(names), grid, True, 0.0) if len(names) > 1 else None
    span = sorted({value for value in numbers if value is not None})
    if len(span) < 2:
        return None
    whole, few = all(value.is_integer() for value in span), len(span) <= _FEW
    places = np.log10(span) if param.log else np.array(span)
    filler = float(np.median(places))
    if few:
        return Feature(param.path, param.log, whole, None, tuple(span), True, filler)
    steps = np.linspace(places[0], places[-1], _GRID)
    between = (10.0**steps if param.log else steps)[1:-1]  # the ends without the error of there and back
    points = np.unique([span[0], *(np.rint(between) if whole else between), span[-1]])
    return Feature(param.path, param.log, whole, None, tuple(points.tolist()), False, filler)


def encoded(features: Sequence[Feature], configurations: Sequence[Mapping[str, ParamValue]]) -> Floats:
    """Configurations as rows of columns, (configurations, sum of widths)."""
    rows = [
        [column for one in features for column in one.columns(params.get(one.path), one.path in params)]
        for params in configurations
    ]
    return np.array(rows, dtype=float).reshape(len(configurations), sum(one.width for one in features))
