"""Knows how far the best of many noisy values lies above its true one, and takes that back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunetrack.stats.twoway import Floats

__all__ = ["Shrunk", "shrunken"]

#: Steps of expectation maximisation. More of them only sharpen the fitted distribution, which helps no estimate.
_STEPS = 100
#: Distance of the points that carry the fitted distribution, in typical errors, and how far they reach beyond a value.
_GAP, _REACH = 0.5, 2.0
#: How many there are at the most.
_MOST = 1000


@dataclass(frozen=True)
class Shrunk:
    """Estimates of true values from noisy ones.

    Attributes:
        values: the estimate of each trial's true value, in the order of input.
        spread: standard deviation of the true values between trials.
        mean: of the true values.
    """

    values: tuple[float, ...]
    spread: float
    mean: float


def shrunken(values: npt.ArrayLike, errors: npt.ArrayLike) -> Shrunk:
    """The estimate of each trial's true value, given that all of them were looked at.

    Nonparametric empirical Bayes: the distribution of true values is the one under which the seen values are most
    likely (Kiefer & Wolfowitz 1956, doi:10.1214/aoms/1177728066), and the estimate is a value's posterior mean under it
    (Jiang & Zhang 2009, doi:10.1214/08-AOS638; on the winner's curse Efron 2011, doi:10.1198/jasa.2011.tm11181). The
    true values of a search are not normal: many are nearly as good as the best and some are hopeless, and one normal
    distribution for all of them would hardly move the best one (benchmarks/honesty.py).

    Args:
        values: (trials,), at least one, finite.
        errors: standard error of each value, or one for all; above 0.

    Raises:
        ValueError: shapes do not fit, a value is not finite, or an error is not above 0.
    """
    seen = np.asarray(values, dtype=np.float64)
    if seen.ndim != 1 or not len(seen):
        raise ValueError(f"values have the shape {seen.shape}; (trials,) is wanted")
    noise = np.broadcast_to(np.asarray(errors, dtype=np.float64), seen.shape)
    if not np.isfinite(seen).all() or not np.isfinite(noise).all() or not (noise > 0.0).all():
        raise ValueError("values must be finite and errors above 0")
    points = _points(seen, float(np.median(noise)))
    distance = ((seen[:, None] - points) / noise[:, None]) ** 2
    likelihood = np.exp(-0.5 * (distance - distance.min(axis=1, keepdims=True)))  # a factor of a row has no effect
    weights = np.full(len(points), 1.0 / len(points))
    for _ in range(_STEPS):
        weights = weights * (likelihood / (likelihood @ weights)[:, None]).mean(axis=0)
    posterior = likelihood * weights / (likelihood @ weights)[:, None]
    estimates = posterior @ points
    mean = float(weights @ points)
    return Shrunk(
        tuple(float(value) for value in estimates),
        float(weights @ (points - mean) ** 2) ** 0.5,
        mean,
    )


def _points(seen: Floats, error: float) -> Floats:
    """Where true values may lie: a grid about the seen values, denser than their errors, and none outside of them."""
    step = _GAP * error
    near = np.rint(seen / step)[:, None] + np.arange(-_REACH / _GAP, _REACH / _GAP + 1)
    points: Floats = np.unique(np.clip(near * step, seen.min(), seen.max()))
    if len(points) > _MOST:
        points = points[np.linspace(0, len(points) - 1, _MOST).round().astype(int)]
    return points
