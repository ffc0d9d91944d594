"""Configurations compared by one value a seed: Student's paired t, Holm, groups, directions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t as student
from scipy.stats import ttest_1samp, ttest_rel
from statsmodels.stats.multitest import multipletests

from tunetrack.stats import Comparison, Difference, Interval, compare_values
from tunetrack.stats.comparison import adjusted, grouped

VALUES = np.array([[0.50, 0.54, 0.49, 0.52], [0.40, 0.43, 0.41, 0.42], [0.51, 0.52, 0.50, 0.53]])


def test_intervals_and_p_are_student_s() -> None:
    found = compare_values(VALUES, maximize=True)

    for row, one in zip(VALUES, found.configurations, strict=True):
        expected = ttest_1samp(row, 0.0).confidence_interval(0.95)
        assert (one.interval.low, one.interval.high) == pytest.approx((expected.low, expected.high))
    assert found.best == 2
    for difference in found.differences_from_best:
        expected = ttest_rel(VALUES[2], VALUES[difference.b])
        assert difference.p == pytest.approx(expected.pvalue, rel=1e-6)
        assert difference.interval.low == pytest.approx(expected.confidence_interval(0.95).low)
    assert found.images is None
    assert found.run_error == pytest.approx(VALUES.var(axis=1, ddof=1).mean() ** 0.5)


def test_the_smaller_is_the_better_where_asked() -> None:
    found = compare_values(VALUES, maximize=False)
    assert found.best == 1
    assert [one.group for one in found.configurations] == [2, 1, 2]
    assert found.configurations[1].p_best > 0.9
    assert all(one.estimate < 0.0 for one in found.differences_from_best)


def test_p_best_does_not_mind_what_a_seed_does_to_all_configurations() -> None:
    shifted = VALUES + 100.0 * np.array([1.0, -2.0, 3.0, 0.5])
    plain, moved = (compare_values(table, maximize=True) for table in (VALUES, shifted))
    for one, other in zip(plain.configurations, moved.configurations, strict=True):
        assert one.p_best == pytest.approx(other.p_best, abs=0.01)


def test_probabilities_of_being_best_come_true() -> None:
    """Of configurations said to be the best with about 70 %, about 70 % are; they come true rather more often."""
    random, stated, came = np.random.default_rng(0), [], []
    for _ in range(400):
        truth = random.normal(size=4)
        found = compare_values(truth[:, None] + random.normal(size=(4, 5)), maximize=True)
        best = max(found.configurations, key=lambda one: one.p_best)
        stated.append(best.p_best)
        came.append(found.configurations[int(truth.argmax())] is best)
    assert -0.03 < np.mean(came) - np.mean(stated) < 0.1
    assert 0.6 < np.mean(stated) < 0.85


def test_equal_values_have_no_scatter_and_no_favourite() -> None:
    found = compare_values([[1.0, 1.0], [1.0, 1.0]], maximize=True)
    assert found.tied == (0, 1)
    assert found.configurations[0].interval == Interval(1.0, 1.0)
    assert found.configurations[0].p_best == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([[1.0], [2.0]], "at least 2 seeds"),
        ([1.0, 2.0], "at least 2 seeds"),
        ([[1.0, float("nan")]], "not finite"),
        ([[1.0, float("inf")]], "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(values: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare_values(np.array(values), maximize=True)


def difference(p: float, a: int = 0, b: int = 1) -> Difference:
    return Difference(a, b, 0.0, Interval(0.0, 0.0), p, p, None)


@pytest.mark.parametrize("p", [[0.01], [0.04, 0.01, 0.03], [0.5, 0.9, 0.4], [0.01, 0.01, 1.0, 0.0], []])
def test_holm_s_correction_is_that_of_statsmodels(p: list[float]) -> None:
    found = [one.p_adjusted for one in adjusted([difference(one) for one in p])]
    assert found == pytest.approx(list(multipletests(p, method="holm")[1]) if p else [])


def test_groups_begin_anew_with_the_best_of_the_rest() -> None:
    means = [0.5, 0.9, 0.4, 0.6, 0.89]

    def by_distance(a: int, b: int) -> Difference:
        return difference(1.0 if abs(means[a] - means[b]) < 0.15 else 0.0, a, b)

    assert grouped(means, by_distance, 0.95) == [2, 1, 3, 2, 1]


def test_near_the_best_are_those_within_one_standard_error() -> None:
    random = np.random.default_rng(2)
    values = np.array([[0.5], [0.499], [0.492], [0.485], [0.4]]) + 0.01 * random.standard_normal((5, 8))

    found = compare_values(values, maximize=True)

    others = [place for place in range(5) if place != found.best]
    near = {place for place in others if ttest_rel(values[found.best], values[place]).pvalue > 0.3173} | {found.best}
    assert set(found.near) == near
    assert {found.best} < near < set(found.tied) < set(range(5))


def test_a_single_configuration_is_its_own_group() -> None:
    found = compare_values([[1.0, 2.0, 3.0]], maximize=True)
    assert isinstance(found, Comparison)
    assert found.tied == (0,)
    half = student.ppf(0.975, 2) / 3**0.5
    assert found.configurations[0].interval.high == pytest.approx(2.0 + half)
