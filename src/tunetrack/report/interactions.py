"""Knows which pairs of parameters act together: the H-statistic of forests that are fitted to the stored trials.

Friedman & Popescu 2008, "Predictive Learning via Rule Ensembles", section 8.1, https://arxiv.org/abs/0811.1679.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tunetrack.report.forest import Floats, Forest, fitted_forest, partial_dependence, prediction
from tunetrack.report.values import label, number, score, window
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["MIN_TRIALS", "InteractionsInfo", "PairInteraction", "interactions_info"]

#: Below this many trials a forest sees interactions in noise.
MIN_TRIALS = 30
#: Trials that are looked at; parameters that are paired; trials that a forest is fitted to; forests; trees of each;
#: steps along a parameter.
_MOST_TRIALS, MOST_PARAMS, _SAMPLE, _FORESTS, _TREES, _GRID = 2000, 6, 400, 8, 10, 8
_SPREAD = (10.0, 50.0, 90.0)


@dataclass(frozen=True)
class PairInteraction:
    """Two parameters.

    Attributes:
        a, b: dotted paths, the more important one first.
        strength: share of the variance of the objective, as the forests see it, that the two have only together;
            0 where their effects add up, 1 where there is nothing else. Median over forests.
        low, high: 10th and 90th percentile over forests, each fitted to trials that were drawn anew.
    """

    a: str
    b: str
    strength: float
    low: float
    high: float


@dataclass(frozen=True)
class InteractionsInfo:
    """The pairs, or why there are none.

    Attributes:
        pairs: the strongest first; None where nothing can be said.
        reason: why not, in words; empty where there are pairs.
    """

    pairs: tuple[PairInteraction, ...] | None
    reason: str


def interactions_info(table: StudyTable) -> InteractionsInfo:
    """How strongly the most important parameters act in pairs on the first objective.

    The most important here are those by which a forest's trees reduce the variance most, since a parameter may matter
    together with others only, and `importance_info` looks at each alone.

    A random forest is fitted to the completed trials, with every parameter as its rank (on any scale the same) and
    categories by their mean objective. Of each pair its partial dependence F_jk is taken on a grid of ranks, weighted
    by the trees' own leaves; what is left of it after its row and column means is the interaction. Friedman & Popescu
    divide its sum of squares by that of F_jk itself (their equation 44). Here it is divided by the variance of the
    whole prediction, since for two parameters without any effect the former is one noise divided by another.

    Values far on the bad side are cut as in figures. Of a study of more than 2,000 trials so many are looked at, drawn
    without replacement, and each forest sees at most 400 of them, drawn with replacement: the spread is then that of a
    study of this size, and rather too wide. Where a parameter is conditional,
    the pair is judged by the trials that have both.

    Args:
        table: the study.
    """
    trials = [trial for trial in table.trials if trial.state is TrialState.COMPLETE and score(trial) is not None]
    if len(trials) < MIN_TRIALS:
        return InteractionsInfo(None, f"{len(trials)} trials finished; at least {MIN_TRIALS} are needed")
    if len(trials) > _MOST_TRIALS:
        trials = [trials[place] for place in np.random.default_rng(0).permutation(len(trials))[:_MOST_TRIALS]]
    paths = _most_important(trials, table)
    everywhere = [path for path in paths if all(path in trial.params for trial in trials)]
    found = _pairs(trials, everywhere, table)
    for path in (path for path in paths if path not in everywhere):
        having = [trial for trial in trials if path in trial.params]
        shared = [other for other in paths if all(other in trial.params for trial in having)]
        found += [pair for pair in _pairs(having, shared, table) if path in (pair.a, pair.b)]
    known = {(pair.a, pair.b): pair for pair in found}
    if not known:
        return InteractionsInfo(None, "no two important parameters differ among enough trials that have both")
    return InteractionsInfo(tuple(sorted(known.values(), key=lambda pair: (-pair.strength, pair.a, pair.b))), "")


def _most_important(trials: Sequence[TrialRow], table: StudyTable) -> list[str]:
    """Paths of the searched parameters that differ and matter most to a forest, the first one most."""
    values = _values(trials, table)
    columns = {}
    for param in table.study.info.searched:
        having = [place for place, trial in enumerate(trials) if param.path in trial.params]
        if having:
            # That a trial lacks a conditional parameter is the doing of the choice that it depends on, not its own.
            columns[param.path] = np.full(len(trials), 0.5)
            columns[param.path][having] = _encoded(
                [trials[place].params[param.path] for place in having], values[having]
            )
    used = [path for path, column in columns.items() if len(np.unique(column)) > 1]
    if not used:
        return []
    rows = np.random.default_rng(0).permutation(len(trials))[: 2 * _SAMPLE]
    forest = fitted_forest(
        np.stack([columns[path] for path in used], axis=1)[rows], values[rows], np.random.default_rng(0), _TREES
    )
    order = np.argsort(-np.mean([tree.feature_importances_ for tree in forest], axis=0), kind="stable")
    return [used[place] for place in order[:MOST_PARAMS]]


def _values(trials: Sequence[TrialRow], table: StudyTable) -> Floats:
    """The first objective, cut where it would flatten an axis."""
    values = np.array([score(trial) or 0.0 for trial in trials])
    return values.clip(*window(values.tolist(), table.study.info.objectives[0].maximize))


def _pairs(trials: Sequence[TrialRow], paths: Sequence[str], table: StudyTable) -> list[PairInteraction]:
    """The pairs of these parameters, which all of these trials have."""
    if len(trials) < MIN_TRIALS or len(paths) < 2:
        return []
    values = _values(trials, table)
    columns = {path: _encoded([trial.params[path] for trial in trials], values) for path in paths}
    used = [path for path, column in columns.items() if len(np.unique(column)) > 1]
    if len(used) < 2 or not values.std():
        return []
    features = np.stack([columns[path] for path in used], axis=1)
    rng = np.random.default_rng(0)
    strengths = []
    for _ in range(_FORESTS):
        rows = rng.integers(len(trials), size=min(len(trials), _SAMPLE))
        strengths.append(_strengths(fitted_forest(features[rows], values[rows], rng, _TREES), features[rows]))
    spread = np.percentile(strengths, _SPREAD, axis=0)
    return [
        PairInteraction(used[a], used[b], *(float(spread[which, place]) for which in (1, 0, 2)))
        for place, (a, b) in enumerate(itertools.combinations(range(len(used)), 2))
    ]


def _encoded(given: Sequence[object], values: Floats) -> Floats:
    """A parameter as ranks in [0, 1]; categories in the order of their mean objective."""
    numbers = [number(value) for value in given]
    if None in numbers:
        names = np.array([label(value) for value in given])
        kinds, places = np.unique(names, return_inverse=True)
        means = np.bincount(places, weights=values) / np.bincount(places)
        return means.argsort().argsort()[places] / max(1, len(kinds) - 1)
    kinds, places = np.unique(np.array(numbers, dtype=float), return_inverse=True)
    return places / max(1, len(kinds) - 1)


def _strengths(forest: Forest, features: Floats) -> list[float]:
    """Share of the variance of the forest's answers that each pair of features has only together."""
    total = float(prediction(forest, features).var())
    axes = [np.unique(np.quantile(column, np.linspace(0.05, 0.95, _GRID))) for column in features.T]
    found = []
    for a, b in itertools.combinations(range(features.shape[1]), 2):
        grid = np.array(list(itertools.product(axes[a], axes[b])))
        joint = partial_dependence(forest, grid, (a, b)).reshape(len(axes[a]), len(axes[b]))
        rest = joint - joint.mean(0) - joint.mean(1, keepdims=True) + joint.mean()
        found.append(min(1.0, float((rest**2).mean()) / total) if total > 0 and math.isfinite(total) else 0.0)
    return found
