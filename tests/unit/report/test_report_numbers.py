"""Every number of the report on studies whose answers are known by hand."""

from __future__ import annotations

import math

import pytest
from report_samples import (
    ACCURACY,
    FILTERS,
    LOSS,
    LR,
    MOMENTUM,
    OPTIMIZER,
    SECONDS,
    history,
    study,
    trial,
)

from tunetrack.report import (
    certainty_info,
    curves_info,
    failures_info,
    history_info,
    leaderboard_info,
    slice_info,
    states_info,
)
from tunetrack.report.curves import curve_trials
from tunetrack.report.values import pareto_front, window
from tunetrack.report.words import cost_words
from tunetrack.spec.certainty import binomial_error
from tunetrack.spec.records import TrialState


def test_history_knows_the_best_so_far_and_what_pruned_trials_had_reached() -> None:
    trials = [
        trial(0, 0.7),
        trial(1, None, "PRUNED", metrics={"validation/accuracy": 0.95}),
        trial(2, 0.6),
        trial(3, 0.9),
        trial(4),
        trial(5, 0.9, "DUPLICATE", duplicate_of=3),
        trial(6, math.nan),
    ]

    info = history_info(study(trials))

    assert info.best_so_far == ((0, 0.7), (3, 0.9))
    assert [point.value for point in info.points] == [0.7, 0.95, 0.6, 0.9, None, 0.9, None]


def test_history_minimises() -> None:
    info = history_info(study([trial(0, 0.7), trial(1, 0.9), trial(2, 0.6)], goals=[LOSS]))

    assert info.best_so_far == ((0, 0.7), (2, 0.6))


def test_history_of_the_second_objective() -> None:
    table = study([trial(0, (0.7, 9.0)), trial(1, (0.8, 4.0))], goals=[ACCURACY, SECONDS])

    assert history_info(table, 1).best_so_far == ((0, 9.0), (1, 4.0))


def test_curves_are_those_of_the_best_and_of_the_pruned() -> None:
    trials = [trial(0, 0.7), trial(1, 0.9), trial(2, None, "PRUNED"), trial(3, 0.9, "DUPLICATE", duplicate_of=1)]
    points = history({"run0": [0.5, 0.7], "run1": [0.6, math.nan, 0.9], "run2": [0.3]})

    info = curves_info(study(trials), points, best=1)

    assert [(c.number, c.rank, c.epochs, c.values) for c in info.curves] == [
        (1, 1, (1, 3), (0.6, 0.9)),
        (2, None, (1,), (0.3,)),
    ]
    assert info.maximize
    assert info.pruned == 1


def test_pruned_curves_are_spread_over_the_study() -> None:
    table = study([trial(number, None, "PRUNED") for number in range(100)])

    assert [row.number for row in curve_trials(table, pruned=4)] == [0, 25, 50, 75]


def test_a_slice_keeps_log_scale_categories_and_absence() -> None:
    trials = [
        trial(0, 0.7, params={"optimizer.lr": 0.1, "optimizer.name": "sgd", "optimizer.momentum": 0.5}),
        trial(1, 0.8, params={"optimizer.lr": 0.0, "optimizer.name": "adam"}),
        trial(2, None, "PRUNED", params={"optimizer.name": "sgd"}, metrics={"validation/accuracy": 0.4}),
        trial(3, None, "FAILED", params={"optimizer.lr": 0.1, "optimizer.name": "sgd"}),
        trial(4, 0.7, "DUPLICATE", params={"optimizer.lr": 0.1, "optimizer.name": "sgd"}, duplicate_of=0),
    ]

    lr, name, momentum = slice_info(study(trials, [LR, OPTIMIZER, MOMENTUM]))

    assert (lr.log, lr.categories, lr.left_out) == (True, None, 2)
    assert [(point.number, point.x, point.value) for point in lr.points] == [(0, 0.1, 0.7)]
    assert name.categories == ("adam", "sgd")
    assert [(p.x, p.state.value) for p in name.points] == [(1, "COMPLETE"), (0, "COMPLETE"), (1, "PRUNED")]
    assert [point.number for point in momentum.points] == [0]
    assert momentum.left_out == 2


def test_choices_without_order_are_named_in_full_and_numbers_sorted_as_numbers() -> None:
    values = [(128, 64), None, 16, 8, True, "x" * 200]
    trials = [trial(number, 0.5, params={"model.filters": value}) for number, value in enumerate(values)]

    (one,) = slice_info(study(trials, [FILTERS]))

    assert one.categories == ("8", "16", "[128, 64]", "null", "true", "x" * 200)


def test_the_leaderboard_keeps_best_and_final_apart() -> None:
    metrics = {
        "best/validation/accuracy": 0.93,
        "best/epoch": 4.0,
        "final/validation/accuracy": 0.9,
        "model/parameters": 1234.0,
        "train_seconds": 55.5,
    }
    trials = [
        trial(0, 0.8),
        trial(1, 0.9, metrics=metrics, params={"optimizer.lr": 0.01, "data.seed": 0}),
        trial(2, 0.9, "DUPLICATE", duplicate_of=1, metrics={"test/accuracy": 0.88}),
        trial(3),
    ]

    info = leaderboard_info(study(trials), history({"run1": [0.5, 0.7, 0.8, 0.93, 0.9]}))

    first, second = info.rows
    assert info.finished == 2
    assert (first.number, first.values, first.params) == (1, (0.9,), {"optimizer.lr": 0.01})
    assert (first.best_accuracy, first.best_epoch, first.final_accuracy) == (0.93, 4, 0.9)
    assert (first.epochs, first.seconds, first.parameters, first.test_accuracy) == (5, 55.5, 1234, 0.88)
    assert (second.number, second.epochs, second.seconds, second.best_accuracy) == (0, None, 10.0, None)
    assert first.on_front
    assert not second.on_front


def test_the_leaderboard_of_two_objectives_starts_with_the_front() -> None:
    table = study([trial(0, (0.9, 9.0)), trial(1, (0.85, 9.5)), trial(2, (0.5, 1.0))], goals=[ACCURACY, SECONDS])

    rows = leaderboard_info(table, history({})).rows

    assert [(row.number, row.on_front) for row in rows] == [(0, True), (2, True), (1, False)]


def test_states_count_trials_and_seconds() -> None:
    trials = [
        trial(0, 0.7, metrics={"train_seconds": 30.0}, seconds=99_999.0),
        trial(1, None, "PRUNED", metrics={"train_seconds": 10.0}),
        trial(2, None, "RUNNING", seconds=None),
    ]

    info = states_info(study(trials))

    assert [(row.state.value, row.count, row.seconds, row.unknown) for row in info.rows] == [
        ("RUNNING", 1, 0.0, 1),
        ("COMPLETE", 1, 30.0, 0),
        ("PRUNED", 1, 10.0, 0),
    ]
    assert (info.trials, info.seconds, info.pruned_share) == (3, 40.0, 0.25)


def test_what_health_rules_ended_is_counted_apart_from_the_pruner() -> None:
    reasons = ["", ": dead_units: 9 of 10 units", ": exploding: the last step", ": dead_units: 8 of 10 units"]
    trials = [trial(n, None, "PRUNED", reason=f"pruned after epoch 3 of 10{why}") for n, why in enumerate(reasons)]

    info = states_info(study(trials))

    assert info.ended_by == {"dead_units": 2, "exploding": 1}
    assert "; health rules ended 3 trials (dead_units 2, exploding 1)." in cost_words(info)


def test_failures_are_grouped_by_reason() -> None:
    trials = [
        trial(0, reason="a"),
        trial(1, None, "INFEASIBLE", reason="b"),
        trial(2, reason="b"),
        trial(3, reason="b"),
    ]

    assert [(group.state, group.reason, group.numbers) for group in failures_info(study(trials))] == [
        (TrialState.FAILED, "b", (2, 3)),
        (TrialState.FAILED, "a", (0,)),
        (TrialState.INFEASIBLE, "b", (1,)),
    ]


def test_the_best_trials_interval_is_wilsons() -> None:
    trials = [trial(0, 0.9), trial(1, 0.85), trial(2, 0.78), trial(3, 0.9, "DUPLICATE", duplicate_of=0)]

    info = certainty_info(study(trials), validation_images=100)

    assert (info.best, info.value, info.images) == (0, 0.9, 100)
    z, p, n = 1.959964, 0.9, 100  # Wilson 1927, by hand
    middle, half = (p + z * z / (2 * n)), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert info.interval is not None
    assert info.interval.low == pytest.approx((middle - half) / (1 + z * z / n), abs=1e-6)
    assert info.interval.high == pytest.approx((middle + half) / (1 + z * z / n), abs=1e-6)


def test_trials_are_told_apart_by_the_interval_of_their_difference() -> None:
    # 0.90 - 0.81 of 100 images each: Newcombe's interval holds 0, although 0.81 lies below that of 0.90 alone.
    trials = [trial(0, 0.9), trial(1, 0.81), trial(2, 0.78), trial(3, 0.78)]

    assert certainty_info(study(trials), validation_images=100).near == (1,)
    assert certainty_info(study(trials), validation_images=10_000).near == ()


def test_trials_with_fewer_images_are_harder_to_tell_apart() -> None:
    few = {"data.validation": 20}
    table = study([trial(0, 0.9), trial(1, 0.8), trial(2, 0.8, params=few), trial(3, 0.2, params=few)])

    assert certainty_info(table, validation_images=1000).near == (2,)


def test_the_trials_own_number_of_images_counts_first() -> None:
    table = study([trial(0, 0.5, params={"data.validation": 10_000})])

    interval = certainty_info(table, 100).interval
    assert interval is not None
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 0.005, rel=0.01)


def test_a_perfect_accuracy_is_not_certain() -> None:
    assert binomial_error(1.0, 50) == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("goal", "images", "reason"),
    [(LOSS, 100, "is no accuracy"), (ACCURACY, None, "number of validation images is not known")],
)
def test_no_interval_is_made_up(goal: object, images: int | None, reason: str) -> None:
    info = certainty_info(study([trial(0, 0.5)], goals=[goal]), images)  # type: ignore[list-item]

    assert info.interval is None
    assert reason in info.reason
    assert info.near == ()


def test_several_objectives_have_a_front_and_no_winner() -> None:
    table = study([trial(0, (0.9, 9.0)), trial(1, (0.8, 9.0)), trial(2, (0.5, 1.0))], goals=[ACCURACY, SECONDS])

    info = certainty_info(table, 100)

    assert (info.best, info.interval, info.front) == (None, None, (0, 2))


def test_nothing_finished() -> None:
    info = certainty_info(study([trial(0)]), 100)

    assert (info.best, info.interval, info.reason) == (None, None, "no trial finished")
    assert states_info(study([])).pruned_share is None


@pytest.mark.parametrize(
    ("points", "maximize", "front"),
    [
        ([], (True, True), ()),
        ([(1, 1), (1, 1)], (True, True), (0, 1)),
        ([(1, 5), (2, 5), (3, 1)], (True, False), (2,)),
        ([(1, 1), (2, 2), (1, 3)], (False, False), (0,)),
    ],
)
def test_pareto_front(points: list[tuple[float, ...]], maximize: tuple[bool, bool], front: tuple[int, ...]) -> None:
    assert pareto_front(points, maximize) == front


def test_one_diverged_trial_does_not_flatten_the_axis() -> None:
    assert window([0.80, 0.82, 0.84, 0.86, 0.1], maximize=True) == (pytest.approx(0.80 - 4 * 0.04), 0.86)
    assert window([0.20, 0.18, 0.16, 0.14, 50.0], maximize=False)[1] < 1
    assert window([0.1, 0.9], maximize=True) == (0.1, 0.9)
    assert window([0.5] * 9 + [0.1], maximize=True) == (0.1, 0.5)
