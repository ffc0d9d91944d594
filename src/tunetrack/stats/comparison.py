"""Knows what a comparison of configurations says, and how differences become groups that cannot be told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tunetrack.stats.shares import Interval

__all__ = ["Comparison", "Configuration", "Difference", "adjusted", "grouped"]

#: Two-sided p of a deviation of one standard error.
_ONE_ERROR = 0.3173


@dataclass(frozen=True)
class Configuration:
    """What is known of one configuration.

    Attributes:
        mean: over seeds and images; a fraction for accuracies.
        interval: where the mean over new seeds and new images lies, at the comparison's level; with one seed over new
            images alone.
        p_best: probability that its true mean is the best of those compared, in [0, 1].
        group: 1 for those that cannot be told apart from the best one, 2 for those that cannot be told apart from the
            best of the rest, and so on.
    """

    mean: float
    interval: Interval
    p_best: float
    group: int


@dataclass(frozen=True)
class Difference:
    """What is known of the difference of two configurations, a minus b.

    Attributes:
        a, b: their places in the order of input.
        estimate: mean of a minus mean of b.
        interval: of this one difference, at the comparison's level.
        p: two-sided, of no difference; in [0, 1].
        p_adjusted: `p` corrected for the number of differences from the best: Holm 1979.
        mcnemar_p: exact test on the images that just one of the two answers rightly (McNemar 1947); None where there
            are several seeds, or no answers.
    """

    a: int
    b: int
    estimate: float
    interval: Interval
    p: float
    p_adjusted: float
    mcnemar_p: float | None


@dataclass(frozen=True)
class Comparison:
    """Configurations compared on the same seeds, and on the same images where there are answers.

    Attributes:
        configurations: in the order of input.
        differences_from_best: the best one minus each other one, in the order of input; the best itself is left out.
        best: place of the one with the best mean.
        level: confidence of all intervals, and 1 minus the level of the tests.
        images: how many; None where values were compared.
        seeds: how many.
        run_error: what the value of one training scatters by, about its configuration's true mean and apart from what
            all configurations have in common; None with one seed. It is what `shrunken` wants as error of a
            searched trial.
    """

    configurations: tuple[Configuration, ...]
    differences_from_best: tuple[Difference, ...]
    best: int
    level: float
    images: int | None
    seeds: int
    run_error: float | None = None

    @property
    def tied(self) -> tuple[int, ...]:
        """Places of those that cannot be told apart from the best one, and of the best one itself."""
        return tuple(place for place, one in enumerate(self.configurations) if one.group == 1)

    @property
    def near(self) -> tuple[int, ...]:
        """Places of those within one standard error of the best one (unadjusted p above 0.32), and of the best itself.

        Whoever prefers small models chooses among these: the one-standard-error rule (Breiman, Friedman, Olshen & Stone
        1984, section 3.4.3). It keeps half or most of the accuracy that confirming has won, where the smallest of a
        whole tie keeps none: with few seeds a tie holds nearly everything (docs/honesty.md).
        """
        close = {one.b for one in self.differences_from_best if one.p > _ONE_ERROR}
        return tuple(place for place in range(len(self.configurations)) if place in close or place == self.best)

    @property
    def caution(self) -> str:
        """What a reader must know about few seeds; empty with three or more."""
        if self.seeds == 1:
            return "one seed: the intervals hold for other images, not for training again"
        return (
            "two seeds: the intervals are wide, since two trainings say little about the next"
            if self.seeds == 2
            else ""
        )


def adjusted(differences: Sequence[Difference]) -> tuple[Difference, ...]:
    """The same differences with Holm's correction for their number (Holm 1979, doi:10.2307/4615733)."""
    p = np.array([one.p for one in differences])
    order = np.argsort(p)
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    return tuple(replace(one, p_adjusted=float(value)) for one, value in zip(differences, corrected, strict=True))


def grouped(means: Sequence[float], difference: Callable[[int, int], Difference], level: float) -> list[int]:
    """The group of each configuration.

    The best one is compared with all others; those whose adjusted p is above 1 - level form group 1 with it, and the
    rest is treated in the same way.

    Args:
        means: larger is better.
        difference: of two places; `p_adjusted` is not looked at.
        level: confidence.
    """
    groups, left, group = [0] * len(means), list(range(len(means))), 1
    while left:
        best = left[int(np.argmax([means[place] for place in left]))]
        others = [place for place in left if place != best]
        told = adjusted([difference(best, place) for place in others])
        tied = {best, *(one.b for one in told if one.p_adjusted > 1.0 - level)}
        for place in tied:
            groups[place] = group
        left, group = [place for place in left if place not in tied], group + 1
    return groups
