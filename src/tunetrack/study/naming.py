"""Names the winner of a confirmation: compares its configurations, and chooses among those that are tied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from tunetrack.errors import SpecError
from tunetrack.spec.certainty import binomial_error
from tunetrack.spec.winner import Confirmed, FromBest, TestLook, Winner
from tunetrack.stats import Comparison, compare_answers, compare_values, shrunken
from tunetrack.study.replicates import Answers, Replicated
from tunetrack.study.result import HeldOut, StudyResult

__all__ = ["by_answers", "compared", "named", "with_look"]

LEVEL = 0.95

#: Training times that differ by a smaller factor, or by fewer seconds, may be those of one and the same training.
SAME_FACTOR = 1.25
SAME_SECONDS = 1.0

#: The objective whose values are shares of right answers of the weights that a trial ends with.
BY_ANSWERS = "validation/accuracy"


def by_answers(result: StudyResult) -> bool:
    """Whether the first objective can be compared image by image."""
    goal = result.objectives[0]
    return goal.metric == BY_ANSWERS and goal.maximize


def compared(configurations: Sequence[Replicated], right: Answers | None, maximize: bool) -> Comparison:
    """The comparison, image by image where the answers are there.

    Raises:
        SpecError: there is one seed only, and no answers: one value says nothing about the next.
    """
    if right is not None:
        return compare_answers(right, LEVEL)
    if len(configurations[0].values) < 2:
        raise SpecError(
            "seeds: one seed says nothing about the next where there are no answers to compare; take 2 or more"
        )
    return compare_values([one.values for one in configurations], maximize, LEVEL)


def named(
    search: StudyResult,
    confirmation: StudyResult,
    configurations: Sequence[Replicated],
    comparison: Comparison,
    left_out: Mapping[int, str],
) -> Winner:
    """The winner, before anybody has looked at the test images.

    Among the configurations within one standard error of the best one (`Comparison.near`), the one with the fewest
    parameters is chosen; of equals the one that trained faster, by more than machines differ from minute to minute;
    then the better one. Not among all that cannot be told apart from it: with few seeds that is nearly everything, and
    the smallest of them gives back what the confirmation has won (docs/honesty.md).

    Args:
        search: the searched study.
        confirmation: the study that confirms it.
        configurations: those that were trained to the end on every seed.
        comparison: of these, in the same order.
        left_out: by trial why another one was not compared.
    """
    goal = search.objectives[0]
    rows = _rows(search, configurations, comparison, goal.maximize)
    tied = [row for row in rows if row.group == 1]
    close = {configurations[place].trial for place in comparison.near}
    near = [row for row in rows if row.trial in close]
    chosen = _chosen(near)
    seconds = [second for one in configurations for second in one.seconds]
    return Winner(
        study=search.name,
        study_run=search.run_id or "",
        confirm_study=confirmation.name,
        confirm_run=confirmation.run_id or "",
        metric=str(goal.metric),
        maximize=goal.maximize,
        level=comparison.level,
        images=comparison.images or search.validation_images or 0,
        seeds=() if confirmation.confirms is None else confirmation.confirms.seeds,
        by_image=comparison.images is not None,
        searched_trials=len(search.ranked()),
        chosen=chosen.trial,
        best=rows[0].trial,
        reason=_reason(chosen, near, len(tied), rows, left_out),
        configurations=rows,
        test=None,
        trials=len(confirmation.trials),
        train_seconds=round(sum(seconds), 3),
    )


def with_look(look: HeldOut | None, looks: int) -> TestLook | None:
    """What `winner.json` says of a look at the test images.

    Args:
        look: at the replicates of the chosen configuration.
        looks: how often the study has looked, this time included.
    """
    if look is None or look.low is None or look.high is None:
        return None
    return TestLook(look.trial, look.values, look.accuracy, look.low, look.high, look.images or 0, looks)


def _rows(
    search: StudyResult, configurations: Sequence[Replicated], comparison: Comparison, maximize: bool
) -> tuple[Confirmed, ...]:
    raw = {trial.number: trial.value for trial in search.ranked() if trial.value is not None}
    true = _shrunken(raw, comparison)
    apart = {one.b: one for one in comparison.differences_from_best}
    rows = []
    for place, (one, found) in enumerate(zip(configurations, comparison.configurations, strict=True)):
        difference = FromBest()
        if place in apart:
            other = apart[place]  # the best one less this one; here it is told the other way round
            low, high = -other.interval.high, -other.interval.low
            difference = FromBest(-other.estimate, low, high, other.p, other.p_adjusted, other.mcnemar_p)
        rows.append(
            Confirmed(
                trial=one.trial,
                params=one.params,
                parameters=one.parameters,
                seconds=round(float(np.mean(one.seconds)), 3),
                raw=raw[one.trial],
                shrunken=true.get(one.trial),
                values=one.values,
                runs=one.runs,
                mean=found.mean,
                low=found.interval.low,
                high=found.interval.high,
                p_best=found.p_best,
                group=found.group,
                difference=difference,
            )
        )
    best = configurations[comparison.best].trial
    return tuple(sorted(rows, key=lambda row: (row.trial != best, -row.mean if maximize else row.mean)))


def _chosen(near: Sequence[Confirmed]) -> Confirmed:
    """Of these configurations, best first, the smallest, then the fastest, then the best."""
    fewest = min(row.parameters or 0 for row in near)
    small = [row for row in near if (row.parameters or 0) == fewest]
    fastest = min(row.seconds for row in small)
    return next(row for row in small if row.seconds <= max(SAME_FACTOR * fastest, fastest + SAME_SECONDS))


def _shrunken(raw: Mapping[int, float], comparison: Comparison) -> dict[int, float]:
    """The searched trials' values, corrected for the best of them having been chosen; none where nothing is known of
    their noise."""
    error = comparison.run_error
    if error is None and comparison.images is not None:
        error = binomial_error(comparison.configurations[comparison.best].mean, comparison.images)
    if not error:
        return {}
    finite = {trial: value for trial, value in raw.items() if math.isfinite(value)}
    return dict(zip(finite, shrunken(list(finite.values()), error).values, strict=True))


def _reason(
    chosen: Confirmed, near: Sequence[Confirmed], tied: int, rows: Sequence[Confirmed], left_out: Mapping[int, str]
) -> str:
    level = f"{100 * LEVEL:g} %"
    if len(rows) == 1:
        said = "the only configuration that was confirmed"
    elif tied == 1:
        said = f"better than all {len(rows) - 1} others at {level}"
    else:
        sizes = {row.parameters for row in near}
        kind = "the best" if chosen is near[0] else "the smallest" if len(sizes) > 1 else "the fastest to train"
        among = f"{kind} of {len(near)} within one standard error of the best, " if len(near) > 1 else "the best "
        said = f"{among}of {tied} that cannot be told apart at {level}"
    if left_out:
        said += "; left out: " + ", ".join(f"trial {trial} ({why})" for trial, why in left_out.items())
    return said
