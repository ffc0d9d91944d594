"""Knows a trial's stored weight statistics as arrays: moments down, parameter tensors across."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tunetrack.spec.weight_records import BINS, Item

__all__ = ["Floats", "Places", "TensorTable", "median", "tensor_table", "thinned"]

Floats = NDArray[np.float64]
Places = NDArray[np.intp]

#: More moments than this are not told apart in a figure.
MOMENTS = 200


@dataclass(frozen=True)
class TensorTable:
    """The parameter tensors of one trial.

    Attributes:
        tensors: a row a tensor, in the network's order: name, layer, kind, block, depth, size and the histogram's
            low, high and unit.
        epochs: int (moments,); 0 for the initial state.
        times: float (moments,); the same in fractions of an epoch, where there are several records in one.
    """

    tensors: pd.DataFrame
    epochs: NDArray[np.int64]
    times: Floats
    _frame: pd.DataFrame = field(repr=False)
    _places: tuple[Places, Places] = field(repr=False)

    def values(self, statistic: str) -> Floats:
        """One statistic, (moments, tensors); NaN where there is nothing, or nothing finite, to say."""
        values = np.full((len(self.epochs), len(self.tensors)), np.nan)
        values[self._places] = self._frame[statistic].to_numpy(np.float64)
        return np.where(np.isfinite(values), values, np.nan)

    def histograms(self, chosen: Places) -> Floats:
        """Counts of these tensors added up, (moments, bins + 2)."""
        moments, tensors = self._places
        rows = np.flatnonzero(np.isin(tensors, chosen))
        added = np.zeros((len(self.epochs), BINS + 2))
        if len(rows):
            np.add.at(added, moments[rows], np.array(self._frame["histogram"].iloc[rows].tolist()))
        return added


def tensor_table(frame: pd.DataFrame) -> TensorTable:
    """The rows of parameter tensors of a trial's table; there may be none."""
    rows = frame[frame["item"] == Item.TENSOR].reset_index(drop=True)
    columns, first = np.unique(rows["name"].to_numpy(str), return_index=True)
    order = np.argsort(first)
    names = columns[order]
    rank = np.empty(len(names), np.intp)
    rank[order] = np.arange(len(names))
    tensor_of = rank[np.searchsorted(columns, rows["name"].to_numpy(str))] if len(rows) else np.empty(0, np.intp)
    moments, moment_of = np.unique(rows[["epoch", "step"]].to_numpy(np.int64), axis=0, return_inverse=True)
    about = rows.loc[first[order], ["name", "layer", "kind", "block", "depth", "size"]].reset_index(drop=True)
    for end in ("low", "high", "unit"):
        about[end] = rows.loc[first[order], f"histogram_{end}"].to_numpy(np.float64)
    epochs, steps = moments.reshape(-1, 2).T
    return TensorTable(about, epochs, _times(epochs, steps), rows, (moment_of.ravel(), tensor_of))


def _times(epochs: NDArray[np.int64], steps: NDArray[np.int64]) -> Floats:
    """Epochs as fractions, from the steps; all epochs of a trial have as many."""
    if len(np.unique(epochs)) == len(epochs) or not steps[-1]:
        return epochs.astype(np.float64)
    return steps.astype(np.float64) * (float(epochs[-1]) / float(steps[-1]))


def median(values: Floats) -> Floats:
    """The median of each column over what is a number in it; NaN where nothing is."""
    return pd.DataFrame(values).median().to_numpy(np.float64)


def thinned(count: int, most: int = MOMENTS) -> Places:
    """Indices of at most so many of `count` moments, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.intp))
