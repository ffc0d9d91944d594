"""A winner written to JSON and read again is the same winner; what is no winner is refused in words."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from tunetrack.errors import TrackingError
from tunetrack.spec.winner import Confirmed, FromBest, TestLook, Winner


def confirmed(trial: int, mean: float, group: int, estimate: float) -> Confirmed:
    return Confirmed(
        trial=trial,
        params={"optimizer.lr": 0.001, "optimizer.name": "adam"},
        parameters=91722,
        seconds=12.3,
        raw=0.915,
        shrunken=None if trial == 30 else 0.911,
        values=(mean - 0.001, mean + 0.001),
        runs=("a" * 32, "b" * 32),
        mean=mean,
        low=mean - 0.005,
        high=mean + 0.005,
        p_best=0.5,
        group=group,
        difference=FromBest(estimate, estimate - 0.004, estimate + 0.004, 0.2, 0.4) if estimate else FromBest(),
    )


WINNER = Winner(
    study="digits",
    study_run="c" * 32,
    confirm_study="digits-confirm",
    confirm_run="d" * 32,
    metric="validation/accuracy",
    maximize=True,
    level=0.95,
    images=10000,
    seeds=(1000, 1001),
    by_image=True,
    searched_trials=50,
    chosen=7,
    best=12,
    reason="the smallest of 2 that cannot be told apart at 95 %",
    configurations=(confirmed(12, 0.913, 1, 0.0), confirmed(7, 0.911, 1, -0.002), confirmed(30, 0.8, 2, -0.113)),
    test=TestLook(7, (0.90, 0.91), 0.905, 0.899, 0.911, 10000, 1),
    trials=6,
    train_seconds=73.8,
)


@pytest.mark.parametrize("winner", [WINNER, replace(WINNER, test=None)])
def test_what_is_written_is_read_again(winner: Winner) -> None:
    assert Winner.from_json(winner.to_json()) == winner
    assert Winner.from_json(winner.to_json().encode()) == winner


def test_it_knows_the_chosen_one_and_who_is_tied_with_the_best() -> None:
    assert WINNER.winner.trial == 7
    assert [one.trial for one in WINNER.tied] == [12, 7]
    assert WINNER.of(30) is WINNER.configurations[2]
    assert WINNER.of(31) is None


def test_a_later_version_says_so() -> None:
    later = json.dumps({**json.loads(WINNER.to_json()), "version": 2})
    with pytest.raises(TrackingError, match="has version 2, and this tunetrack reads version 1"):
        Winner.from_json(later)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 1}'])
def test_what_is_no_winner_is_refused(text: str) -> None:
    with pytest.raises(TrackingError, match="confirm again"):
        Winner.from_json(text)
