"""The reviewer's rules: planted mistakes are found, good practice is left in peace, and the evidence is right."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tunetrack.report.review.noise import noise
from tunetrack.report.review.reviewed import Answers, NotJudged, Reviewed, ReviewedTrial, SearchedRange
from tunetrack.report.review.rules import RULES, reviewed_by
from tunetrack.report.review.settings import imbalance
from tunetrack.report.review.training import at_the_end, divergence, fit, running_average
from tunetrack.spec.domains import CategoricalDomain, FloatDomain, IntDomain
from tunetrack.spec.records import TrialState
from tunetrack.spec.review import ReviewFinding, Severity
from tunetrack.stats import difference_interval, images_needed

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))

from _practice import MISTAKES, Practice, made_up

NOW = datetime(2026, 1, 5, tzinfo=UTC)


def trial(number: int, value: float | None, state: TrialState = TrialState.COMPLETE, **more: Any) -> ReviewedTrial:
    metrics = {"validation/accuracy": value or 0.0, "train/loss": 0.1 * number, "validation/loss": 0.2 * number}
    params = {"trainer.seed": 0, "optimizer.lr": 0.001 * (number + 1)}
    return ReviewedTrial(number, state, **({"params": params, "metrics": metrics, "value": value} | more))


def study(*trials: ReviewedTrial, **more: Any) -> Reviewed:
    return Reviewed("made-up", True, trials, **({"images": 1000} | more))


def found(review: Any) -> dict[str, ReviewFinding]:
    return {finding.rule: finding for finding in review.findings}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_planted_mistake_is_found(mistake: str) -> None:
    changes, rules = MISTAKES[mistake]

    reviews = [reviewed_by(made_up(replace(Practice(), **changes), seed), NOW) for seed in range(3)]

    assert sum(bool(found(review).keys() & set(rules)) for review in reviews) >= 2
    assert not [rule for review in reviews for rule in review.checked if "failed" in (rule.skipped or "")]


@pytest.mark.parametrize("pruner", ["none", "good"])
def test_good_practice_raises_no_more_than_notes(pruner: str) -> None:
    for seed in range(4):
        review = reviewed_by(made_up(Practice(pruner=pruner), seed), NOW)

        assert review.at_least(Severity.LOW) == ()
        assert not [rule for rule in review.checked if "failed" in (rule.skipped or "")]


def test_ten_thousand_trials_are_reviewed_in_seconds() -> None:
    large = made_up(Practice(trials=10_000, confirmed=False, again=0.05, infeasible=0.05), 0)
    begin = time.perf_counter()

    reviewed_by(large, NOW)

    assert time.perf_counter() - begin < 10.0  # about one where nothing else runs


def test_findings_come_by_weight_and_then_by_the_order_of_the_rules() -> None:
    review = reviewed_by(made_up(Practice(images=100, confirmed=False, faithful=True, sick=True), 0), NOW)

    ranks = [finding.severity.rank for finding in review.findings]
    assert ranks == sorted(ranks)
    assert [finding.rule for finding in review.findings if finding.severity is Severity.HIGH] == [
        "test_selection",
        "noise",
    ]
    assert [rule.rule for rule in review.checked] == list(RULES)
    assert review.reviewed == "2026-01-05T00:00:00+00:00"


def test_a_rule_that_fails_is_logged_and_listed_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Reviewed) -> Iterator[ReviewFinding]:
        raise ZeroDivisionError("no trials")
        yield  # pragma: no cover

    def idle(_: Reviewed) -> Iterator[ReviewFinding]:
        raise NotJudged("nothing to go by")
        yield  # pragma: no cover

    rules = {"broken": ("breaks", broken), "idle": ("idles", idle), "noise": RULES["noise"]}
    with caplog.at_level(logging.ERROR):
        review = reviewed_by(study(trial(0, 0.9), trial(1, 0.8999)), NOW, rules)

    assert [(rule.rule, rule.skipped) for rule in review.checked] == [
        ("broken", "the rule failed: ZeroDivisionError: no trials"),
        ("idle", "nothing to go by"),
        ("noise", None),
    ]
    assert list(found(review)) == ["noise"]
    assert "the rule broken of the reviewer failed on made-up" in caplog.text


def test_a_study_without_trials_is_no_trouble() -> None:
    review = reviewed_by(study(), NOW)

    assert review.findings == ()
    assert not [rule for rule in review.checked if "failed" in (rule.skipped or "")]


def test_the_trials_that_cannot_be_told_apart_are_those_whose_interval_holds_zero() -> None:
    shares = [0.95, 0.949, 0.945, 0.94, 0.935, 0.93, 0.92, 0.9, 0.8]
    trials = [trial(number, share) for number, share in enumerate(shares)]
    near = [n for n, share in enumerate(shares) if difference_interval(950, 1000, round(1000 * share), 1000).low <= 0.0]

    (finding,) = noise(study(*trials))

    assert finding.trials == tuple(near)
    assert f"about {images_needed(0.001, 0.95):,} images" in finding.evidence
    assert finding.severity is Severity.MEDIUM
    (coarse,) = noise(study(*trials, images=100))
    assert coarse.severity is Severity.HIGH
    assert len(coarse.trials) > len(near)


def test_noise_is_judged_by_accuracy_where_the_objective_is_a_loss() -> None:
    trials = [
        trial(0, 0.30, metrics={"validation/accuracy": 0.90, "validation/loss": 0.30}),
        trial(1, 0.31, metrics={"validation/accuracy": 0.905, "validation/loss": 0.31}),
    ]

    (finding,) = noise(study(*trials, objective="validation/loss", maximize=False))

    assert "Trial 0 has 0.9000 (judged by its accuracy; the objective is validation/loss)" in finding.evidence


def test_the_learning_rate_that_parts_lost_trainings_from_others() -> None:
    rates = [1e-4, 1e-3, 1e-2, 0.1, 0.2, 0.5]
    trials = [
        trial(n, 0.1 if rate >= 0.1 else 0.9, params={"optimizer.lr": rate})
        if rate != 0.5
        else trial(n, None, TrialState.FAILED, params={"optimizer.lr": rate}, reason="TrainingDivergedError: loss")
        for n, rate in enumerate(rates)
    ]

    (finding,) = divergence(study(*trials))

    assert finding.trials == (3, 4, 5)
    assert "1 with a loss that is not finite, 2 that end at the accuracy of guessing" in finding.evidence
    assert "With optimizer.lr from 0.1 on 3 of 3 are lost, below it 0 of 3." in finding.evidence
    assert finding.advice.startswith("Search optimizer.lr below 0.1")


def test_training_metrics_are_compared_half_an_epoch_later() -> None:
    assert at_the_end([1.0, 0.6]) == pytest.approx(0.4)
    assert at_the_end([1.0]) == 1.0
    # A loss that falls in a straight line: its mean over an epoch is that of its middle, half a step above the end.
    curves = {"train/loss": (0.95, 0.85, 0.75), "validation/loss": (0.9, 0.8, 0.7)}

    (finding,) = running_average(study(trial(0, 0.9, curves=curves)))

    assert "explains 100% of the gap" in finding.evidence


def test_a_rising_validation_loss_is_over_fitting_and_a_flat_one_is_not() -> None:
    train = tuple(2.0 * 0.6**epoch for epoch in range(8))
    rising = (1.2, 0.9, 0.7, 0.6, 0.7, 0.8, 0.9, 1.0)
    flat = (1.2, 0.9, 0.7, 0.6, 0.59, 0.58, 0.58, 0.58)

    (finding,) = fit(study(trial(0, 0.8, curves={"train/loss": train, "validation/loss": rising})))

    assert "lowest in epoch 4 (0.6)" in finding.evidence
    assert list(fit(study(trial(0, 0.8, curves={"train/loss": train, "validation/loss": flat})))) == []


def test_accuracy_that_hides_a_small_class() -> None:
    names = ("cat", "dog", "newt")
    hidden = Answers(names, ((950, 5, 5), (20, 10, 0), (5, 0, 5)))  # newts are too few to be judged
    fair = Answers(names, ((300, 5, 5), (20, 300, 0), (5, 0, 300)))

    (finding,) = imbalance(study(trial(0, 0.96), answers=hidden))

    assert "of class dog (30 images) only 33% are right" in finding.evidence
    assert list(imbalance(study(trial(0, 0.96), answers=fair))) == []


@pytest.mark.parametrize(
    ("domain", "values", "expected"),
    [
        (FloatDomain(1e-4, 1e-1, log=True), [0.099, 0.098, 0.095, 0.09], True),
        (FloatDomain(1e-4, 1e-1, log=True), [0.01, 0.02, 0.008, 0.01], False),
        (FloatDomain(0.0, 0.5), [0.001, 0.002, 0.003, 0.0], False),  # nothing lies below zero
        (IntDomain(8, 128, 8), [128, 128, 128, 128], True),
        (CategoricalDomain((16, 32)), [32, 32, 32, 32], False),  # half of all draws
        (CategoricalDomain(("a", "b")), ["a", "a", "a", "a"], False),
    ],
)
def test_the_best_at_the_end_of_a_range(domain: Any, values: list[Any], expected: bool) -> None:
    rest = domain.choices[0] if isinstance(domain, CategoricalDomain) else domain.low
    given = [*values, *[rest] * 8]
    trials = [trial(n, 0.95 - 0.01 * n, params={"optimizer.x": value}) for n, value in enumerate(given)]

    review = reviewed_by(study(*trials, ranges=(SearchedRange("optimizer.x", domain),)), NOW)

    assert ("boundary" in found(review)) == expected


def test_control_trials_that_ended_well_speak_against_the_pruner() -> None:
    trials = [trial(n, 0.9 - 0.005 * n) for n in range(1, 12)]
    control = trial(0, 0.95, would_prune_at=2)

    review = reviewed_by(study(control, *trials), NOW)

    assert "Of 1 control trial that it would have ended, 1 is among the best tenth" in found(review)["pruning"].evidence
    assert "pruning" not in found(reviewed_by(study(replace(control, value=0.5), *trials), NOW))


def test_values_that_are_not_finite_break_nothing() -> None:
    curves = dict.fromkeys(("train/loss", "validation/loss", "validation/accuracy"), (math.nan, math.inf, 1.0))
    trials = [trial(n, 0.5, curves=curves, metrics={"train/loss": math.nan}) for n in range(3)]

    review = reviewed_by(study(*trials), NOW)

    assert not [rule for rule in review.checked if "failed" in (rule.skipped or "")]
