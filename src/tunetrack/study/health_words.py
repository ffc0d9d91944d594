"""How places and sizes inside a network are said: neighbouring layers as a range, sizes as a span."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = ["Place", "factor", "percent", "span", "where"]

#: More ranges than these are counted instead of named.
RANGES = 3


@dataclass(frozen=True)
class Place:
    """A tensor or an activation layer.

    Attributes:
        row: its number among its like.
        layer: name of the layer.
        depth: layers with kernels from the input up to this one.
    """

    row: int
    layer: str
    depth: int


def where(places: Sequence[Place], order: Sequence[Place]) -> str:
    """The places in ranges of neighbours: ``layers 1-3 (stem.conv to block1.conv2) and layer 9 (output)``.

    Args:
        places: at least one.
        order: all places of this kind from the input on; neighbours in it are neighbours.
    """
    wanted, runs = set(places), list[list[Place]]()
    last = -2
    for index, place in enumerate(order):
        if place not in wanted:
            continue
        if index == last + 1:
            runs[-1].append(place)
        else:
            runs.append([place])
        last = index
    shown = [_run(run) for run in runs[:RANGES]]
    if rest := sum(map(len, runs[RANGES:])):
        shown.append(f"{rest} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def _run(run: Sequence[Place]) -> str:
    first, last = run[0], run[-1]
    names = first.layer if first.layer == last.layer else f"{first.layer} to {last.layer}"
    if first.depth == last.depth:
        return f"layer {first.depth} ({names})"
    return f"layers {first.depth}-{last.depth} ({names})"


def span(values: Sequence[float], shown: Callable[[float], str]) -> str:
    """The smallest and the largest, or one where they look the same."""
    low, high = shown(min(values)), shown(max(values))
    if low == high:
        return low
    unit = " %" if low.endswith(" %") else ""
    return f"{low.removesuffix(unit)} to {high}"


def percent(share: float) -> str:
    """A share as a percentage of two digits at least; 100 % is said of all alone."""
    if 0.995 <= share < 1.0:
        return "99 %"
    return f"{100.0 * share:,.0f} %" if share >= 0.1 or share == 0 else f"{100.0 * share:.2g} %"


def factor(times: float) -> str:
    """How many times: two digits, large ones by their power of ten."""
    if not math.isfinite(times) or times >= 1e6:
        return f"{times:.0e}" if math.isfinite(times) else "infinitely many"
    if times < 99.5:
        return f"{times:.2g}"
    digits = int(math.log10(times)) - 1
    return f"{round(times, -digits):,.0f}"
