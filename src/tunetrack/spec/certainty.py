"""How sure one can be of an accuracy, from the number of images that it was measured on."""

from __future__ import annotations

import math

__all__ = ["SHARES", "binomial_error"]

#: Objectives that are a share of right answers among the validation images, so that the binomial formula holds.
SHARES = ("validation/accuracy", "best/validation/accuracy")


def binomial_error(accuracy: float, images: int) -> float:
    """Standard error of an accuracy measured on `images` images: sqrt(p (1 - p) / n).

    What the same model would scatter by on other images of the same kind. It does not hold the scatter between
    training seeds. At p = 0 or 1 the formula gives 0, so there the rule "3 / n" bounds p at 95 % and a third of the
    bound is given. Any textbook; the rule of three: Hanley & Lippman-Hand 1983, doi:10.1001/jama.1983.03330370053031.

    Args:
        accuracy: fraction in [0, 1].
        images: at least 1.
    """
    if accuracy in (0.0, 1.0):
        return 1.0 / images
    return math.sqrt(accuracy * (1.0 - accuracy) / images)
