"""Knows whether early values foretell final ones, and what pruning has cost, from trials that were run to their end."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from tunetrack.report.curves import curve_metric
from tunetrack.report.derived import by_epoch
from tunetrack.report.values import number, score
from tunetrack.spec.records import TrialState, pruning_rule
from tunetrack.stats import rank_correlation
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["ControlInfo", "PruningInfo", "RankPoint", "audited_trials", "pruning_info"]

#: Trials whose curves are read; fewest that a correlation is computed of.
_CURVES, _FEWEST = 100, 10
_LEVEL = 0.95


@dataclass(frozen=True)
class RankPoint:
    """How well one epoch foretells the end.

    Attributes:
        epoch: from 1.
        correlation: Spearman's, between the value after that epoch and the objective, in [-1, 1]; positive where who is
            better early is better at the end.
        low, high: 95 % interval.
        trials: completed trials that went on for longer than that.
    """

    epoch: int
    correlation: float
    low: float
    high: float
    trials: int


@dataclass(frozen=True)
class ControlInfo:
    """The trials that the pruner would have ended.

    Attributes:
        trials: how many were run to their end all the same.
        better: how many of them ended better than every trial outside of the sample.
        low, high: 95 % interval of the share of such trials among all that the pruner ends (Clopper & Pearson).
        closest: how far the best of them ended from the best trial outside of the sample, in units of the objective;
            positive where it is better: what the study would have lost without the sample.
        pruned: trials that the pruner has ended, by whose share of better ones the interval is to be read.
        seconds: what the sample has cost after the epochs at which it would have ended; None where it is not known.
    """

    trials: int
    better: int
    low: float
    high: float
    closest: float
    pruned: int
    seconds: float | None


@dataclass(frozen=True)
class PruningInfo:
    """What can be said of pruning.

    Attributes:
        metric: whose values by epoch are compared with the objective.
        points: one an epoch; empty where there are too few curves.
        reason: why there are no points, in words.
        control: the control sample; None where there is none.
        pruned: trials that the pruner, and not a health rule, has ended.
    """

    metric: str
    points: tuple[RankPoint, ...]
    reason: str
    control: ControlInfo | None
    pruned: int


def audited_trials(table: StudyTable) -> tuple[TrialRow, ...]:
    """The completed trials whose curves are compared with their ends: at most 100, evenly spread over the study."""
    found = [
        trial
        for trial in table.trials
        if trial.state is TrialState.COMPLETE and score(trial) is not None and (trial.epochs or 0) > 1
    ]
    if len(found) <= _CURVES:
        return tuple(found)
    return tuple(found[place * len(found) // _CURVES] for place in range(_CURVES))


def pruning_info(table: StudyTable, history: pd.DataFrame) -> PruningInfo:
    """The rank correlation of early and final values, and what the control sample says.

    The correlation is computed among completed trials. Those that were pruned are missing among them, and since it is
    the worst that are missing, the others are harder to tell apart: the correlation among all trials would be higher.

    Args:
        table: the study.
        history: columns run_id, metric, step, value, of `curve_metric` and `audited_trials`; may hold more.
    """
    metric = curve_metric(table)
    goal = table.study.info.objectives[0]
    sign = 1.0 if metric.endswith("accuracy") == goal.maximize else -1.0
    curves = by_epoch(history[history["metric"] == metric]) if len(history) else {}
    pairs = [
        (curve, score(trial) or 0.0)
        for trial in audited_trials(table)
        if (curve := curves.get((trial.run_id, metric))) is not None
    ]
    points = _points(pairs, sign)
    reason = "" if points else f"at least {_FEWEST} completed trials of different results with two epochs are needed"
    by_pruner = [one for one in table.trials if one.state is TrialState.PRUNED and pruning_rule(one.reason) is None]
    return PruningInfo(metric, points, reason, _control(table, len(by_pruner)), len(by_pruner))


def _points(pairs: Sequence[tuple[Sequence[float], float]], sign: float) -> tuple[RankPoint, ...]:
    found = []
    for epoch in range(1, max((len(curve) for curve, _ in pairs), default=1)):
        own = [
            (curve[epoch - 1], end) for curve, end in pairs if len(curve) > epoch and math.isfinite(curve[epoch - 1])
        ]
        early, late = [value for value, _ in own], [end for _, end in own]
        if len(own) < _FEWEST or len(set(early)) < 2 or len(set(late)) < 2:
            continue
        # An order that is turned round agrees as much, the other way.
        correlation, sure = rank_correlation([sign * value for value in early], late, _LEVEL)
        found.append(RankPoint(epoch, correlation, sure.low, sure.high, len(own)))
    return tuple(found)


def _control(table: StudyTable, pruned: int) -> ControlInfo | None:
    sign = 1.0 if table.study.info.objectives[0].maximize else -1.0
    ended = (one for one in table.trials if one.state is TrialState.COMPLETE and score(one) is not None)
    complete = [one for one in ended if not one.violates]  # none that breaks a constraint can be the best
    sample = [one for one in complete if one.would_prune_at is not None]
    others = [sign * (score(one) or 0.0) for one in complete if one.would_prune_at is None]
    if not sample or not others:
        return None
    best, ends = max(others), [sign * (score(one) or 0.0) for one in sample]
    better = sum(end > best for end in ends)
    interval = stats.binomtest(better, len(ends)).proportion_ci(_LEVEL, method="exact")
    costs = [_extra_seconds(one) for one in sample]
    seconds = None if None in costs else sum(cost or 0.0 for cost in costs)
    low, high, closest = float(interval.low), float(interval.high), max(ends) - best
    return ControlInfo(len(ends), better, low, high, closest, pruned, seconds)


def _extra_seconds(trial: TrialRow) -> float | None:
    """What a trial of the sample has cost after it would have ended, at its own mean time an epoch."""
    spent = number(trial.metrics.get("train_seconds"))
    if spent is None or not trial.epochs or trial.would_prune_at is None:
        return None
    return spent * max(0, trial.epochs - trial.would_prune_at) / trial.epochs
