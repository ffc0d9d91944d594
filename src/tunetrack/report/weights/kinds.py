"""Knows how kernels, biases, gammas and betas spread and oscillate from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tunetrack.report.weights.table import Floats, Places, TensorTable, thinned
from tunetrack.spec.weight_records import BINS, TensorKind

__all__ = ["NAMED", "HistogramInfo", "KindInfo", "kinds_info"]

#: The kinds that are shown, in their order, and what several tensors of one are called.
NAMED = {"kernel": "kernels", "bias": "biases", "gamma": "gammas", "beta": "betas"}

QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True)
class KindInfo:
    """All parameter tensors of one kind taken as one. Arrays have one entry a moment.

    Attributes:
        kind: kernel, bias, gamma, beta.
        tensors: how many there are.
        size: number of weights.
        times: moments in epochs; 0 is the initial state.
        std: standard deviation of all weights, about their common mean.
        change: root mean square of a weight's change since the previous record; NaN at the first.
        turned: share of weights whose change has the opposite sign of the one before; NaN at the first two.
        histogram: how they are spread, at the same moments.
    """

    kind: str
    tensors: int
    size: int
    times: Floats
    std: Floats
    change: Floats
    turned: Floats
    histogram: HistogramInfo

    @property
    def spread_ends(self) -> tuple[float, float] | None:
        """The spread after epoch 1 and at the last record; None where one of the two is not known."""
        after = self.std[self.times >= 1.0 - 1e-9]
        return (float(after[0]), float(after[-1])) if len(after) and np.isfinite(after[[0, -1]]).all() else None


@dataclass(frozen=True)
class HistogramInfo:
    """Histograms of the tensors whose ends are the same multiples of their units, added up.

    Attributes:
        edges: (bins + 1,), in units.
        in_units: whether the unit is a tensor's initial root mean square; else it is 1.
        shares: (moments, bins), fractions of the weights.
        below, above: (moments,), fractions outside the edges; what is not a number counts as above.
        quantiles: (moments, 3), the 5th, 50th and 95th percentile, in units; interpolated within bins, and an edge
            where it lies beyond it.
        left_out: tensors of this kind with other ends, which are not in here.
    """

    edges: Floats
    in_units: bool
    shares: Floats
    below: Floats
    above: Floats
    quantiles: Floats
    left_out: int


def kinds_info(table: TensorTable) -> tuple[KindInfo, ...]:
    """The kinds that the network has; what is of no known kind is left out."""
    found = []
    for kind in map(TensorKind, NAMED):
        chosen = np.flatnonzero((table.tensors["kind"] == kind).to_numpy(bool))
        if len(chosen) and len(table.epochs):
            found.append(_kind(table, kind, chosen))
    return tuple(found)


def _kind(table: TensorTable, kind: TensorKind, chosen: Places) -> KindInfo:
    sizes = table.tensors["size"].to_numpy(np.float64)[chosen]
    kept = thinned(len(table.epochs))
    means, stds, moved, turned = (
        table.values(name)[np.ix_(kept, chosen)] for name in ("mean", "std", "previous_euclidean", "turned_share")
    )
    return KindInfo(
        kind=kind.value,
        tensors=len(chosen),
        size=int(sizes.sum()),
        times=table.times[kept],
        std=_pooled_std(means, stds, sizes),
        change=np.sqrt(_weighted(moved**2 / sizes, sizes)),
        turned=_weighted(turned, sizes),
        histogram=_histogram(table, chosen, kept),
    )


def _pooled_std(means: Floats, stds: Floats, sizes: Floats) -> Floats:
    """The standard deviation of several tensors taken as one: within them, and of their means about the common one."""
    grand = _weighted(means, sizes)[:, None]
    return np.sqrt(_weighted(stds**2 + (means - grand) ** 2, sizes))


def _weighted(values: Floats, sizes: Floats) -> Floats:
    """The mean over tensors, each as often as it has weights; those without a number are left out."""
    weights = np.where(np.isnan(values), 0.0, sizes)
    total = weights.sum(axis=1)
    added = (np.nan_to_num(values) * weights).sum(axis=1)
    return np.where(total > 0, added / np.where(total > 0, total, 1.0), np.nan)


def _histogram(table: TensorTable, chosen: Places, kept: Places) -> HistogramInfo:
    about = table.tensors.iloc[chosen]
    unit = about["unit"].to_numpy()
    ends = np.round(np.stack([about["low"] / unit, about["high"] / unit, unit == 1.0], axis=1), 6)
    groups, group_of = np.unique(ends, axis=0, return_inverse=True)
    weights = [about["size"].to_numpy()[group_of.ravel() == index].sum() for index in range(len(groups))]
    largest = int(np.argmax(weights))
    low, high, plain = groups[largest]
    counts = table.histograms(chosen[group_of.ravel() == largest])[kept]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
    edges = np.linspace(low, high, BINS + 1)
    return HistogramInfo(
        edges=edges,
        in_units=not plain,
        shares=shares[:, 1:-1],
        below=shares[:, 0],
        above=shares[:, -1],
        quantiles=_quantiles(shares, edges),
        left_out=int((group_of.ravel() != largest).sum()),
    )


def _quantiles(shares: Floats, edges: Floats) -> Floats:
    """Percentiles of each row; `shares` begin with what lies below the edges and end with what lies above."""
    below = np.cumsum(shares, axis=1)[:, :-1]  # the share below each edge
    found = np.array([np.interp(QUANTILES, reached, edges) for reached in below]).reshape(-1, len(QUANTILES))
    found[shares.sum(axis=1) == 0] = np.nan
    return found
