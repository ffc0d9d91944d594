"""Shares of right answers: intervals by hand and by counting, and the images that a difference needs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, norm

from tunetrack.stats import difference_interval, images_needed, least_difference, share_interval, tied


def test_a_share_s_interval_is_wilson_s() -> None:
    z = norm.ppf(0.975)
    centre, half = (8 + z * z / 2) / (10 + z * z), z * np.sqrt(8 * 2 / 10 + z * z / 4) / (10 + z * z)

    found = share_interval(8, 10)

    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.98])
def test_a_share_s_interval_holds_the_truth_as_often_as_it_says(share: float) -> None:
    right = np.arange(401)
    ends = [share_interval(int(count), 400) for count in right]
    held = np.array([one.low <= share <= one.high for one in ends])

    coverage = binom.pmf(right, 400, share)[held].sum()

    assert 0.93 < coverage < 0.97


def test_all_right_is_not_certainty() -> None:
    found = share_interval(30, 30)
    assert 0.8 < found.low < 0.95
    assert found.high == pytest.approx(1.0)


def test_a_higher_level_is_wider() -> None:
    narrow, wide = share_interval(90, 100, 0.8), share_interval(90, 100, 0.99)
    assert wide.low < narrow.low < 0.9 < narrow.high < wide.high


def test_the_difference_of_two_shares_has_newcombe_s_interval() -> None:
    """Newcombe 1998, table II, line a: 56 of 70 and 48 of 80 give 0.0524 to 0.3339 by method 10."""
    found = difference_interval(56, 70, 48, 80)
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_the_images_needed_find_such_a_difference_as_often_as_asked_for() -> None:
    random = np.random.default_rng(0)
    images = images_needed(0.02, 0.9, power=0.8)
    a, b = (random.binomial(images, share, 20_000) / images for share in (0.9, 0.88))

    error = np.sqrt(a * (1 - a) / images + b * (1 - b) / images)
    power = (np.abs(a - b) > norm.ppf(0.975) * error).mean()

    assert power == pytest.approx(0.8, abs=0.02)


def test_a_tenth_of_the_difference_needs_a_hundred_times_the_images() -> None:
    assert images_needed(0.001, 0.9) / images_needed(0.01, 0.9) == pytest.approx(100, rel=0.05)
    assert images_needed(-0.01, 0.9) == images_needed(0.01, 0.9)


def test_the_least_difference_is_just_significant() -> None:
    """Two models with the same number of images, one by this much better: z of the two-sample test is 1.96."""
    least = least_difference(0.9, 10_000)
    assert least == pytest.approx(1.96 * np.sqrt(2 * 0.9 * 0.1 / 10_000), rel=1e-3)
    assert least_difference(0.9, 40_000) == pytest.approx(least / 2)
    assert least_difference(1.0, 100) > 0.0


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: share_interval(5, 0), "0 images; at least 1 is needed"),
        (lambda: share_interval(11, 10), "11 right answers of 10 images"),
        (lambda: share_interval(1, 10, level=1.0), "level is 1.0; it must lie between 0 and 1"),
        (lambda: difference_interval(1, 10, -1, 10), "-1 right answers of 10 images"),
        (lambda: images_needed(0.0, 0.9), "difference is 0.0; it must be a fraction other than 0"),
        (lambda: images_needed(float("nan"), 0.9), "difference is nan"),
        (lambda: least_difference(1.5, 10), "15.0 right answers of 10 images"),
    ],
)
def test_numbers_out_of_range_are_refused(call, said: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=said):
        call()


def test_accuracies_that_cannot_be_told_apart_from_the_best() -> None:
    shares = [0.95, 0.94, 0.94, 0.90, 0.89, 2.0, 0.85]
    images = [500, 500, 20, 500, 500, 500, 20]
    found = tied(shares, images)
    assert found == (1, 2, 6)  # few images tell little; a share beyond 1 is none
    for place in range(1, len(shares)):
        if shares[place] <= 1.0:
            own = difference_interval(475, 500, round(shares[place] * images[place]), images[place])
            assert (own.low <= 0.0 <= own.high) == (place in found)
    assert tied([], []) == ()
    assert tied([0.5], [10]) == ()
