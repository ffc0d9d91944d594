"""Importances: who comes first is known, and where nothing can be said, nothing is."""

from __future__ import annotations

import logging
import random
import time

import optuna
import pytest
from report_samples import ACCURACY, FILTERS, LR, MOMENTUM, OPTIMIZER, SECONDS, study, trial

from tunetrack.report import importance_info
from tunetrack.report.interactions import interactions_info
from tunetrack.tracking.queries import StudyTable, TrialRow
from tunetrack.tracking.study_info import SearchedParam


def trials(count: int, two: bool = False) -> list[TrialRow]:
    """Only the learning rate matters; momentum exists in half of the trials."""
    rng = random.Random(1)
    rows = []
    for number in range(count):
        params = {"optimizer.lr": 10 ** rng.uniform(-5, -1), "optimizer.name": rng.choice(["adam", "sgd"])}
        params["model.filters"] = rng.randrange(16, 129, 8)
        if number % 2:
            params["optimizer.momentum"] = rng.random()
        value = 1 - abs(params["optimizer.lr"] - 0.001)
        rows.append(trial(number, (value, -value) if two else value, params=params))
    return rows


def importances(rows: list[TrialRow], two: bool = False) -> StudyTable:
    return study(rows, [FILTERS, LR, OPTIMIZER, MOMENTUM], [ACCURACY, SECONDS] if two else [ACCURACY])


@pytest.mark.parametrize("two", [False, True])
def test_what_decides_comes_first(two: bool) -> None:
    info = importance_info(importances(trials(60, two), two))

    assert info.params is not None
    assert info.params[0].path == "optimizer.lr"
    assert {param.path for param in info.params} == {
        "optimizer.lr",
        "optimizer.name",
        "optimizer.momentum",
        "model.filters",
    }
    assert sum(param.share for param in info.params) == pytest.approx(1.0)
    assert all(0 <= param.low <= param.high <= 1 for param in info.params)
    assert info.trials == 60


def test_the_point_values_are_optunas_own() -> None:
    rows = trials(40)
    info = importance_info(importances(rows))
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own = optuna.create_study(direction="maximize")
    optuna.logging.set_verbosity(optuna.logging.INFO)
    rates = [float(row.params["optimizer.lr"]) for row in rows]  # type: ignore[arg-type]
    known = {
        "optimizer.lr": optuna.distributions.FloatDistribution(min(rates), max(rates), log=True),
        "model.filters": optuna.distributions.IntDistribution(
            *(pick(int(row.params["model.filters"]) for row in rows) for pick in (min, max)),  # type: ignore[arg-type]
            step=8,
        ),
        "optimizer.name": optuna.distributions.CategoricalDistribution(["adam", "sgd"]),
        "optimizer.momentum": optuna.distributions.FloatDistribution(
            *(
                pick(float(row.params["optimizer.momentum"]) for row in rows if "optimizer.momentum" in row.params)  # type: ignore[arg-type]
                for pick in (min, max)
            )
        ),
    }
    for row in rows:
        distributions = {path: known[path] for path in row.params}
        own.add_trial(optuna.create_trial(params=dict(row.params), distributions=distributions, values=row.values))  # type: ignore[arg-type]

    assert info.params is not None
    assert {param.path: param.share for param in info.params} == pytest.approx(
        optuna.importance.get_param_importances(own)
    )


def test_the_same_study_gives_the_same_numbers() -> None:
    assert importance_info(importances(trials(20))) == importance_info(importances(trials(20)))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "0 trials finished; at least 10 are needed"),
        (trials(9), "9 trials finished; at least 10 are needed"),
        ([trial(n, 0.5, params={"optimizer.lr": n + 1.0}) for n in range(20)], "have the same value"),
        ([trial(n, n / 20, params={"optimizer.lr": 0.1}) for n in range(20)], "took more than one value"),
        ([trial(n, n / 20) for n in range(20)], "took more than one value"),
        ([trial(n, None, "PRUNED", metrics={"validation/accuracy": n / 20}) for n in range(20)], "0 trials finished"),
    ],
)
def test_nothing_is_said_where_nothing_can_be(rows: list[TrialRow], reason: str) -> None:
    info = importance_info(importances(rows))

    assert info.params is None
    assert reason in info.reason


def test_a_parameter_fixed_in_another_branch_and_odd_values_do_no_harm() -> None:
    rows = trials(20)
    odd = [{**row.params, "optimizer.lr": 0.0, "model.filters": (64, 32)} for row in rows[:3]]
    mixed = [trial(row.number, row.values, params=params) for row, params in zip(rows[:3], odd, strict=True)]

    info = importance_info(importances([*mixed, *rows[3:]]))

    assert info.params is not None


def test_the_users_log_stays_silent(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("optuna").propagate = True
    try:
        with caplog.at_level(logging.INFO, "optuna"):
            importance_info(importances(trials(12)))
    finally:
        logging.getLogger("optuna").propagate = False

    assert caplog.records == []


def test_a_choice_of_numbers_without_effect_has_no_share() -> None:
    """As a range from 32 to 128 it would get a third of all importance, by the bandwidths of its densities alone."""
    rng = random.Random(3)
    rows = []
    for number in range(1200):
        params = {"optimizer.lr": rng.random(), "batch_size": rng.choice([32, 64, 128])}
        rows.append(trial(number, params["optimizer.lr"] + rng.gauss(0, 0.1), params=params))
    info = importance_info(study(rows, [SearchedParam("optimizer.lr"), SearchedParam("batch_size")]))

    assert info.params is not None
    assert info.params[0].path == "optimizer.lr"
    assert info.params[1].share < 0.02
    assert all(param.low <= param.share <= param.high for param in info.params)
    assert info.params[0].high - info.params[0].low < 0.05


def test_ten_thousand_trials_do_not_take_seconds() -> None:
    rng = random.Random(3)
    rows = [
        trial(number, rng.random(), params={f"p{index}": rng.random() for index in range(8)})
        for number in range(10_000)
    ]
    table = study(rows, [SearchedParam(f"p{index}") for index in range(8)])
    begin = time.process_time()
    assert importance_info(table).params is not None
    assert interactions_info(table).pairs is not None
    assert time.process_time() - begin < 6.0  # 1.5 s where nothing else runs
