"""Knows how a forest is fitted to a few hundred trials, and what it says of some features alone.

scikit-learn's own forest takes several times as long for so few rows, since it prepares to share them out.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeRegressor

__all__ = ["Floats", "Forest", "fitted_forest", "partial_dependence", "prediction"]

Floats = NDArray[np.float64]
Forest = Sequence[DecisionTreeRegressor]


def fitted_forest(features: Floats, values: Floats, rng: np.random.Generator, trees: int) -> Forest:
    """Trees, each fitted to rows drawn with replacement: a random forest that tries all features at every split.

    Args:
        features: (rows, features).
        values: (rows,).
        rng: of the draws.
        trees: how many.
    """
    points, found = features.astype(np.float32), []
    for seed in range(trees):
        rows = rng.integers(len(points), size=len(points))
        tree = DecisionTreeRegressor(min_samples_leaf=3, random_state=seed)
        found.append(tree.fit(points[rows], values[rows], check_input=False))
    return found


def prediction(forest: Forest, features: Floats) -> Floats:
    """The forest's answer to each row of (rows, features)."""
    points = features.astype(np.float32, order="C")
    return np.asarray(np.mean([tree.predict(points, check_input=False) for tree in forest], axis=0))


def partial_dependence(forest: Forest, grid: Floats, columns: Sequence[int]) -> Floats:
    """The forest's mean answer by some features, the others as the trees' leaves have them.

    The same as `sklearn.inspection.partial_dependence` with ``method="recursion"``, which checks its arguments anew at
    each of hundreds of calls.

    Args:
        forest: as `fitted_forest` gives it.
        grid: (points, len(columns)).
        columns: which features the grid's columns are, in increasing order.
    """
    points, added = grid.astype(np.float32, order="C"), np.zeros(len(grid))
    for tree in forest:
        own = np.zeros(len(points))
        tree.tree_.compute_partial_dependence(points, np.array(columns, dtype=np.intp), own)
        added += own
    return added / len(forest)
