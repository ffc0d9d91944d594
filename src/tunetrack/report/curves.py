"""Knows how trials learned: the validation metric by epoch of the best trials and of pruned ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from tunetrack.report.values import ranked
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["Curve", "CurvesInfo", "curve_metric", "curve_trials", "curves_info"]

#: How many of the best and of the pruned trials are drawn; more lines cannot be told apart.
BEST, PRUNED = 5, 40


@dataclass(frozen=True)
class Curve:
    """One trial's epochs.

    Attributes:
        number: of the trial.
        rank: 1 for the best trial; None for a pruned one.
        epochs: in order, from 1.
        values: the metric after each epoch; finite.
    """

    number: int
    rank: int | None
    epochs: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class CurvesInfo:
    """The curves that are shown.

    Attributes:
        metric: what they show.
        maximize: whether larger is better.
        curves: the best trials by rank, then pruned ones by number.
        pruned: number of pruned trials in the study, shown or not.
    """

    metric: str
    maximize: bool
    curves: tuple[Curve, ...]
    pruned: int


def curve_metric(table: StudyTable) -> str:
    """The per-epoch validation metric that stands nearest to the first objective."""
    return "validation/loss" if table.study.info.objectives[0].metric.endswith("loss") else "validation/accuracy"


def curve_trials(table: StudyTable, best: int = BEST, pruned: int = PRUNED) -> tuple[TrialRow, ...]:
    """The trials whose curves are shown: the best ones, then pruned ones, evenly spread over the study.

    A duplicate has no epochs of its own and is left out.

    Args:
        table: the study.
        best: how many of the best, at least 0.
        pruned: how many of the pruned, at least 0.
    """
    first = [trial for trial in ranked(table) if trial.state is TrialState.COMPLETE][:best]
    return (*first, *_spread([trial for trial in table.trials if trial.state is TrialState.PRUNED], pruned))


def curves_info(table: StudyTable, history: pd.DataFrame, best: int = BEST, pruned: int = PRUNED) -> CurvesInfo:
    """The curves of the best and of the pruned trials.

    Args:
        table: the study.
        history: as `tunetrack.tracking.queries.read_history` gives it: columns run_id, metric, step, value.
        best: how many of the best trials.
        pruned: how many of the pruned trials, evenly spread over the study.
    """
    metric = curve_metric(table)
    known = history[(history["metric"] == metric) & (history["step"] > 0)].sort_values("step")
    by_run = {str(run_id): rows for run_id, rows in known.groupby("run_id")}
    curves, rank = [], 0
    for trial in curve_trials(table, best, pruned):
        rank += trial.state is TrialState.COMPLETE
        if trial.run_id not in by_run:
            continue
        rows = by_run[trial.run_id]
        steps = [int(step) for step in rows["step"]]
        pairs = [(step, float(value)) for step, value in zip(steps, rows["value"], strict=True) if math.isfinite(value)]
        if pairs:
            own = rank if trial.state is TrialState.COMPLETE else None
            curves.append(Curve(trial.number, own, tuple(step for step, _ in pairs), tuple(v for _, v in pairs)))
    stopped = sum(trial.state is TrialState.PRUNED for trial in table.trials)
    return CurvesInfo(metric, metric.endswith("accuracy"), tuple(curves), stopped)


def _spread(trials: Sequence[TrialRow], count: int) -> list[TrialRow]:
    if len(trials) <= count:
        return list(trials)
    return [trials[index * len(trials) // count] for index in range(count)]
