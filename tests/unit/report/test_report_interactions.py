"""Interactions: known functions, conditional parameters, and where nothing can be said."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from report_samples import ACCURACY, study, trial
from sklearn import inspection
from sklearn.ensemble import RandomForestRegressor

from tunetrack.report.forest import partial_dependence
from tunetrack.report.interactions import InteractionsInfo, interactions_info
from tunetrack.tracking.study_info import SearchedParam

PATHS = ("x", "y", "z")


def found(function: Callable[[dict[str, Any]], float], count: int = 300, seed: int = 0) -> InteractionsInfo:
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        params: dict[str, Any] = {path: rng.uniform(-1, 1) for path in PATHS} | {"kind": rng.choice(["a", "b"])}
        if params["kind"] == "b":
            params["only_b"] = rng.uniform(-1, 1)
        rows.append(trial(number, function(params) + rng.gauss(0, 0.01), params=params))
    searched = [*(SearchedParam(path) for path in PATHS), SearchedParam("kind", numeric=False)]
    return interactions_info(study(rows, [*searched, SearchedParam("only_b", conditional=True)], [ACCURACY]))


def strengths(info: InteractionsInfo) -> dict[frozenset[str], float]:
    assert info.pairs is not None
    assert all(0 <= pair.low <= pair.strength <= pair.high <= 1 for pair in info.pairs)
    assert [pair.strength for pair in info.pairs] == sorted((pair.strength for pair in info.pairs), reverse=True)
    return {frozenset((pair.a, pair.b)): pair.strength for pair in info.pairs}


def test_a_product_acts_together_and_a_sum_does_not() -> None:
    product = strengths(found(lambda p: p["x"] * p["y"]))
    added = strengths(found(lambda p: p["x"] + p["y"]))

    assert product.pop(frozenset("xy")) > 0.3
    assert max(product.values()) < 0.05
    assert max(added.values()) < 0.02


def test_a_number_acts_with_a_category() -> None:
    values = strengths(found(lambda p: p["x"] if p["kind"] == "a" else -p["x"]))
    assert values.pop(frozenset(("x", "kind"))) > 0.5
    assert max(values.values()) < 0.05


def test_a_conditional_parameter_is_judged_where_it_is() -> None:
    values = strengths(found(lambda p: p["x"] * p.get("only_b", 0.0)))
    assert max(values, key=lambda pair: values[pair]) == frozenset(("x", "only_b"))
    assert frozenset(("kind", "only_b")) not in values  # all trials that have it are of one kind


@pytest.mark.parametrize(
    ("count", "reason"), [(5, "5 trials finished; at least 30 are needed"), (0, "0 trials finished; at least 30")]
)
def test_few_trials_say_nothing(count: int, reason: str) -> None:
    info = found(lambda p: p["x"], count)
    assert info.pairs is None
    assert info.reason.startswith(reason)


def test_equal_values_say_nothing() -> None:
    rows = [trial(number, 0.5, params={"x": number, "y": -number}) for number in range(60)]
    info = interactions_info(study(rows, [SearchedParam("x"), SearchedParam("y")]))
    assert info.pairs is None
    assert "no two important parameters" in info.reason


def test_the_partial_dependence_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((200, 3))
    forest = RandomForestRegressor(10, random_state=0).fit(points, points[:, 0] * points[:, 1])
    theirs = inspection.partial_dependence(
        forest, points, [(0, 1)], method="recursion", kind="average", grid_resolution=4
    )
    grid = np.array(list(itertools.product(*theirs["grid_values"])))
    ours = partial_dependence(forest.estimators_, grid, (0, 1))
    assert ours == pytest.approx(theirs["average"].ravel())
