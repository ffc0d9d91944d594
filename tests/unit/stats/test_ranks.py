"""Rank correlation: the formula by hand, and how often its interval holds."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from tunetrack.stats import rank_correlation


def test_the_interval_is_that_of_bonett_and_wright() -> None:
    found, interval = rank_correlation([1, 2, 3, 4, 5, 6], [1, 2, 3, 5, 4, 6])
    assert found == pytest.approx(1 - 6 * 2 / (6 * 35))
    reach = 1.959964 * math.sqrt((1 + found**2 / 2) / 3)
    assert interval.low == pytest.approx(math.tanh(math.atanh(found) - reach), rel=1e-5)
    assert interval.high == pytest.approx(math.tanh(math.atanh(found) + reach), rel=1e-5)


def test_orders_that_are_the_same_or_opposite() -> None:
    for sign in (1, -1):
        found, interval = rank_correlation([1, 2, 3, 4], [sign * value for value in (1, 2, 3, 4)])
        assert (found, interval.low, interval.high) == (sign, sign, sign)


@pytest.mark.parametrize(("a", "b"), [([1, 2, 3], [1, 2, 3]), ([1, 1, 1, 1], [1, 2, 3, 4])])
def test_what_tells_nothing_is_refused(a: list[float], b: list[float]) -> None:
    with pytest.raises(ValueError, match="pairs tell no rank correlation"):
        rank_correlation(a, b)


def test_it_holds_the_true_correlation_in_95_of_100_cases() -> None:
    true = 0.6
    normal = 2 * math.sin(math.pi * true / 6)  # Pearson's correlation of normal numbers with this rank correlation
    draws = multivariate_normal([0, 0], [[1, normal], [normal, 1]]).rvs(
        (1000, 30), random_state=np.random.default_rng(0)
    )
    held = 0
    for pairs in draws:
        _, interval = rank_correlation(list(pairs[:, 0]), list(pairs[:, 1]))
        held += interval.low <= true <= interval.high
    assert 930 <= held <= 970
