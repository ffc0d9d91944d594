"""Knows how a mean over seeds and images scatters: over new seeds, and over new images.

The two are crossed: every seed answers every image. With answer = mean + seed + image + rest, the mean over S seeds and
N images has the variance s_seed^2 / S + s_image^2 / N + s_rest^2 / (S N), and the mean squares of the two-way table
estimate its parts (Searle, Casella & McCulloch 1992, chapter 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.stats import norm
from scipy.stats import t as student

__all__ = ["Floats", "Scatter", "scatter_of"]

Floats = npt.NDArray[np.float64]

#: Points of the normal distribution over which the t distribution's tail is summed, and their weights.
_POINTS = np.linspace(-9.0, 9.0, 2001)
_WEIGHTS = norm.pdf(_POINTS) / norm.pdf(_POINTS).sum()


@dataclass(frozen=True)
class Scatter:
    """How far a mean may lie from the true one: seed_error times t (seeds - 1) plus image_error times normal.

    Two parts are kept apart, since the first is known from few seeds only and the second from many images. The sum of
    a t and a normal variable is the Behrens-Fisher distribution (Fisher 1935); it errs on the side of wide intervals,
    where Satterthwaite's single t errs on that of narrow ones when there are two or three seeds.

    Attributes:
        seed_error: standard error from the seeds; 0 with one seed.
        image_error: standard error from the images.
        seeds: how many.
    """

    seed_error: float
    image_error: float
    seeds: int

    def beyond(self, distance: float) -> float:
        """Two-sided probability of a deviation of at least `distance`, by chance alone."""
        distance = abs(distance)
        if self.seed_error == 0.0:
            return 1.0 if self.image_error == 0.0 else float(2.0 * norm.sf(distance / self.image_error))
        if self.image_error == 0.0:
            return float(2.0 * student.sf(distance / self.seed_error, self.seeds - 1))
        left = (distance - self.image_error * _POINTS) / self.seed_error
        return float(2.0 * (_WEIGHTS @ student.sf(left, self.seeds - 1)))

    def width(self, level: float) -> float:
        """Half the width of the interval at this level."""
        total = math.hypot(self.seed_error, self.image_error)
        if total == 0.0:
            return 0.0
        largest = float(student.ppf(0.5 + level / 2.0, max(self.seeds - 1, 1))) * 2.0 * total
        found: float = brentq(lambda distance: self.beyond(distance) - (1.0 - level), 0.0, largest, rtol=1e-6)
        return found


def scatter_of(table: Floats) -> Scatter:
    """The scatter of a table's mean over new seeds and new images.

    Args:
        table: (seeds, images), right answers as 1 and 0, or differences of two such tables.
    """
    seeds, images = table.shape
    mean = float(table.mean())
    by_image = float(table.mean(axis=0).var(ddof=1)) / images if images > 1 else 0.0
    if seeds == 1:
        return Scatter(0.0, math.sqrt(by_image), 1)
    by_seed = float(table.mean(axis=1).var(ddof=1)) / seeds
    total = float(((table - mean) ** 2).sum())
    squares = total - by_seed * seeds * (seeds - 1) * images - by_image * images * (images - 1) * seeds
    rest = max(squares, 0.0) / ((seeds - 1) * max(images - 1, 1)) / (seeds * images)
    # Both parts hold the rest once; it counts once.
    return Scatter(math.sqrt(by_seed), math.sqrt(max(by_image - rest, 0.0)), seeds)
