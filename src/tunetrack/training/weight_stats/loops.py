"""Knows the loops over one tensor's weights that numba compiles: float32 values, float64 sums."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any

import numpy as np

from tunetrack.spec.weight_records import BINS

__all__ = ["compiled"]


@functools.cache
def compiled() -> SimpleNamespace:
    """The loops `own`, `apart`, `turned`, `square` and `histogram`; see `pooling` for what numba costs."""
    import numba  # takes half a second, and is of no use where a GPU trains

    # Sums may be taken in any order, so that LLVM uses vectors; NaN and infinity keep their meaning.
    fast = numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
    return SimpleNamespace(**{loop.__name__.lstrip("_"): fast(loop) for loop in _LOOPS})


def _own(w: Any, near_zero: float) -> tuple[float, ...]:
    """Sum, sum of squares, sum of sizes, smallest, largest, zeros, near zeros."""
    total = square = absolute = 0.0
    low, high = np.float32(np.inf), np.float32(-np.inf)
    zeros = near = 0
    for i in range(w.size):
        value = w[i]
        wide = np.float64(value)
        total += wide
        square += wide * wide
        absolute += abs(wide)
        low = value if value < low else low
        high = value if value > high else high
        zeros += 1 if value == 0 else 0
        near += 1 if abs(wide) < near_zero else 0
    return total, square, absolute, float(low), float(high), float(zeros), float(near)


def _apart(w: Any, v: Any, p: float) -> tuple[float, float, float]:
    """Sum of |w - v|^p, sum of squares, largest."""
    power = square = 0.0
    largest = np.float32(0.0)
    for i in range(w.size):
        change = abs(w[i] - v[i])
        wide = np.float64(change)
        power += wide
        square += wide * wide
        largest = change if change > largest else largest
    if p != 1.0:
        power = 0.0
        for i in range(w.size):
            power += np.float64(abs(w[i] - v[i])) ** p
    return power, square, float(largest)


def _turned(w: Any, previous: Any, direction: Any) -> float:
    """How many weights have changed the other way than before; notes the direction and the weights."""
    count = 0
    for i in range(w.size):
        change = w[i] - previous[i]
        sign = np.int8(change > 0) - np.int8(change < 0)
        count += 1 if sign * direction[i] < 0 else 0
        direction[i] = sign
        previous[i] = w[i]
    return float(count)


def _square(g: Any) -> float:
    """Sum of squares."""
    square = 0.0
    for i in range(g.size):
        square += np.float64(g[i]) * np.float64(g[i])
    return square


def _histogram(w: Any, low: float, high: float, counts: Any) -> None:
    """Adds to the counts: below the range, its bins, above it or NaN."""
    scale = BINS / (high - low)
    for i in range(w.size):
        value = np.float64(w[i])
        if value < low:
            counts[0] += 1
        elif value <= high:
            counts[1 + min(int((value - low) * scale), BINS - 1)] += 1
        else:
            counts[BINS + 1] += 1


_LOOPS = (_own, _apart, _turned, _square, _histogram)
