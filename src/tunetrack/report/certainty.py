"""Knows how sure one can be of the search's best trial: its interval, and which trials cannot be told apart from it."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from tunetrack.report.values import number, pareto_front, ranked, score
from tunetrack.spec.certainty import SHARES
from tunetrack.spec.records import TrialState
from tunetrack.stats import Interval, share_interval, tied
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = ["CertaintyInfo", "certainty_info", "images_of", "value_interval"]


@dataclass(frozen=True)
class CertaintyInfo:
    """The best trial and how sure it is; all of it rests on one training seed a trial.

    Attributes:
        best: number of the best trial by the only objective; None for several objectives, or where none finished.
        value: its objective.
        images: number of validation images behind it; None where it is not known.
        interval: of `value` over new images, at 95 %; None where the objective is no accuracy or `images` is not known.
        near: numbers of the other trials that cannot be told apart from it, best first: the 95 % interval of the
            difference of the two accuracies holds 0. Duplicates are left out.
        reason: why there is no interval, in words; empty where there is one.
        front: for several objectives, numbers of the trials that no other trial beats, by the first objective.
    """

    best: int | None
    value: float | None
    images: int | None
    interval: Interval | None
    near: tuple[int, ...]
    reason: str
    front: tuple[int, ...]


def certainty_info(table: StudyTable, validation_images: int | None = None) -> CertaintyInfo:
    """The best trial's interval and the trials that are as good as it; for several objectives the Pareto front.

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
    images = images_of(best, validation_images)
    reason = ""
    if goals[0].metric not in SHARES:
        reason = f"{goals[0].metric} is no accuracy, so the number of images does not tell its scatter"
    elif images is None:
        reason = "the number of validation images is not known"
    elif not 0.0 <= value <= 1.0:
        reason = "the value is no fraction"
    if reason or images is None:
        return CertaintyInfo(best.number, value, images, None, (), reason, ())
    return CertaintyInfo(
        best.number, value, images, _share(round(value * images), images), _near(trials, images), "", ()
    )


def value_interval(metric: str, value: float | None, images: int | None) -> Interval | None:
    """The 95 % interval of one trial's accuracy over new images; None where the value is none, or is not known."""
    if metric not in SHARES or images is None or value is None or not 0.0 <= value <= 1.0:
        return None
    return _share(round(value * images), images)


def images_of(trial: TrialRow, otherwise: int | None) -> int | None:
    """Number of validation images of a trial: its own parameter ``data.validation``, else the study's."""
    given = number(trial.trained_with.get("data.validation"))
    return round(given) if given is not None and given >= 1 else otherwise


#: Trials share values, since there are only so many images: of 10,000 trials a few hundred are computed.
_share = functools.lru_cache(maxsize=20_000)(share_interval)


def _near(trials: list[TrialRow], validation_images: int) -> tuple[int, ...]:
    """The trials after the first one that cannot be told apart from it."""
    images = [images_of(trial, validation_images) or validation_images for trial in trials]
    return tuple(trials[place].number for place in tied([score(trial) or 0.0 for trial in trials], images))
