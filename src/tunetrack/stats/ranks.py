"""Knows how far two orders agree, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.stats import norm, spearmanr

from tunetrack.stats.shares import Interval, check_level

__all__ = ["rank_correlation"]


def rank_correlation(a: Sequence[float], b: Sequence[float], level: float = 0.95) -> tuple[float, Interval]:
    """Spearman's correlation with its interval: Fisher's z with the variance of Bonett & Wright 2000, equation 3.

    Psychometrika 65, doi:10.1007/BF02294183.

    Args:
        a, b: (values,), at least four pairs, neither of them all equal.
        level: confidence, between 0 and 1.

    Returns:
        The correlation, in [-1, 1], and its interval; where the orders are the same or opposite, that alone.

    Raises:
        ValueError: there are fewer than four pairs, or one side has a single value, so that nothing is known.
    """
    check_level(level)
    count = len(a)
    if count < 4 or len(set(a)) < 2 or len(set(b)) < 2:
        raise ValueError(f"{count} pairs tell no rank correlation; at least 4 that differ are needed")
    found = float(spearmanr(a, b).statistic)
    if abs(found) >= 1.0:
        return found, Interval(found, found)
    reach = float(norm.ppf(0.5 + level / 2.0)) * math.sqrt((1.0 + found**2 / 2.0) / (count - 3))
    middle = math.atanh(found)
    return found, Interval(math.tanh(middle - reach), math.tanh(middle + reach))
