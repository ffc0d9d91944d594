"""Knows how far the best of many noisy values lies above its true one, and takes that back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from statsmodels.stats.meta_analysis import combine_effects

__all__ = ["Shrunk", "shrunken"]


@dataclass(frozen=True)
class Shrunk:
    """Estimates of true values from noisy ones.

    Attributes:
        values: the estimate of each trial's true value, in the order of input.
        errors_within: standard deviation of the true value about its estimate.
        spread: standard deviation of the true values between trials; 0 where noise alone explains what is seen.
        mean: of the true values.
    """

    values: tuple[float, ...]
    errors_within: tuple[float, ...]
    spread: float
    mean: float


def shrunken(values: npt.ArrayLike, errors: npt.ArrayLike) -> Shrunk:
    """The estimate of each trial's true value, given that all of them were looked at.

    Args:
        values: (trials,), at least one, finite.
        errors: standard error of each value, or one for all; above 0.

    Raises:
        ValueError: shapes do not fit, a value is not finite, or an error is not above 0.
    """
    seen = np.asarray(values, dtype=np.float64)
    noise = np.broadcast_to(np.asarray(errors, dtype=np.float64), seen.shape)
    if seen.ndim != 1 or not len(seen):
        raise ValueError(f"values have the shape {seen.shape}; (trials,) is wanted")
    if not np.isfinite(seen).all() or not np.isfinite(noise).all() or not (noise > 0.0).all():
        raise ValueError("values must be finite and errors above 0")
    if len(seen) == 1:
        return Shrunk((float(seen[0]),), (float(noise[0]),), 0.0, float(seen[0]))
    fitted = combine_effects(seen, noise**2, method_re="iterated")
    spread2, mean = max(float(fitted.tau2), 0.0), float(fitted.mean_effect_re)
    kept = spread2 / (spread2 + noise**2)
    return Shrunk(
        tuple(float(value) for value in mean + kept * (seen - mean)),
        tuple(float(error) for error in noise * np.sqrt(kept)),
        spread2**0.5,
        mean,
    )
