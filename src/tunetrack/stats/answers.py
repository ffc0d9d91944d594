"""Knows how configurations compare by their answers to the same images, over seeds that they have in common."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from statsmodels.stats.contingency_tables import mcnemar

from tunetrack.stats.best import probabilities
from tunetrack.stats.comparison import Comparison, Configuration, Difference, adjusted, grouped
from tunetrack.stats.shares import Interval, check_level
from tunetrack.stats.twoway import Floats, Scatter, two_way

__all__ = ["compare_answers"]


def compare_answers(correct: npt.ArrayLike, level: float = 0.95, rng_seed: int = 0) -> Comparison:
    """Compare configurations image by image; what is said holds for new seeds and for new images.

    Args:
        correct: bool (configurations, seeds, images): whether the answer was right. Seeds and images are the same, in
            the same order, for all configurations.
        level: confidence, between 0 and 1.
        rng_seed: of the draws behind `p_best`.

    Returns:
        The comparison. With one seed it holds for new images alone (`Comparison.caution`).

    Raises:
        ValueError: the shape is another one, or `correct` is not bool.
    """
    check_level(level)
    given = np.asarray(correct)
    if given.ndim != 3 or 0 in given.shape or given.dtype != np.bool_:
        raise ValueError(f"answers are {given.dtype} {given.shape}; bool (configurations, seeds, images) is wanted")
    tables = given.astype(np.float64)
    count, seeds, images = tables.shape
    means = tables.mean(axis=(1, 2))
    scatters = [two_way(table).scatter() for table in tables]

    def difference(a: int, b: int) -> Difference:
        return _difference(a, b, given, level)

    best = int(np.argmax(means))
    groups = grouped(list(means), difference, level)
    p_best = probabilities(means, tables.mean(axis=2), _image_errors(tables), rng_seed)
    return Comparison(
        configurations=tuple(
            Configuration(float(mean), _share_interval(float(mean), scatter, images, level), float(p), group)
            for mean, scatter, p, group in zip(means, scatters, p_best, groups, strict=True)
        ),
        differences_from_best=adjusted([difference(best, place) for place in range(count) if place != best]),
        best=best,
        level=level,
        images=images,
        seeds=seeds,
        run_error=_run_error(tables) if seeds > 1 else None,
    )


def _share_interval(share: float, scatter: Scatter, images: int, level: float) -> Interval:
    """Wilson's interval for the number of images that would give one model's accuracy the same scatter.

    Near 0 and 1 it stays within them, where mean +- width does not; with one seed it is Wilson's own interval. The
    idea is that of the design effect in surveys (Korn & Graubard 1998).
    """
    width = scatter.width(level)
    z = Scatter(0.0, 1.0, 1).width(level)
    variance = (width / z) ** 2
    whole = share * (1.0 - share)
    effective = min(max(whole / variance, 1.0), float(images * scatter.seeds)) if variance > 0.0 else float(images)
    centre = (share + z * z / (2.0 * effective)) / (1.0 + z * z / effective)
    half = z / (1.0 + z * z / effective) * math.sqrt(whole / effective + z * z / (4.0 * effective**2))
    return Interval(max(centre - half, 0.0), min(centre + half, 1.0))


def _difference(a: int, b: int, given: npt.NDArray[np.bool_], level: float) -> Difference:
    apart = given[a].astype(np.float64) - given[b]
    seeds, images = apart.shape
    # Half an answer more in each cell of the table of agreement (Agresti & Min 2005, doi:10.1002/sim.1781): equal
    # answers to a hundred images do not prove equal answers to all.
    estimate, scatter = float(apart.mean()), two_way(apart).scatter(1.0 / ((images + 2) * math.sqrt(seeds)))
    width = scatter.width(level)
    p, exact = scatter.beyond(estimate), None
    if seeds == 1:
        p = exact = _mcnemar(given[a, 0], given[b, 0])
    interval = Interval(max(estimate - width, -1.0), min(estimate + width, 1.0))
    return Difference(a, b, estimate, interval, p, p, exact)


def _mcnemar(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_]) -> float:
    table = [[int((a & b).sum()), int((a & ~b).sum())], [int((~a & b).sum()), int((~a & ~b).sum())]]
    return float(mcnemar(table, exact=True).pvalue)


def _run_error(tables: Floats) -> float:
    """Scatter of one training's accuracy about its configuration's mean; images that all find hard do not count.

    Half the variance of a difference of two configurations' single trainings, over new seeds and images, averaged over
    pairs; with one configuration the variance between its seeds.
    """
    count = len(tables)
    if count == 1:
        return float(tables.mean(axis=2).std(ddof=1))
    pairs = [two_way(tables[a] - tables[b]).of_one_seed() for a in range(count) for b in range(a)]
    return math.sqrt(max(float(np.mean(pairs)), 0.0) / 2.0)


def _image_errors(tables: Floats) -> Floats:
    """Covariance of the configurations' means over new images, without the rest, which their seeds hold too."""
    count, _, images = tables.shape
    if images == 1:
        return np.zeros((count, count))
    found = np.cov(tables.mean(axis=1)).reshape(count, count) / images
    rest = [min(two_way(table).rest, found[place, place]) for place, table in enumerate(tables)]
    return np.asarray(found - np.diag(rest), dtype=np.float64)
