"""Knows how probable it is of each configuration that it is truly the best."""

from __future__ import annotations

import numpy as np

from tunetrack.stats.twoway import Floats

__all__ = ["probabilities"]

_DRAWS = 4000
#: What the configurations' mean variance counts beside each one's own, in degrees of freedom.
_PRIOR = 2
#: Numbers in one stack of matrices.
_AT_ONCE = 1_000_000


def probabilities(means: Floats, by_seed: Floats, image_errors: Floats, rng_seed: int = 0) -> Floats:
    """Share of draws from what is known of the true means in which each one is the largest.

    The true means are taken to be normal about a common one, with a spread that the data tell: without that, the
    largest of several noisy means is believed too much (Efron & Morris 1975, doi:10.1080/01621459.1975.10479864). Each
    draw takes the variances at values that they may have, given their degrees of freedom, and then the true means
    given the seen ones. A variance between few seeds is moderated by those of the other configurations (Smyth 2004,
    doi:10.2202/1544-6115.1027). What a seed does to all configurations alike cancels: it changes no ranking.

    Args:
        means: (configurations,), larger is better.
        by_seed: (configurations, seeds), each seed's mean.
        image_errors: (configurations, configurations), covariance of `means` over new images.
        rng_seed: of the draws.

    Returns:
        Fractions that sum to 1, to within 1/4000.
    """
    count, seeds = by_seed.shape
    if count == 1:
        return np.ones(1)
    random = np.random.default_rng(rng_seed)
    own = by_seed - by_seed.mean(axis=0)
    of_seeds = own.var(axis=1, ddof=1) / seeds * count / (count - 1) if seeds > 1 else np.zeros(count)
    of_seeds = (_PRIOR * of_seeds.mean() + (seeds - 1) * of_seeds) / (_PRIOR + seeds - 1)
    centre = np.eye(count) - 1.0 / count
    of_images = centre @ image_errors @ centre
    wins, size = np.zeros(count), max(1, _AT_ONCE // count**2)
    for start in range(0, _DRAWS, size):
        best = _best(means - means.mean(), of_seeds, of_images, seeds, (min(size, _DRAWS - start), random))
        wins += np.bincount(best, minlength=count)
    return np.asarray(wins / wins.sum())


def _best(
    seen: Floats, of_seeds: Floats, of_images: Floats, seeds: int, draws: tuple[int, np.random.Generator]
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """The best configuration in each draw: true means given the seen ones, by Matheron's rule.

    With truth = spread z and seen = truth + error, a draw of the truth given what was seen is
    ``truth + spread^2 (spread^2 + covariance)^-1 (seen - truth - error)``. Everything is divided by the spread, so that
    draws without any spread have no favourite.
    """
    size, random = draws
    count = len(seen)
    variances = np.tile(of_seeds, (size, 1))
    if seeds > 1:
        known = _PRIOR + seeds - 1
        variances *= known / random.chisquare(known, (size, count))
    noise = of_seeds.mean() + np.trace(of_images) / (count - 1)
    total = seen.var(ddof=1) * (count - 1) / random.chisquare(count - 1, size)
    spread = np.sqrt(np.maximum(total - noise, 0.0))
    eigenvalues, vectors = np.linalg.eigh(of_images)
    error = random.standard_normal((size, count)) @ (vectors * np.sqrt(eigenvalues.clip(0.0))).T
    error += np.sqrt(variances) * random.standard_normal((size, count))
    truth = random.standard_normal((size, count))
    covariance = of_images + (variances + spread[:, None] ** 2 + 1e-15)[:, :, None] * np.eye(count)
    gap = seen - spread[:, None] * truth - error
    truth += spread[:, None] * np.linalg.solve(covariance, gap[:, :, None])[:, :, 0]
    return np.asarray(truth.argmax(axis=1))
