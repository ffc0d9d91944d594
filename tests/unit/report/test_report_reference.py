"""The comparison with an original: numbers that are known by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from report_samples import ACCURACY, history, study, trial

from tunetrack.report.claims import noise_claims
from tunetrack.report.compared_curves import CURVES, compared_curves, shown_metrics
from tunetrack.report.compute import compute_info
from tunetrack.report.derived import by_epoch, convergence_epoch, history_metrics, trial_metric
from tunetrack.report.protocol import protocol_info
from tunetrack.report.reference import Compared, Verdict, reference_info
from tunetrack.spec.reference import Reference
from tunetrack.tracking.study_info import Objective

BEST, LOSS, SIZE = "best/validation/accuracy", "first/train/loss", "model/parameters"
EMPTY = history({})


def reference(*rows: tuple[dict[str, Any], dict[str, float]], **more: Any) -> Reference:
    return Reference.model_validate(
        {"rows": [{"when": when, "values": values} for when, values in rows], "images": 100} | more
    )


def compared(*trials: Any, epochs: pd.DataFrame = EMPTY, name: str = "ours", **images: int) -> Compared:
    return Compared(study(trials, name=name), epochs, images or {"validation": 100})


def one(number: int, lr: float, state: str = "COMPLETE", **metrics: float) -> Any:
    stored = {BEST if key == "best" else key: value for key, value in metrics.items()}
    return trial(number, metrics.get("best"), state, params={"optimizer.lr": lr}, metrics=stored)


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([2.0, 1.0, 0.5, 0.25], 4),  # never still
        ([1.0, 1.0, 1.0, 1.0, 1.0], 4),  # the third change is that from epoch 3 to 4
        ([2.0, 1.0, 1.0005, 1.0, 1.0009, 0.5], 5),  # either way counts
        ([1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5], 7),  # a large change starts the count anew
        ([1.0, 1.001, 1.002, 1.003], 4),  # a change of 0.001 and rounding is no standstill
        ([1.0], 1),
    ],
)
def test_convergence_epoch(losses: list[float], expected: int) -> None:
    assert convergence_epoch(losses) == expected


def test_metrics_are_stored_or_follow_from_the_epochs() -> None:
    epochs = by_epoch(history({"run0": [2.5, 1.0, 1.0, 1.0, 1.0]}, "train/loss"))
    found = one(0, 0.1, best=0.9, **{"validation/loss": math.nan})

    assert trial_metric(found, BEST, epochs) == 0.9
    assert trial_metric(found, "first/train/loss", epochs) == 2.5
    assert trial_metric(found, "convergence_epoch", epochs) == 5.0
    assert trial_metric(found, "validation/loss", epochs) is None
    assert trial_metric(found, "train_seconds", epochs) is None
    assert trial_metric(one(1, 0.1), "convergence_epoch", epochs) is None
    assert history_metrics([BEST, "first/train/loss", "convergence_epoch"]) == ("train/loss",)
    assert history_metrics(["first/validation/accuracy", BEST]) == ("validation/accuracy",)


def test_a_row_has_the_mean_of_its_complete_trials_with_errors_and_verdict() -> None:
    ours = compared(
        one(0, 0.1, best=0.6), one(1, 0.1, best=0.7), one(2, 0.01, best=0.9), one(3, 0.1, "PRUNED", best=0.1)
    )
    honest = compared(one(0, 0.1, best=0.75), name="honest")
    (line,) = reference_info(reference(({"optimizer.lr": 0.1}, {BEST: 0.5})), [ours, honest]).lines
    (cell,) = line.cells
    two, single = cell.comparisons

    assert line.label == "lr 0.1"
    assert cell.error == pytest.approx(0.05)  # sqrt(0.5 * 0.5 / 100)
    assert two.ours is not None
    assert two.ours.trials == (0, 1)
    assert two.ours.mean == pytest.approx(0.65)
    assert two.ours.error == pytest.approx(math.sqrt(0.65 * 0.35 / 100))
    assert two.ours.spread == pytest.approx(0.1 / math.sqrt(2))
    assert two.difference == pytest.approx(0.15)
    assert two.error == pytest.approx(math.sqrt(0.0025 + 0.002275 + 0.005 * 1.5))
    assert two.verdict is Verdict.AGREES  # 0.15 <= 2 * 0.1108
    assert single.ours is not None
    assert single.ours.spread is None
    assert single.error == pytest.approx(math.sqrt(0.0025 + 0.001875))
    assert single.verdict is Verdict.DIFFERS  # 0.25 > 2 * 0.0661


def test_other_metrics_need_a_scatter_of_their_own_and_counts_are_exact() -> None:
    rows = (
        ({"optimizer.lr": 0.1}, {"train_seconds": 10.0, SIZE: 1000.0}),
        ({"optimizer.lr": 0.01}, {"train_seconds": 10.0, SIZE: 1000.0}),
        ({"optimizer.lr": 0.2}, {"train_seconds": 10.0}),
        ({"optimizer.lr": 0.3}, {"train_seconds": 10.0}),
    )
    ours = compared(
        one(0, 0.1, train_seconds=11.0, **{SIZE: 1000.0}),
        one(1, 0.1, train_seconds=13.0, **{SIZE: 1000.0}),
        one(2, 0.01, train_seconds=11.0, **{SIZE: 1001.0}),
        one(3, 0.2, train_seconds=11.0),
        one(4, 0.2, train_seconds=11.0),
    )
    info = reference_info(reference(*rows), [ours])
    verdicts = [[cell.comparisons[0].verdict for cell in line.cells] for line in info.lines]

    assert verdicts == [
        [Verdict.AGREES, Verdict.AGREES],  # 2 <= 2 * sqrt(2 * 1.5)
        [Verdict.UNKNOWN, Verdict.DIFFERS],
        [Verdict.UNKNOWN],  # two equal runs are one deterministic run
        [Verdict.NO_TRIAL],
    ]
    assert info.lines[0].cells[0].comparisons[0].error == pytest.approx(math.sqrt(3.0))
    assert [info.count(verdict) for verdict in Verdict] == [2, 1, 2, 1]
    assert info.count(Verdict.AGREES, metric=SIZE) == 1
    assert info.lines[0].cell("best/epoch") is None


def test_images_of_the_trial_come_before_those_of_the_study() -> None:
    own = replace(one(0, 0.1, best=0.5), params={"optimizer.lr": 0.1, "data.validation": 400})
    ours = compared(own, one(1, 0.2, best=0.5), validation=100, test=25)
    rows = (({"optimizer.lr": 0.1}, {BEST: 0.5}), ({"optimizer.lr": 0.2}, {BEST: 0.5}))
    errors = [
        line.cells[0].comparisons[0].ours.error  # type: ignore[union-attr]
        for line in reference_info(reference(*rows), [ours]).lines
    ]

    assert errors == [pytest.approx(0.025), pytest.approx(0.05)]


def test_without_a_number_of_images_the_original_has_no_error() -> None:
    ours = compared(one(0, 0.1, best=0.5))
    info = reference_info(reference(({}, {BEST: 0.9, "train/accuracy": 0.9}), images=None), [ours])
    (line,) = info.lines

    assert line.label == "all trials"
    assert [cell.error for cell in line.cells] == [None, None]
    assert line.cells[0].comparisons[0].error == pytest.approx(0.05)  # ours alone


def test_claims_count_what_lies_within_two_standard_errors_of_the_best() -> None:
    # Original, 100 images: 0.97 +- 0.0171; 0.93 +- 0.0255 is 0.04 away (2 * 0.0307), 0.90 +- 0.03 is 0.07 (2 * 0.0345).
    rows = tuple(({"optimizer.lr": lr}, {BEST: value}) for lr, value in ((0.1, 0.97), (0.2, 0.93), (0.3, 0.90)))
    ours = compared(one(0, 0.1, best=0.9), one(1, 0.2, best=0.5), validation=10_000)
    original, here = noise_claims(reference_info(reference(*rows), [ours]))

    assert (original.study, original.configurations, original.near, original.best) == (None, 3, 2, "lr 0.1")
    assert original.error == pytest.approx(math.sqrt(0.97 * 0.03 / 100))
    assert (here.study, here.configurations, here.near, here.best) == ("ours", 2, 1, "lr 0.1")


def test_a_single_configuration_or_metrics_without_error_claim_nothing() -> None:
    ours = compared(one(0, 0.1, best=0.9, train_seconds=1.0))

    assert noise_claims(reference_info(reference(({}, {BEST: 0.9, "train_seconds": 2.0})), [ours])) == ()


def test_protocol_from_parameters_and_study_file() -> None:
    params = {"data.name": "mnist", "trainer.epochs": 3, "data.seed": 0}
    trials = [trial(n, 0.9, params={**params, "optimizer.lr": 10.0**-n, "trainer.batch_size": 8 * n}) for n in (1, 2)]
    document = {"sampler": {"name": "nsgaii", "seed": 4}, "pruner": {"name": "median"}, "budget": {"seconds": 60}}
    info = protocol_info(study(trials), document, {"training": 800, "validation": 100})

    assert info.faithful is False
    assert "none of the test images" in info.validation
    assert dict(info.settings) == {
        "data set": "mnist",
        "epochs": "3",
        "learning rate": "0.01, 0.1",
        "batch size": "8, 16",
        "seed of the split": "0",
    }
    assert info.search == (
        ("objective", "maximize validation/accuracy"),
        ("sampler", "optuna nsgaii, seed 4"),
        ("pruner", "median"),
        ("budget", "60 seconds"),
    )
    assert protocol_info(study(trials), {}, {}).search[-1] == ("budget", "20 trials")


def test_protocol_says_what_is_faithful_and_shortens_long_lists() -> None:
    faithful = [trial(n, 0.9, params={"data.faithful": True, "optimizer.lr": n / 100}) for n in range(1, 9)]
    honest = trial(9, 0.9, params={"data.faithful": False, "data.augment.validation": True})
    same, mixed = protocol_info(study(faithful), {}, {}), protocol_info(study([*faithful, honest]), {}, {})

    assert same.faithful is True
    assert "first ones of the official test set" in same.validation
    assert dict(same.settings)["learning rate"] == "8 values from 0.01 to 0.08"
    assert mixed.faithful is None
    assert "cannot be compared" in mixed.validation
    assert "augmented, too" in mixed.validation


def test_compute_adds_up_seconds_and_takes_the_median_speed() -> None:
    trials = [
        trial(0, 0.9, metrics={"train_seconds": 10.0, "images_per_second": 100.0}),
        trial(1, 0.8, metrics={"train_seconds": 20.0, "images_per_second": 300.0}),
        trial(2, None, "PRUNED", metrics={"train_seconds": 5.0, "images_per_second": 900.0}),
    ]
    table = study(trials)
    info = compute_info(table)

    assert (info.trials, info.seconds, info.wall, info.machine) == (3, 35.0, 7200.0, "")
    assert info.images_per_second == 200.0
    running = replace(table, study=replace(table.study, end=None, tags={"tunetrack.machine": "cpu, 2 threads"}))
    assert compute_info(running).wall is None
    assert compute_info(running).machine == "cpu, 2 threads"


def test_curves_of_a_reference_are_spread_from_the_best_to_the_worst() -> None:
    count = 15
    trials = [one(n, n / 100, best=n / 20) for n in range(count)]
    curves = history({f"run{n}": [0.1, n / 20] for n in range(count)})
    rows = tuple(({"optimizer.lr": n / 100}, {BEST: 0.5}) for n in range(count + 1))  # the last one has no trial
    ours = compared(*trials, epochs=curves)
    info = compared_curves(ours, reference_info(reference(*rows), [ours]))
    drawn = [row.label for row in info.rows if row.curve]

    assert (info.curve_metric, info.point_metric) == ("validation/accuracy", BEST)
    assert len(info.rows) == count + 1
    assert len(drawn) == CURVES
    assert {"lr 0", "lr 0.14"} <= set(drawn)
    assert info.rows[14].curve == (0.1, 0.7)
    assert info.rows[14].ours == (0.7, pytest.approx(math.sqrt(0.7 * 0.3 / 100)))
    assert info.rows[14].original == (0.5, pytest.approx(0.05))
    assert info.rows[15].ours is None


def test_curves_without_a_reference_are_those_of_the_best_trials() -> None:
    trials = [trial(n, 0.5 + n / 100) for n in range(12)]
    curves = history({"run11": [0.2, math.nan, 0.3], "run10": [0.4]})
    info = compared_curves(compared(*trials, epochs=curves), None)

    assert [row.label for row in info.rows] == [f"trial {n}" for n in range(11, 3, -1)]
    assert info.rows[0].curve == (0.2,)  # up to the first value that is not finite
    assert info.rows[1].curve == (0.4,)
    assert info.rows[2].curve is None
    assert info.rows[0].ours == (0.61, pytest.approx(math.sqrt(0.61 * 0.39 / 100)))


def test_the_curves_show_what_the_reference_names() -> None:
    table = study([], goals=[Objective("validation/loss", False)])
    ours = Compared(table, EMPTY)

    def metrics(*names: str) -> tuple[str, str]:
        return shown_metrics(ours, reference_info(reference(({}, dict.fromkeys(names, 0.5))), [ours]))

    assert metrics("train_seconds", BEST) == ("validation/accuracy", BEST)
    assert metrics("first/train/loss") == ("train/loss", "first/train/loss")
    assert metrics("train_seconds") == ("validation/loss", "train_seconds")
    assert shown_metrics(ours, None) == ("validation/loss", "validation/loss")
    assert shown_metrics(Compared(study([], goals=[ACCURACY]), EMPTY), None)[0] == "validation/accuracy"
