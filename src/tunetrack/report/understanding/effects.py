"""Knows how the objective depends on each parameter with the others averaged out: partial dependence with its spread.

Friedman 2001, "Greedy Function Approximation: A Gradient Boosting Machine", section 8.2; for what a search has tried,
Moosbauer et al. 2021, "Explaining Hyperparameter Optimization via Partial Dependence Plots",
https://arxiv.org/abs/2111.04820.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tunetrack.report.understanding.features import Feature
from tunetrack.report.understanding.surrogate import Surrogate, measured_trials, surrogate
from tunetrack.tracking.queries import StudyTable

__all__ = ["MOST_EFFECTS", "Effect", "EffectsInfo", "effects_info"]

#: Parameters that are drawn: the most important ones.
MOST_EFFECTS = 12
#: Groups of conditional parameters that get forests of their own.
_GROUPS = 4


@dataclass(frozen=True)
class Effect:
    """One parameter.

    Attributes:
        feature: the parameter, and the grid that the values stand at.
        middle: mean of the objective as the forests see it, one a point of the grid; median over forests.
        low, high: 10th and 90th percentile over forests.
        trials: completed trials that it comes from; fewer than all where the parameter is conditional.
        r2: out-of-bag share of the variance that the forests explain.
    """

    feature: Feature
    middle: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    trials: int
    r2: float


@dataclass(frozen=True)
class EffectsInfo:
    """The effects, or why there are none.

    Attributes:
        effects: the parameters that move the objective most come first; None where nothing can be said.
        reason: why not, in words; empty where there are effects.
        trials: completed trials.
        surrogate: the forests over all trials and parameters; None where there are none.
        left_out: searched parameters without an effect here: too few trials have them, they took a single value, or
            they matter less than those that are shown.
    """

    effects: tuple[Effect, ...] | None
    reason: str
    trials: int
    surrogate: Surrogate | None
    left_out: tuple[str, ...]


def effects_info(table: StudyTable) -> EffectsInfo:
    """Partial dependence of the first objective on every searched parameter.

    Parameters that all completed trials have are looked at in forests over all trials; a conditional one in forests
    over the trials that have it.

    Args:
        table: the study.
    """
    trials, searched = measured_trials(table), table.study.info.searched
    maximize = table.study.info.objectives[0].maximize
    whole, reason = surrogate(trials, searched, maximize)
    if whole is None:
        return EffectsInfo(None, reason, len(trials), None, tuple(param.path for param in searched))
    groups: dict[frozenset[int], list[str]] = {}
    for param in searched:
        having = frozenset(place for place, trial in enumerate(trials) if param.path in trial.params)
        groups.setdefault(having, []).append(param.path)
    everybody = frozenset(range(len(trials)))
    found = _effects(whole, groups.pop(everybody, []))
    for places in sorted(groups, key=lambda places: (-len(places), sorted(places)))[:_GROUPS]:
        own = [trials[place] for place in sorted(places)]
        shared = [param for param in searched if all(param.path in trial.params for trial in own)]
        part, _ = surrogate(own, shared, maximize)
        found += [] if part is None else _effects(part, groups[places])
    found.sort(key=lambda effect: (min(effect.middle) - max(effect.middle), effect.feature.path))
    shown = {effect.feature.path for effect in found[:MOST_EFFECTS]}
    left = tuple(param.path for param in searched if param.path not in shown)
    return EffectsInfo(tuple(found[:MOST_EFFECTS]), "", len(trials), whole, left)


def _effects(model: Surrogate, paths: Sequence[str]) -> list[Effect]:
    found = []
    for feature in model.features:
        if feature.path in paths:
            low, middle, high = (tuple(line.tolist()) for line in model.effect(feature))
            found.append(Effect(feature, middle, low, high, model.trials, model.r2))
    return found
