"""Knows how sure one can be of the winner: its standard error, and which trials cannot be told apart from it."""

from __future__ import annotations

from dataclasses import dataclass

from tunetrack.report.values import number, pareto_front, ranked, score
from tunetrack.spec.certainty import SHARES, binomial_error
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["CertaintyInfo", "certainty_info"]


@dataclass(frozen=True)
class CertaintyInfo:
    """The winner and how sure it is.

    Attributes:
        best: number of the best trial by the only objective; None for several objectives, or where none finished.
        value: its objective.
        images: number of validation images behind it; None where it is not known.
        error: binomial standard error of `value`; None where the objective is no accuracy or `images` is not known.
        near: numbers of the other trials within one standard error, best first; duplicates are left out.
        reason: why there is no standard error, in words; empty where there is one.
        front: for several objectives, numbers of the trials that no other trial beats, by the first objective.
    """

    best: int | None
    value: float | None
    images: int | None
    error: float | None
    near: tuple[int, ...]
    reason: str
    front: tuple[int, ...]


def certainty_info(table: StudyTable, validation_images: int | None = None) -> CertaintyInfo:
    """The winner's standard error and the trials that lie within it; for several objectives the Pareto front.

    Args:
        table: the study.
        validation_images: how many images the objective was measured on, where the best trial's own parameter
            ``data.validation`` does not say.
    """
    goals = table.study.info.objectives
    trials = [trial for trial in ranked(table) if trial.state is TrialState.COMPLETE]
    if len(goals) > 1:
        points = [trial.values or () for trial in trials]
        front = tuple(trials[index].number for index in pareto_front(points, [goal.maximize for goal in goals]))
        return CertaintyInfo(None, None, validation_images, None, (), "the study has several objectives", front)
    if not trials:
        return CertaintyInfo(None, None, validation_images, None, (), "no trial finished", ())
    best, value = trials[0], score(trials[0]) or 0.0
    images = _images(best) or validation_images
    reason = ""
    if goals[0].metric not in SHARES:
        reason = f"{goals[0].metric} is no accuracy, so the number of images does not tell its scatter"
    elif images is None:
        reason = "the number of validation images is not known"
    elif not 0.0 <= value <= 1.0:
        reason = "the value is no fraction"
    if reason or images is None:
        return CertaintyInfo(best.number, value, images, None, (), reason, ())
    error = binomial_error(value, images)
    near = tuple(trial.number for trial in trials[1:] if abs((score(trial) or 0.0) - value) <= error)
    return CertaintyInfo(best.number, value, images, error, near, "", ())


def _images(trial: TrialRow) -> int | None:
    given = number(trial.trained_with.get("data.validation"))
    return round(given) if given is not None and given >= 1 else None
