"""Knows what forests, each fitted to trials that were drawn anew, say of configurations that nobody has tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tunetrack.report.forest import Floats, Forest, fitted_forest, partial_dependence, prediction
from tunetrack.report.understanding.features import Feature, encoded, feature_of, own_values
from tunetrack.report.values import score, window
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import ParamValue, SearchedParam, StudyTable, TrialRow

__all__ = ["MIN_TRIALS", "Surrogate", "measured_trials", "surrogate"]

#: Below this many trials nothing is drawn.
MIN_TRIALS = 10
#: Trials that are looked at; those that a forest is fitted to; forests; trees of each.
_MOST_TRIALS, _SAMPLE, _FORESTS, _TREES = 2000, 400, 20, 10
SPREAD = (10.0, 50.0, 90.0)


@dataclass(frozen=True)
class Surrogate:
    """Forests of the first objective over some parameters.

    Attributes:
        features: the parameters.
        forests: each fitted to trials drawn with replacement, so that their spread is that of studies of this size.
        r2: share of the variance of the objective that the forests explain in trials that they were not fitted to (out
            of bag), at most 1; below 0 where they are worse than the mean.
        trials: how many completed trials they come from.
    """

    features: tuple[Feature, ...]
    forests: tuple[Forest, ...] = field(repr=False)
    r2: float
    trials: int

    def effect(self, feature: Feature) -> Floats:
        """Partial dependence on one parameter over its grid: 10th, 50th and 90th percentile of forests, (3, points)."""
        first = sum(one.width for one in self.features[: self.features.index(feature)])
        columns, grid = range(first, first + feature.width), feature.grid_columns()
        curves = [partial_dependence(forest, grid, columns) for forest in self.forests]
        return np.percentile(curves, SPREAD, axis=0)

    def predicted(self, configurations: Sequence[Mapping[str, ParamValue]]) -> Floats:
        """What each forest says of each configuration, (forests, configurations)."""
        rows = encoded(self.features, configurations)
        return np.array([prediction(forest, rows) for forest in self.forests])


def measured_trials(table: StudyTable) -> tuple[TrialRow, ...]:
    """The completed trials with a finite first objective: all, or 2,000 that are drawn."""
    trials = [trial for trial in table.trials if trial.state is TrialState.COMPLETE and score(trial) is not None]
    if len(trials) > _MOST_TRIALS:
        drawn = np.random.default_rng(0).permutation(len(trials))[:_MOST_TRIALS]
        trials = [trials[place] for place in sorted(drawn)]
    return tuple(trials)


def surrogate(
    trials: Sequence[TrialRow], searched: Sequence[SearchedParam], maximize: bool
) -> tuple[Surrogate | None, str]:
    """Forests of the first objective, and why there are none.

    Values far on the bad side are cut as in figures. A trial that lacks a parameter has its median, so that no split of
    it tells those trials apart from the others; the choice that the parameter depends on does.

    Each forest is fitted to n of n trials that are drawn with replacement, but to 400 at the most: the spread is then
    that of a study of this size, and rather too wide. A trial is out of the bag of about a third of the forests.

    Args:
        trials: completed ones with a first objective.
        searched: the parameters that are looked at.
        maximize: whether larger values are better.
    """
    if len(trials) < MIN_TRIALS:
        finished = f"{len(trials)} trial{'' if len(trials) == 1 else 's'} finished"
        return None, f"{finished}; at least {MIN_TRIALS} are needed"
    features = tuple(one for param in searched if (one := feature_of(param, own_values(trials, param))))
    if not features:
        return None, "no searched parameter took more than one value"
    values = np.array([score(trial) or 0.0 for trial in trials])
    values = values.clip(*window(values.tolist(), maximize))
    if not values.std():
        return None, "all finished trials have the same value"
    rows, rng = encoded(features, [trial.params for trial in trials]), np.random.default_rng(0)
    forests, seen, added = [], np.zeros(len(trials)), np.zeros(len(trials))
    for _ in range(_FORESTS):
        drawn = rng.integers(len(trials), size=min(len(trials), _SAMPLE))
        forests.append(fitted_forest(rows[drawn], values[drawn], rng, _TREES))
        left = np.setdiff1d(np.arange(len(trials)), drawn)
        seen[left] += 1
        added[left] += prediction(forests[-1], rows[left])
    known = seen > 0
    rest, spread = values[known] - added[known] / seen[known], values[known] - values[known].mean()
    r2 = 1.0 - float((rest**2).sum() / (spread**2).sum()) if spread.any() else 0.0
    return Surrogate(features, tuple(forests), r2, len(trials)), ""
