"""Knows which changes lead from an ordinary trial to the best one, the most useful first, as the surrogate sees them.

Fawcett & Hoos 2016, "Analysing differences between algorithm configurations through ablation", J. Heuristics 22; with a
surrogate in place of runs, Biedenkapp et al. 2017, "Efficient Parameter Importance Analysis via Ablation with
Surrogates", AAAI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tunetrack.report.understanding.surrogate import SPREAD, Surrogate
from tunetrack.report.values import label, ranked, score
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import ParamValue, SearchedParam, StudyTable

__all__ = ["Change", "PathInfo", "Step", "path_info"]

#: What stands in place of a value where a configuration lacks the parameter.
_NONE = "not used"

Params = Mapping[str, ParamValue]


@dataclass(frozen=True)
class Change:
    """One parameter that takes the best trial's value: values as text, ``not used`` where there is none."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Step:
    """Where the path stands.

    Attributes:
        changes: what was changed; none at the beginning. More than one where a choice brings parameters of its own.
        value: the objective as the forests see it; median.
        low, high: 10th and 90th percentile over forests.
    """

    changes: tuple[Change, ...]
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class PathInfo:
    """The path, or why there is none.

    Attributes:
        steps: the beginning, and one step a change, the one that helps most first; None where there is no path.
        reason: why not, in words.
        start, end: numbers of the trials: the one whose result is the median of all, and the best one.
        measured: what the two have reached, which the forests need not agree with.
    """

    steps: tuple[Step, ...] | None
    reason: str
    start: int | None = None
    end: int | None = None
    measured: tuple[float, float] | None = None


def path_info(table: StudyTable, model: Surrogate | None, reason: str = "") -> PathInfo:
    """The ablation path of the first objective from the median trial to the best one.

    At every step each change that is left is tried in the forests, and the best one is made. A parameter of a branch
    comes and goes with the choice that it depends on.

    Args:
        table: the study.
        model: forests over all trials; None: there are none.
        reason: why there are none.
    """
    if model is None:
        return PathInfo(None, reason)
    trials = [one for one in ranked(table) if one.state is TrialState.COMPLETE and score(one) is not None]
    if not trials:
        return PathInfo(None, "every completed trial breaks a constraint")
    best, middle = trials[0], trials[len(trials) // 2]
    walk = _Walk(model, table, best.params)
    now, steps = dict(middle.params), [walk.step((), middle.params)]
    while options := walk.options(now):
        changes, now = walk.chosen(options)
        steps.append(walk.step(changes, now))
    if len(steps) == 1:
        return PathInfo(None, "the median trial and the best one have the same parameters")
    return PathInfo(tuple(steps), "", middle.number, best.number, (score(middle) or 0.0, score(best) or 0.0))


class _Walk:
    """The way to one configuration."""

    def __init__(self, model: Surrogate, table: StudyTable, target: Params) -> None:
        self._model, self._target = model, target
        self._maximize = table.study.info.objectives[0].maximize
        self._searched = {param.path: param for param in table.study.info.searched}

    def step(self, changes: tuple[Change, ...], params: Params) -> Step:
        low, value, high = np.percentile(self._model.predicted([params])[:, 0], SPREAD)
        return Step(changes, float(value), float(low), float(high))

    def options(self, now: Params) -> list[tuple[tuple[Change, ...], Params]]:
        """Every change that is left, with what comes of it."""
        alone = [path for path in self._searched if self._differs(path, now) and path in now and path in self._target]
        found = [self._changed(now, path) for path in alone]
        if not found:  # what no choice has brought or taken away, since nobody knows what it depends on
            found = [self._changed(now, path) for path in self._searched if self._differs(path, now)]
        return found

    def chosen(
        self, options: list[tuple[tuple[Change, ...], Params]]
    ) -> tuple[tuple[Change, ...], dict[str, ParamValue]]:
        """The change that helps most; of equals the first of the study file."""
        values = np.median(self._model.predicted([params for _, params in options]), axis=0)
        changes, params = options[int(np.argmax(values if self._maximize else -values))]
        return changes, dict(params)

    def _differs(self, path: str, now: Params) -> bool:
        return (path in now) != (path in self._target) or now.get(path) != self._target.get(path)

    def _changed(self, now: Params, path: str) -> tuple[tuple[Change, ...], Params]:
        """One parameter as in the target, with those that come or go with it."""
        params = self._with(now, path)
        paths = [path]
        for other, param in self._searched.items():
            comes = other not in params and other in self._target and self._brought(param, params)
            goes = other in params and other not in self._target and not param.is_searched(params)
            if other != path and (comes or goes):
                params = self._with(params, other)
                paths.append(other)
        return tuple(Change(one, _text(now, one), _text(params, one)) for one in paths), params

    def _with(self, now: Params, path: str) -> dict[str, ParamValue]:
        rest = {key: value for key, value in now.items() if key != path}
        return rest | ({path: self._target[path]} if path in self._target else {})

    def _brought(self, param: SearchedParam, params: Params) -> bool:
        """Whether this configuration would search it; of a parameter whose branches are not known nobody can say."""
        return bool(param.where) and param.is_searched({**params, param.path: self._target[param.path]})


def _text(params: Params, path: str) -> str:
    return label(params[path]) if path in params else _NONE
