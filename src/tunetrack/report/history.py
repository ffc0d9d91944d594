"""Knows how the objective developed from trial to trial, and the best value so far."""

from __future__ import annotations

from dataclasses import dataclass

from tunetrack.report.values import provisional, score
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable

__all__ = ["HistoryInfo", "HistoryPoint", "history_info"]


@dataclass(frozen=True)
class HistoryPoint:
    """One trial.

    Attributes:
        number: from 0.
        state: where it stands.
        value: its objective; for a pruned trial what it had reached, for the others without a result None.
    """

    number: int
    state: TrialState
    value: float | None


@dataclass(frozen=True)
class HistoryInfo:
    """One objective over all trials.

    Attributes:
        metric: its name.
        maximize: whether larger is better.
        points: all trials in the order of their numbers.
        best_so_far: (number, value) of each finished trial that was better than all finished ones before it.
    """

    metric: str
    maximize: bool
    points: tuple[HistoryPoint, ...]
    best_so_far: tuple[tuple[int, float], ...]


def history_info(table: StudyTable, objective: int = 0) -> HistoryInfo:
    """The objective by trial number. What pruned trials had reached never counts as the best so far, nor does a trial
    that breaks a constraint.

    Args:
        table: the study.
        objective: index of the objective, from 0.
    """
    goal = table.study.info.objectives[objective]
    points, best = [], list[tuple[int, float]]()
    for trial in table.trials:
        value = score(trial, objective)
        if value is not None and not trial.violates and _is_better(value, best, goal.maximize):
            best.append((trial.number, value))
        shown = value if value is not None else provisional(trial, goal.metric)
        points.append(HistoryPoint(trial.number, trial.state, shown))
    return HistoryInfo(goal.metric, goal.maximize, tuple(points), tuple(best))


def _is_better(value: float, best: list[tuple[int, float]], maximize: bool) -> bool:
    return not best or (value > best[-1][1] if maximize else value < best[-1][1])
