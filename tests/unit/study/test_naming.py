"""Which configuration wins: the smallest of those near the best, then the fastest, then the best; and why, in words."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tunetrack.errors import SpecError
from tunetrack.ledger import TrialRecord
from tunetrack.spec import Objective, TrialState
from tunetrack.spec.confirm import Confirms
from tunetrack.spec.winner import Winner
from tunetrack.study.naming import compared, named
from tunetrack.study.replicates import Replicated
from tunetrack.study.result import StudyResult, StudyTrial

SEARCHED = (0.90, 0.91, 0.92, 0.60)
TRIALS = (2, 1, 0)


def trial(number: int, value: float, lr: float = 0.1) -> StudyTrial:
    config = {"optimizer": {"lr": lr}, "trainer": {"seed": 7}}
    record = TrialRecord(number, TrialState.COMPLETE, {}, config, (value,))
    return StudyTrial(record, f"run-{number}", ("optimizer.lr", "trainer.seed"))


def study(name: str, values: tuple[float, ...], metric: str = "validation/accuracy", **more: Any) -> StudyResult:
    trials = tuple(trial(number, value) for number, value in enumerate(values))
    return StudyResult(
        name, (Objective(metric=metric),), ("optimizer.lr",), trials, name, "1", "sqlite://", 500, **more
    )


def winner(
    values: list[tuple[float, ...]],
    parameters: tuple[int, ...] = (300, 200, 100),
    seconds: tuple[float, ...] = (10.0, 10.0, 10.0),
    metric: str = "validation/accuracy",
    **left_out: str,
) -> Winner:
    """Of configurations 2, 1 and 0, which have these values on the shared seeds."""
    seeds = tuple(range(len(values[0])))
    confirms = Confirms(study="a", key="k", run="a", trials=TRIALS, seeds=seeds)
    flat = tuple(value for column in zip(*values, strict=True) for value in column)
    again = study("a-confirm", flat, metric, confirms=confirms)
    rows = [
        Replicated(
            original,
            tuple(again.trials[number] for number in confirms.replicates(original)),
            tuple(f"run-{number}" for number in confirms.replicates(original)),
            own,
            (time,) * len(own),
            size,
        )
        for original, own, size, time in zip(TRIALS, values, parameters, seconds, strict=True)
    ]
    comparison = compared(rows, None, metric.endswith("accuracy"))
    return named(study("a", SEARCHED, metric), again, rows, comparison, {int(k[1:]): v for k, v in left_out.items()})


NOISY = [(0.92, 0.88, 0.91), (0.88, 0.92, 0.90), (0.91, 0.90, 0.88)]


def test_the_smallest_of_those_near_the_best_wins() -> None:
    found = winner(NOISY)
    assert (found.best, found.chosen) == (2, 0)
    assert (
        found.reason
        == "the smallest of 3 within one standard error of the best, of 3 that cannot be told apart at 95 %"
    )
    assert [one.trial for one in found.configurations] == [2, 1, 0]  # best mean first
    assert [one.raw for one in found.configurations] == [0.92, 0.91, 0.90]
    assert found.searched_trials == 4
    assert found.trials == 9
    assert found.train_seconds == 90.0
    assert found.winner.params == {"optimizer.lr": 0.1}  # without the training seed
    assert found.model_run == "run-5"  # seeds 0 to 2 of trial 0 are trials 2, 5, 8; 5 has the median value


def test_of_equal_size_one_that_trains_clearly_faster_wins() -> None:
    sizes = (100, 100, 100)
    assert winner(NOISY, sizes, (10.0, 9.0, 8.5)).chosen == 2  # no more than machines differ
    faster = winner(NOISY, sizes, (10.0, 7.0, 8.9))
    assert (faster.chosen, faster.reason) == (
        1,
        "the fastest to train of 3 within one standard error of the best, of 3 that cannot be told apart at 95 %",
    )
    assert winner(NOISY, sizes, (0.9, 0.1, 0.1)).chosen == 2  # less than a second is no reason
    best = winner(NOISY, sizes).reason
    assert best == "the best of 3 within one standard error of the best, of 3 that cannot be told apart at 95 %"


def test_the_smallest_of_a_tie_does_not_win_where_it_is_farther_off_than_one_standard_error() -> None:
    found = winner([(0.90, 0.92, 0.94), (0.60, 0.61, 0.59), (0.89, 0.89, 0.93)])
    assert [one.group for one in found.configurations] == [1, 1, 2]
    assert (found.chosen, found.reason) == (2, "the best of 2 that cannot be told apart at 95 %")


def test_what_is_worse_for_sure_does_not_win_for_being_small() -> None:
    apart = [(0.92, 0.91, 0.92), (0.81, 0.80, 0.80), (0.71, 0.70, 0.70)]
    found = winner(apart)
    assert (found.chosen, found.reason) == (2, "better than all 2 others at 95 %")
    assert [one.group for one in found.configurations] == [1, 2, 3]
    second = found.configurations[1].difference
    assert second.estimate == pytest.approx(-0.34 / 3)
    assert second.low < second.estimate < second.high < 0.0
    assert found.configurations[0].difference.p is None


def test_a_loss_is_smaller_for_the_better_one() -> None:
    found = winner([(0.3, 0.31, 0.3), (0.2, 0.21, 0.2), (0.4, 0.41, 0.4)], metric="validation/loss")
    assert not found.maximize
    assert [one.trial for one in found.configurations] == [1, 2, 0]
    assert found.chosen == 1


def test_the_searched_value_is_corrected_for_having_been_chosen() -> None:
    best = winner(NOISY).of(2)
    assert best is not None
    assert best.shrunken is not None
    assert math.isfinite(best.shrunken)
    assert best.shrunken < best.raw


def test_what_was_left_out_is_said() -> None:
    assert winner(NOISY, t3="1 of 3 trainings FAILED").reason.endswith("; left out: trial 3 (1 of 3 trainings FAILED)")


def test_one_seed_needs_answers() -> None:
    with pytest.raises(SpecError, match="one seed says nothing about the next"):
        winner([(0.9,), (0.8,), (0.7,)])
    one = Replicated(0, (trial(0, 0.9),), ("run-0",), (0.9,), (1.0,), 10)
    right = np.arange(100)[None, None, :] < 90
    assert compared([one], right, True).configurations[0].mean == pytest.approx(0.9)
