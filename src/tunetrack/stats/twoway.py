"""Knows how a mean over seeds and images scatters: over new seeds, and over new images.

The two are crossed: every seed answers every image. With answer = mean + seed + image + rest, the mean over S seeds and
N images has the variance s_seed^2 / S + s_image^2 / N + s_rest^2 / (S N), and the mean squares of the two-way table
estimate its parts (Searle, Casella & McCulloch 1992, Variance Components, chapter 4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import brentq
from scipy.special import ndtri, stdtrit

__all__ = ["Floats", "Scatter", "TwoWay", "two_way"]

Floats = npt.NDArray[np.float64]

#: Logarithm of the smallest p that is told from zero.
_LEAST = -700.0


@dataclass(frozen=True)
class Scatter:
    """How far a mean may lie from the true one, in two parts.

    The first is known from few seeds, so it goes with a t quantile, the second from many images: half the interval's
    width is ``sqrt(t^2 seed_error^2 + z^2 image_error^2)``, the root of the summed squares of the two parts' own widths
    (Howe 1974, J. Am. Stat. Assoc. 69, 789). Satterthwaite's single t (1946, doi:10.2307/3002019) is too narrow with
    two or three seeds: in some comparisons their scatter happens to look small, and then it is believed.

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
        of_images = self.image_error * float(ndtri(tail))
        of_seeds = self.seed_error * float(stdtrit(self.seeds - 1, tail)) if self.seed_error > 0.0 else 0.0
        return math.hypot(of_seeds, of_images)


@dataclass(frozen=True)
class TwoWay:
    """The parts of the variance of a two-way table's mean; all in the square of the table's unit.

    Attributes:
        by_seed: variance between the seeds' means, divided by the seeds; holds the rest once. 0 with one seed.
        by_image: variance between the images' means, divided by the images; holds the rest once.
        rest: what neither seed nor image explains, divided by seeds and images. 0 with one seed.
        seeds: how many.
    """

    by_seed: float
    by_image: float
    rest: float
    seeds: int

    def scatter(self, least: float = 0.0) -> Scatter:
        """How far the mean may lie from that over new seeds and new images.

        Args:
            least: standard error that comes on top of the images' part.
        """
        # Both parts hold the rest, and it counts once. It is taken from the seeds' part where it makes up little of the
        # images' part, and from the images' part where it makes up most of it: always from the first gives intervals
        # that are too narrow with few seeds, always from the second some that are too wide. With the third power,
        # 95 % intervals hold the truth in 95 to 97.5 % of cases from three seeds on (benchmarks/honesty.py).
        from_seeds = (1.0 - self.rest / self.by_image) ** 3 if self.by_image > self.rest else 0.0
        of_seeds = max(self.by_seed - from_seeds * self.rest, 0.0)
        of_images = max(self.by_image - (1.0 - from_seeds) * self.rest, 0.0)
        return Scatter(math.sqrt(of_seeds), math.sqrt(of_images + least**2), self.seeds)

    def of_one_seed(self) -> float:
        """Variance of the mean of a single new seed over as many new images."""
        return self.by_seed * self.seeds + self.by_image - self.rest


def two_way(table: Floats) -> TwoWay:
    """The parts of the variance of a table's mean.

    Args:
        table: (seeds, images), right answers as 1 and 0, or differences of two such tables.
    """
    seeds, images = table.shape
    by_image = float(table.mean(axis=0).var(ddof=1)) / images if images > 1 else 0.0
    if seeds == 1:
        return TwoWay(0.0, by_image, 0.0, 1)
    by_seed = float(table.mean(axis=1).var(ddof=1)) / seeds
    total = float(((table - table.mean()) ** 2).sum())
    squares = total - seeds * images * ((seeds - 1) * by_seed + (images - 1) * by_image)
    rest = max(squares, 0.0) / ((seeds - 1) * max(images - 1, 1)) / (seeds * images)
    return TwoWay(by_seed, by_image, rest, seeds)
