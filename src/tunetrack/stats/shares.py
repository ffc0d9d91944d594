"""Knows what a share of right answers tells: its interval, and the images that a difference needs."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import norm
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from tunetrack.spec.certainty import binomial_error

__all__ = [
    "Interval",
    "check_level",
    "difference_interval",
    "images_needed",
    "least_difference",
    "share_interval",
    "tied",
]


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low, high: its ends, in the unit of what it is the interval of.
    """

    low: float
    high: float


def check_level(level: float) -> None:
    """Raises ValueError where a confidence level does not lie between 0 and 1."""
    if not 0.0 < level < 1.0:
        raise ValueError(f"level is {level}; it must lie between 0 and 1")


def share_interval(right: float, images: float, level: float = 0.95) -> Interval:
    """Interval of one trained model's accuracy over new images of the same kind: Wilson 1927.

    It knows nothing of training again with another seed. doi:10.1080/01621459.1927.10502953.

    Args:
        right: right answers, 0 to `images`.
        images: at least 1.
        level: confidence, between 0 and 1.

    Returns:
        Fractions in [0, 1].

    Raises:
        ValueError: a number is out of its range.
    """
    check_level(level)
    _check_counts(right, images)
    low, high = proportion_confint(right, images, alpha=1.0 - level, method="wilson")
    return Interval(float(low), float(high))


def difference_interval(right_a: int, n_a: int, right_b: int, n_b: int, level: float = 0.95) -> Interval:
    """Interval of accuracy a - accuracy b, two models measured on different images: Newcombe 1998, method 10.

    Where both have answered the same images, `compare_answers` is narrower.

    Args:
        right_a, right_b: right answers, 0 to `n_a` and `n_b`.
        n_a, n_b: images, at least 1.
        level: confidence, between 0 and 1.

    Returns:
        Fractions in [-1, 1].

    Raises:
        ValueError: a number is out of its range.
    """
    check_level(level)
    _check_counts(right_a, n_a)
    _check_counts(right_b, n_b)
    low, high = confint_proportions_2indep(
        right_a, n_a, right_b, n_b, method="newcomb", compare="diff", alpha=1.0 - level
    )
    return Interval(float(low), float(high))


def tied(shares: Sequence[float], images: Sequence[int], level: float = 0.95) -> tuple[int, ...]:
    """Places of the accuracies that cannot be told apart from the first one: the interval of the difference holds 0.

    Args:
        shares: accuracies of one trained model each, the best first; those outside of [0, 1] are passed over.
        images: on how many images each was measured, at least 1.
        level: confidence, between 0 and 1.

    Returns:
        Places in the order of input; the first one itself is left out.
    """
    if not shares:
        return ()
    right = round(shares[0] * images[0])
    near, apart = [], set[int]()
    for place, (value, count) in enumerate(zip(shares[1:], images[1:], strict=True), 1):
        # The best come first: beyond one that can be told apart, so can all with as many images.
        if count in apart or not 0.0 <= value <= 1.0:
            continue
        interval = _difference(right, images[0], round(value * count), count, level)
        if interval.low <= 0.0 <= interval.high:
            near.append(place)
        else:
            apart.add(count)
    return tuple(near)


#: Trials share accuracies, since there are only so many images: of 10,000 trials a few hundred are computed.
_difference = functools.lru_cache(maxsize=20_000)(difference_interval)


def least_difference(share: float, images: int, level: float = 0.95) -> float:
    """The smallest difference of two accuracies that the number of images lets one tell from zero.

    z sqrt(2) times the binomial standard error. It takes the two models' mistakes to be unrelated, which makes it
    larger than what a comparison image by image needs.

    Args:
        share: accuracy, fraction in [0, 1].
        images: validation images, at least 1.
        level: confidence, between 0 and 1.

    Returns:
        A fraction.

    Raises:
        ValueError: a number is out of its range.
    """
    check_level(level)
    _check_counts(share * images, images)
    return float(norm.ppf(0.5 + level / 2.0)) * math.sqrt(2.0) * binomial_error(share, images)


def images_needed(difference: float, share: float, level: float = 0.95, power: float = 0.8) -> int:
    """Validation images with which a difference of two accuracies would be told from zero, unpaired.

    (z_level + z_power)^2 (p (1 - p) + q (1 - q)) / difference^2 with p = share and q the accuracy that is worse by the
    difference (Fleiss, Levin & Paik 2003, formula 4.14 without continuity correction).

    Args:
        difference: of the two accuracies, fraction, not 0; its sign does not matter.
        share: the better accuracy, fraction in [0, 1].
        level: confidence, between 0 and 1.
        power: probability that a difference of this size is found, between 0 and 1.

    Returns:
        Images for each of the two, at least 1.

    Raises:
        ValueError: a number is out of its range, or the difference is 0.
    """
    check_level(level)
    check_level(power)
    _check_counts(share, 1)
    if difference == 0.0 or not abs(difference) <= 1.0:
        raise ValueError(f"difference is {difference}; it must be a fraction other than 0")
    other = max(share - abs(difference), 0.0)
    quantiles = float(norm.ppf(0.5 + level / 2.0) + norm.ppf(power))
    images = quantiles**2 * (share * (1.0 - share) + other * (1.0 - other)) / difference**2
    return max(1, math.ceil(images))


def _check_counts(right: float, images: float) -> None:
    if not images >= 1:
        raise ValueError(f"{images} images; at least 1 is needed")
    if not 0 <= right <= images:
        raise ValueError(f"{right} right answers of {images} images")
