"""Knows how sure one can be of a number: intervals, ties, the probability of being best, what selection adds.

Pure numbers in and out: no files, no runs, no data frames. What the methods hold in numbers, and where they end:
docs/honesty.md.
"""

from __future__ import annotations

from tunetrack.stats.answers import compare_answers
from tunetrack.stats.comparison import Comparison, Configuration, Difference
from tunetrack.stats.ranks import rank_correlation
from tunetrack.stats.shares import (
    Interval,
    difference_interval,
    images_needed,
    least_difference,
    share_interval,
    tied,
)
from tunetrack.stats.shrinkage import Shrunk, shrunken
from tunetrack.stats.values import compare_values

__all__ = [
    "Comparison",
    "Configuration",
    "Difference",
    "Interval",
    "Shrunk",
    "compare_answers",
    "compare_values",
    "difference_interval",
    "images_needed",
    "least_difference",
    "rank_correlation",
    "share_interval",
    "shrunken",
    "tied",
]
