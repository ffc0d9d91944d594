"""Knows how the statistics of `spec.weight_records.STATISTICS` come from sums; scipy.spatial.distance has the formulas.

Cosine and correlation distances are computed from the norms and the distance of the two vectors,
1 - cos = (|w - v|^2 - (|w| - |v|)^2) / (2 |w| |v|), which stays exact for vectors that are nearly the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunetrack.spec.weight_records import STATISTICS
from tunetrack.training.weight_stats.sums import SUMS, SumsRow

__all__ = ["Known", "statistics"]

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Known:
    """What a record knows besides its own sums.

    Attributes:
        sizes: weights of each tensor.
        p: order of the Minkowski distance.
        initial: sums of the initial record.
        previous: sums of the previous record; None for the first one.
        turns: whether there was a change before the latest one.
        steps: whether the weights before the last step are known.
        gradients: bool (tensors,), where there is a gradient.
    """

    sizes: Numbers
    p: float
    initial: SumsRow
    previous: SumsRow | None
    turns: bool
    steps: bool
    gradients: NDArray[np.bool_]


def statistics(sums: SumsRow, known: Known) -> Numbers:
    """All statistics of all tensors, NaN where there is nothing to say.

    Args:
        sums: of the record, float64 (tensors, len(SUMS)).
        known: of the run.

    Returns:
        float64 (tensors, len(STATISTICS)).
    """
    n, one = known.sizes, _columns(sums)
    nothing = np.full(len(n), np.nan)
    l2 = np.sqrt(one["square"])
    gradient = np.where(known.gradients, np.sqrt(one["gradient_square"]), np.nan)
    step = np.sqrt(one["step_square"]) if known.steps else nothing
    found = {
        "mean": one["sum"] / n,
        "std": np.sqrt(_variance(one, n)),
        "min": one["min"],
        "max": one["max"],
        "l1": one["absolute"],
        "l2": l2,
        "mean_abs": one["absolute"] / n,
        "rms": l2 / np.sqrt(n),
        "zero_share": one["zeros"] / n,
        "near_zero_share": one["near_zeros"] / n,
        "gradient_l2": gradient,
        "gradient_rms": gradient / np.sqrt(n),
        "step_l2": step,
        "step_ratio": _ratio(step, l2),
        "turned_share": one["turned"] / n if known.turns else nothing,
        "drift": _ratio(np.sqrt(one["initial_square"]), np.sqrt(_columns(known.initial)["square"])),
        **_distances("initial", sums, known.initial, known),
    }
    if known.previous is not None:
        before = np.sqrt(_columns(known.previous)["square"])
        found |= _distances("previous", sums, known.previous, known)
        found["update_ratio"] = _ratio(found["previous_euclidean"], before)
    return np.stack([found.get(column.name, nothing) for column in STATISTICS], axis=1)


def _columns(sums: SumsRow) -> dict[str, Numbers]:
    return dict(zip(SUMS, sums.T, strict=True))


def _variance(one: dict[str, Numbers], n: Numbers) -> Numbers:
    variance: Numbers = np.maximum(one["square"] / n - (one["sum"] / n) ** 2, 0.0)
    return variance


def _ratio(above: Numbers, below: Numbers) -> Numbers:
    """NaN instead of a division by nothing."""
    ratio: Numbers = np.divide(above, below, out=np.full(len(above), np.nan), where=below > 0)
    return ratio


def _distances(which: str, sums: SumsRow, other: SumsRow, known: Known) -> dict[str, Numbers]:
    """The six distances of the weights to others, whose sums are `other`."""
    n, w, v = known.sizes, _columns(sums), _columns(other)
    power, square = w[f"{which}_power"], w[f"{which}_square"]
    of_means = (w["sum"] - v["sum"]) / n
    centred = np.maximum(square - n * of_means**2, 0.0)
    spreads = [_std_of(one, n) * np.sqrt(n) for one in (w, v)]
    return {
        f"{which}_minkowski": power ** (1.0 / known.p),
        f"{which}_minkowski_mean": (power / n) ** (1.0 / known.p),
        f"{which}_euclidean": np.sqrt(square),
        f"{which}_chebyshev": w[f"{which}_max"],
        f"{which}_cosine": _angle(square, np.sqrt(w["square"]), np.sqrt(v["square"])),
        f"{which}_correlation": _angle(centred, *spreads),
    }


def _std_of(one: dict[str, Numbers], n: Numbers) -> Numbers:
    """The standard deviation; exactly 0 for equal weights, of which rounding would leave a trace."""
    std: Numbers = np.where(one["min"] == one["max"], 0.0, np.sqrt(_variance(one, n)))
    return std


def _angle(square: Numbers, w: Numbers, v: Numbers) -> Numbers:
    """1 - cos of the angle between two vectors with norms `w` and `v` and a squared distance."""
    distance: Numbers = np.clip(_ratio(square - (w - v) ** 2, 2 * w * v), 0.0, 2.0)
    return distance
