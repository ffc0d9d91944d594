"""Knows how updates, gradients and dead units are spread over the depth of a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from tunetrack.report.weights.table import Floats, TensorTable, median, thinned
from tunetrack.spec.weight_records import Item, TensorKind

__all__ = ["DeadRow", "LayerRow", "LayersInfo", "Trend", "dead_rows", "layers_info", "trend"]

#: With fewer points a rank correlation says next to nothing: of 4 points even the strictest order has p = 0.08.
LEAST_POINTS = 5


@dataclass(frozen=True)
class Trend:
    """How strictly something grows (towards +1) or shrinks (towards -1) with depth.

    Attributes:
        correlation: Spearman's rank correlation, -1 to 1.
        chance: its two-sided p-value: how often so many unrelated points would be at least as strictly ordered.
        first, last: the depths it was taken over.
        points: how many layers or blocks.
    """

    correlation: float
    chance: float
    first: int
    last: int
    points: int


@dataclass(frozen=True)
class LayerRow:
    """One kernel. Medians are over the records after the initial state.

    Attributes:
        depth: layers with kernels from the input up to this one, from 1.
        layer: its name.
        size: number of weights.
        update_mean: median distance per weight to the previous record (``previous_minkowski_mean``).
        update: the same over all weights (``previous_minkowski``).
        gradient_rms: median root mean square of the gradient.
        drift: distance to the initial state at the last record, in L2 norms of that state.
    """

    depth: int
    layer: str
    size: int
    update_mean: float
    update: float
    gradient_rms: float
    drift: float


@dataclass(frozen=True)
class LayersInfo:
    """The kernels of one trial by depth.

    Attributes:
        rows: those that are trained.
        idle: layers with kernels that never had a gradient nor moved, such as projections that no block calls.
        trend: of `update_mean` with depth; None for too few layers.
        records: how many records the medians are over.
        times: (moments,) in epochs, of the columns of `ratios`.
        ratios: update ratios (layers, moments), NaN where there is none.
    """

    rows: tuple[LayerRow, ...]
    idle: tuple[str, ...]
    trend: Trend | None
    records: int
    times: Floats
    ratios: Floats


@dataclass(frozen=True)
class DeadRow:
    """One activation layer at the last epoch: its `share` of units that no validation image has brought above zero."""

    depth: int
    layer: str
    units: int
    share: float


def layers_info(table: TensorTable) -> LayersInfo:
    """The kernels' updates, gradients and drifts by depth."""
    after = np.flatnonzero(table.epochs > 0)
    kernels = np.flatnonzero((table.tensors["kind"] == TensorKind.KERNEL).to_numpy(bool))
    about = table.tensors.iloc[kernels]
    update, gradient = (table.values(name)[np.ix_(after, kernels)] for name in ("previous_minkowski", "gradient_rms"))
    moved: NDArray[np.bool_] = np.logical_or((np.nan_to_num(update) > 0).any(axis=0), np.isfinite(gradient).any(axis=0))
    idle = tuple(about["layer"][~moved]) if len(after) else ()
    medians = [
        median(values) for values in (table.values("previous_minkowski_mean")[np.ix_(after, kernels)], update, gradient)
    ]
    last = table.values("drift")[-1:, kernels]
    drifts = last[0] if len(last) else np.full(len(kernels), np.nan)
    named = zip(about["depth"], about["layer"], about["size"], *medians, drifts, moved, strict=True)
    rows = [
        (place, LayerRow(int(depth), layer, int(size), *map(float, numbers)))
        for place, (depth, layer, size, *numbers, alive) in enumerate(named)
        if alive and len(after)
    ]
    rows.sort(key=lambda pair: pair[1].depth)
    shown = after[thinned(len(after))]
    ratios = table.values("update_ratio")[np.ix_(shown, kernels[[place for place, _ in rows]])].T
    found = tuple(row for _, row in rows)
    way = trend([row.depth for row in found], [row.update_mean for row in found])
    return LayersInfo(found, idle, way, len(after), table.times[shown], ratios)


def dead_rows(frame: pd.DataFrame) -> tuple[DeadRow, ...]:
    """The activation layers at the last epoch at which dead units were counted, from the input."""
    rows = frame[frame["item"] == Item.ACTIVATION]
    last = rows[rows["step"] == rows["step"].max()]
    columns = (last[name] for name in ("depth", "layer", "size", "dead_share"))
    found = [DeadRow(int(d), str(layer), int(s), float(share)) for d, layer, s, share in zip(*columns, strict=True)]
    return tuple(sorted(found, key=lambda row: row.depth))


def trend(depths: Sequence[int], values: Sequence[float]) -> Trend | None:
    """Spearman's rank correlation of depth and value; None for fewer than `LEAST_POINTS`, or where nothing differs."""
    known = [(depth, value) for depth, value in zip(depths, values, strict=True) if np.isfinite(value)]
    if len(known) < LEAST_POINTS or len({value for _, value in known}) < 2 or len({depth for depth, _ in known}) < 2:
        return None
    at, measured = zip(*known, strict=True)
    found = stats.spearmanr(at, measured)
    return Trend(float(found.statistic), float(found.pvalue), min(at), max(at), len(known))
