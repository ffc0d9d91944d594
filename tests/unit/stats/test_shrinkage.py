"""The winner's curse: how far the best of many lies too high, and that it is taken back."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest

from tunetrack.stats import shrunken

Floats = npt.NDArray[np.float64]
ERROR = 0.005


def near_the_top(random: np.random.Generator) -> Floats:
    return np.asarray(0.92 - 0.01 * random.exponential(size=50))


def some_hopeless(random: np.random.Generator) -> Floats:
    return np.where(random.random(50) < 0.3, 0.1 + 0.6 * random.random(50), near_the_top(random))


def all_the_same(random: np.random.Generator) -> Floats:
    return np.full(50, 0.9)


def normal(random: np.random.Generator) -> Floats:
    return np.asarray(0.9 + 0.01 * random.standard_normal(50))


@pytest.mark.parametrize("truths", [near_the_top, some_hopeless, all_the_same, normal])
def test_the_best_of_fifty_is_brought_back_to_where_it_is(truths: Callable[[np.random.Generator], Floats]) -> None:
    random, raw, corrected = np.random.default_rng(0), [], []
    for _ in range(150):
        truth = truths(random)
        seen = truth + ERROR * random.standard_normal(50)
        best = int(seen.argmax())
        raw.append(seen[best] - truth[best])
        corrected.append(shrunken(seen, ERROR).values[best] - truth[best])
    assert np.mean(raw) > 0.5 * ERROR  # what the raw value flatters by
    assert abs(np.mean(corrected)) < 0.35 * np.mean(raw)
    assert np.mean(np.square(corrected)) < np.mean(np.square(raw))


def test_values_keep_their_order_and_stay_among_what_was_seen() -> None:
    seen = np.sort(np.random.default_rng(0).normal(0.9, 0.01, 30))
    found = shrunken(seen, ERROR).values
    assert list(found) == sorted(found)
    assert seen[0] <= found[0]
    assert found[-1] < seen[-1]


def test_the_noisier_value_moves_more() -> None:
    seen = [0.88, 0.89, 0.90, 0.91, 0.95, 0.95]
    found = shrunken(seen, [0.01, 0.01, 0.01, 0.01, 0.001, 0.05]).values
    assert found[4] == pytest.approx(0.95, abs=0.002)
    assert found[5] < found[4]


def test_values_far_apart_stay_and_the_spread_is_that_of_the_true_values() -> None:
    random = np.random.default_rng(0)
    truth = 0.9 + 0.02 * random.standard_normal(2000)
    found = shrunken(truth + ERROR * random.standard_normal(2000), ERROR)
    assert found.spread == pytest.approx(0.02, rel=0.1)
    assert found.mean == pytest.approx(0.9, abs=0.002)
    assert shrunken([0.1, 0.9], 0.001).values == pytest.approx((0.1, 0.9), abs=1e-3)


@pytest.mark.parametrize("values", [[0.9], [0.9, 0.9], [-3.5]])
def test_nothing_to_learn_from_changes_nothing(values: list[float]) -> None:
    found = shrunken(values, 0.01)
    assert found.values == pytest.approx(tuple(values))
    assert found.spread == pytest.approx(0.0, abs=1e-9)


def test_a_diverged_loss_among_the_values_harms_none_of_the_others() -> None:
    losses = [0.31, 0.30, 0.32, 0.29, 0.305]
    alone, beside = shrunken(losses, 0.01), shrunken([*losses, 1e12], 0.01)
    assert beside.values[:5] == pytest.approx(alone.values, abs=0.003)
    assert beside.values[5] == pytest.approx(1e12)


@pytest.mark.parametrize(
    ("values", "errors", "said"),
    [
        ([], 0.1, r"\(trials,\) is wanted"),
        ([[0.9]], 0.1, r"\(trials,\) is wanted"),
        ([0.9, float("nan")], 0.1, "must be finite"),
        ([0.9], 0.0, "errors above 0"),
        ([0.9, 0.8], [0.1, -0.1], "errors above 0"),
        ([0.9, 0.8], [0.1, 0.1, 0.1], "broadcast"),
    ],
)
def test_what_cannot_be_shrunk_is_refused(values: object, errors: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        shrunken(np.array(values), np.array(errors))
