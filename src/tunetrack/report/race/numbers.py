"""Knows a race in numbers: the best value so far by trial and by time, its median and band, the area under it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["Arm", "Band", "RaceInfo", "RaceRun", "race_info"]

#: Part of the seeds that a band leaves out below and above.
TAIL = 0.1
#: Confidence of the intervals of areas and of their differences.
LEVEL = 0.95
RESAMPLES = 9999
#: Places on the time axis at which the curves are read.
PLACES = 160


@dataclass(frozen=True)
class RaceRun:
    """One sampler with one seed: a study.

    Attributes:
        sampler: as it was asked for, such as ``optuna:tpe``.
        seed: of the sampler.
        study: the study's name.
        values: the objective of each trial in the order of their numbers; None where it has none that counts.
        seconds: what each of them took, its proposal included.
    """

    sampler: str
    seed: int
    study: str
    values: tuple[float | None, ...]
    seconds: tuple[float, ...]

    def best_so_far(self, trials: int, maximize: bool) -> NDArray[np.float64]:
        """The best value after 1, 2, ... trials, (trials,); NaN before the first one, flat after the last."""
        known = np.array([math.nan if value is None else value for value in self.values[:trials]], dtype=float)
        known = np.pad(known, (0, trials - len(known)), constant_values=math.nan)
        return (np.fmax if maximize else np.fmin).accumulate(known)


@dataclass(frozen=True)
class Band:
    """The best value so far over all seeds of one sampler.

    Attributes:
        at: trials, or seconds, rising; from where all seeds have a value.
        median, low, high: over the seeds; low and high are the 10 % and the 90 % quantile.
    """

    at: tuple[float, ...]
    median: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Arm:
    """One sampler.

    Attributes:
        sampler: its name.
        seeds: how many runs.
        by_trial, by_seconds: the best value so far.
        final: median, low and high of the best value at the end; None where a run has no value at all.
        area: mean over the seeds of the area under the curve; None where there is none.
        area_interval: bootstrap interval of that mean; None with fewer than two seeds.
        behind: how much smaller (for a minimised objective larger) the area is than the first arm's, at least 0.
        behind_interval: interval of that, by Welch's t for all such differences together (Bonferroni); None for the
            first arm, and with fewer than two seeds.
        seconds: median over the seeds of what all trials took.
    """

    sampler: str
    seeds: int
    by_trial: Band
    by_seconds: Band
    final: tuple[float, float, float] | None
    area: float | None
    area_interval: tuple[float, float] | None
    seconds: float
    behind: float | None = None
    behind_interval: tuple[float, float] | None = None


@dataclass(frozen=True)
class RaceInfo:
    """A race.

    Attributes:
        name: of the race.
        metric: the objective.
        maximize: whether larger is better.
        trials: budget of each run.
        first: the number of trials after which every run has a value, from which on areas are taken; None: never.
        arms: the best area first.
        runs: all of them, as they were given.
    """

    name: str
    metric: str
    maximize: bool
    trials: int
    first: int | None
    arms: tuple[Arm, ...]
    runs: tuple[RaceRun, ...]

    def document(self) -> dict[str, Any]:
        """The race as JSON-ready data."""
        return asdict(self)


def race_info(name: str, objective: tuple[str, bool], runs: Sequence[RaceRun]) -> RaceInfo:
    """Compares samplers.

    The area under a curve is the mean of the best value so far over the number of trials, from `first` on: what the
    search would have had in hand on average, had it been stopped anywhere. Its interval is a percentile bootstrap over
    the seeds, which few seeds make too narrow; so who is ahead is decided by Welch's t.

    Args:
        name: of the race.
        objective: its metric, and whether larger is better.
        runs: at least one.
    """
    metric, maximize = objective
    trials = max(len(run.values) for run in runs)
    curves = {id(run): run.best_so_far(trials, maximize) for run in runs}
    known = ~np.isnan(np.stack([curves[id(run)] for run in runs])).any(axis=0)
    first = int(np.argmax(known)) + 1 if known.any() else None
    areas: dict[str, NDArray[np.float64]] = {}
    for sampler in dict.fromkeys(run.sampler for run in runs):
        own = np.stack([curves[id(run)] for run in runs if run.sampler == sampler])
        areas[sampler] = own[:, (first or 1) - 1 :].mean(axis=1)
    order = sorted(areas, key=lambda one: -areas[one].mean() if maximize else areas[one].mean()) if first else areas
    leader = next(iter(order))
    level = 1.0 - (1.0 - LEVEL) / max(1, len(areas) - 1)
    arms = []
    for sampler in order:
        own_runs = [run for run in runs if run.sampler == sampler]
        lead = areas[leader] if sampler != leader else None
        arm = _arm(own_runs, trials, maximize, areas[sampler] if first else None)
        arms.append(arm if lead is None or not first else _compared(arm, areas[sampler], lead, (maximize, level)))
    return RaceInfo(name, metric, maximize, trials, first, tuple(arms), tuple(runs))


def _arm(runs: Sequence[RaceRun], trials: int, maximize: bool, areas: NDArray[np.float64] | None) -> Arm:
    curves = np.stack([run.best_so_far(trials, maximize) for run in runs])
    by_trial = _band(np.arange(1.0, trials + 1), curves)
    return Arm(
        runs[0].sampler,
        len(runs),
        by_trial,
        _by_seconds(runs, curves),
        (by_trial.median[-1], by_trial.low[-1], by_trial.high[-1]) if by_trial.at else None,
        None if areas is None else float(areas.mean()),
        None if areas is None or len(areas) < 2 else _bootstrap(areas),
        seconds=float(np.median([sum(run.seconds) for run in runs])),
    )


def _compared(arm: Arm, own: NDArray[np.float64], lead: NDArray[np.float64], how: tuple[bool, float]) -> Arm:
    """The arm with its distance to the first one; `how`: whether larger is better, and the confidence."""
    maximize, level = how
    behind, interval = float((1.0 if maximize else -1.0) * (lead.mean() - own.mean())), None
    if min(len(own), len(lead)) > 1:
        reach = _welch_reach(own, lead, level)
        interval = (behind - reach, behind + reach)
    return replace(arm, behind=behind, behind_interval=interval)


def _welch_reach(one: NDArray[np.float64], other: NDArray[np.float64], level: float) -> float:
    """Half the width of Welch's interval for a difference of two means (Welch 1947, doi:10.1093/biomet/34.1-2.28)."""
    squares = [float(values.var(ddof=1)) / len(values) for values in (one, other)]
    total = sum(squares)
    if total == 0.0:
        return 0.0
    shares = zip(squares, (one, other), strict=True)
    freedom = total**2 / sum(square**2 / (len(values) - 1) for square, values in shares)
    return float(stats.t.ppf(0.5 + level / 2, freedom)) * math.sqrt(total)


def _by_seconds(runs: Sequence[RaceRun], curves: NDArray[np.float64]) -> Band:
    """The curves over time: a value counts from the end of its trial on."""
    ends = [np.cumsum(run.seconds) for run in runs]
    last = max((float(times[-1]) for times in ends if len(times)), default=0.0)
    at = np.linspace(0.0, last, PLACES)
    read = np.full((len(runs), PLACES), math.nan)
    for index, times in enumerate(ends):
        done = np.searchsorted(times, at + 1e-9 * last, side="right")  # trials that have ended by then
        read[index, done > 0] = curves[index][done[done > 0] - 1]
    return _band(at, read)


def _band(at: NDArray[np.float64], curves: NDArray[np.float64]) -> Band:
    known = ~np.isnan(curves).any(axis=0)
    if not known.any():
        return Band((), (), (), ())
    low, median, high = np.quantile(curves[:, known], (TAIL, 0.5, 1 - TAIL), axis=0)
    return Band(*(tuple(map(float, values)) for values in (at[known], median, low, high)))


def _bootstrap(areas: NDArray[np.float64]) -> tuple[float, float]:
    found = stats.bootstrap(
        (areas,), np.mean, confidence_level=LEVEL, n_resamples=RESAMPLES, method="percentile", rng=0
    ).confidence_interval
    return float(found.low), float(found.high)
