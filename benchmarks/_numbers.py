"""Knows how the numbers of several rounds are put in three."""

from __future__ import annotations

import statistics


def spread(values: list[float], digits: int = 2) -> dict[str, float]:
    """Median, smallest and largest."""
    picked = {"median": statistics.median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in picked.items()}
