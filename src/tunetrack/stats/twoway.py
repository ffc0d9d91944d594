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

#: Logarithm of the smallest p that is told from zero.
_LEAST = -700.0


@dataclass(frozen=True)
class Scatter:
    """How far a mean may lie from the true one, in two parts.

    The first is known from few seeds, so it goes with a t quantile, the second from many images: half the interval's
    width is ``sqrt(t^2 seed_error^2 + z^2 image_error^2)``, the modified large-sample interval of a sum of variances
    (Graybill & Wang 1980, doi:10.1080/01621459.1980.10477565; Burdick & Graybill 1992). Satterthwaite's single t is too
    narrow with two or three seeds: their scatter happens to look small in some comparisons, and then it is believed.

    Attributes:
        seed_error: standard error from the seeds; 0 with one seed.
        image_error: standard error from the images.
        seeds: how many.
    """

    seed_error: float
    image_error: float
    seeds: int

    def width(self, level: float) -> float:
        """Half the width of the interval at this level."""
        return self._width((1.0 - level) / 2.0)

    def beyond(self, distance: float) -> float:
        """Two-sided p of a mean that lies `distance` from where it should: at 1 - p the interval just reaches it."""
        distance = abs(distance)
        if distance == 0.0 or self.seed_error == self.image_error == 0.0:
            return float(distance == 0.0)
        if self._width(math.exp(_LEAST) / 2.0) <= distance:
            return 0.0
        return math.exp(brentq(lambda p: self._width(math.exp(p) / 2.0) - distance, _LEAST, 0.0))

    def _width(self, tail: float) -> float:
        of_images = self.image_error * float(norm.isf(tail))
        if self.seed_error == 0.0:
            return of_images
        return math.hypot(self.seed_error * float(student.isf(tail, self.seeds - 1)), of_images)


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
    # Each part holds the rest once, and it counts once. Taking it from the seeds' part is right on average, but with two
    # or three seeds that part is too uncertain for it, and intervals get too narrow; from the images' part is safe and
    # wide. So the share taken from the seeds' part grows with their degrees of freedom (benchmarks/honesty.py).
    known = 1.0 - 1.0 / (seeds - 1)
    of_seeds, of_images = by_seed - known * rest, by_image - (1.0 - known) * rest
    return Scatter(math.sqrt(max(of_seeds, 0.0)), math.sqrt(max(of_images, 0.0)), seeds)
