"""Knows how configurations compare by one value a seed, where there are no answers image by image."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tunetrack.stats.best import probabilities
from tunetrack.stats.comparison import Comparison, Configuration, Difference, adjusted, grouped
from tunetrack.stats.shares import Interval, check_level
from tunetrack.stats.twoway import Floats, Scatter

__all__ = ["compare_values"]


def compare_values(values: npt.ArrayLike, maximize: bool, level: float = 0.95) -> Comparison:
    """Compare configurations by t intervals over seeds, and by paired t over the seeds that they have in common.

    Args:
        values: (configurations, seeds), the objective; entry s of every configuration was trained with the same seed.
        maximize: whether larger is better.
        level: confidence, between 0 and 1.

    Raises:
        ValueError: the shape is another one, a value is not finite, or there are fewer than two seeds: one value says
            nothing about the next.
    """
    check_level(level)
    table = np.asarray(values, dtype=np.float64)
    if table.ndim != 2 or table.shape[0] < 1 or table.shape[1] < 2:
        raise ValueError(f"values have the shape {table.shape}; (configurations, at least 2 seeds) is wanted")
    if not np.isfinite(table).all():
        raise ValueError("a value is not finite")
    means = table.mean(axis=1)
    scatters = [_scatter(row) for row in table]

    def difference(a: int, b: int) -> Difference:
        apart = table[a] - table[b]
        estimate, scatter = float(apart.mean()), _scatter(apart)
        width, p = scatter.width(level), scatter.beyond(estimate)
        return Difference(a, b, estimate, Interval(estimate - width, estimate + width), p, p, None)

    goodness = means if maximize else -means
    best = int(np.argmax(goodness))
    groups = grouped(list(goodness), difference, level)
    p_best = probabilities(goodness, table if maximize else -table, np.zeros((len(table), len(table))))
    widths = [scatter.width(level) for scatter in scatters]
    return Comparison(
        configurations=tuple(
            Configuration(float(mean), Interval(float(mean - width), float(mean + width)), float(p), group)
            for mean, width, p, group in zip(means, widths, p_best, groups, strict=True)
        ),
        differences_from_best=adjusted([difference(best, place) for place in range(len(table)) if place != best]),
        best=best,
        level=level,
        images=None,
        seeds=table.shape[1],
        run_error=float(np.sqrt(table.var(axis=1, ddof=1).mean())),
    )


def _scatter(values: Floats) -> Scatter:
    return Scatter(float(values.std(ddof=1)) / len(values) ** 0.5, 0.0, len(values))
