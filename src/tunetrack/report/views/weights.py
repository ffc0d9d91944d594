"""Knows a trial's weight statistics as plain data: a few statistics, by epoch and tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from tunetrack.report.weights.table import Floats, TensorTable, tensor_table, thinned
from tunetrack.spec.weight_records import BINS, DEAD_SHARE, HISTOGRAM_COLUMNS, ITEM_COLUMNS, Item
from tunetrack.tracking.queries import weight_frame

__all__ = ["STATS", "compare_weights", "weights_payload"]

#: The statistics that pages show, of those in the stored table.
STATS = (
    "mean",
    "std",
    "min",
    "max",
    "l2",
    "mean_abs",
    "rms",
    "zero_share",
    "near_zero_share",
    "gradient_l2",
    "gradient_rms",
    "update_ratio",
    "drift",
    "initial_euclidean",
    "turned_share",
    "initial_cosine",
)
#: Epochs whose statistics, and whose histograms, are given; of more, so many, evenly spread.
_MOST_EPOCHS, _MOST_HISTOGRAMS = 60, 12
#: More trials than this are compared without histograms, which would be megabytes.
_WITH_HISTOGRAMS = 8
_DIGITS = 6


def compare_weights(contents: Mapping[int, bytes | None]) -> dict[str, Any]:
    """The weight statistics of trials, by number; without histograms where there are many trials.

    Args:
        contents: of ``weight_stats.parquet`` by trial number; None where a trial has none.
    """
    histograms = len(contents) <= _WITH_HISTOGRAMS
    return {"trials": {str(number): weights_payload(content, histograms) for number, content in contents.items()}}


def weights_payload(content: bytes | None, histograms: bool = True) -> dict[str, Any] | None:
    """One trial's parameter tensors at the end of its epochs, epoch 0 being the initial state.

    Of histograms, ``edges`` are fractions of each tensor's own range, from ``low`` to ``high`` (by tensor, as weights;
    ``unit``: what these are multiples of, so that tensors of one kind can be laid over one another); ``counts`` begins
    with what lies below the range, and ends with what lies above it; ``epochs`` says which epochs they are of.

    ``dead`` are the activation layers and, by epoch, each one's share of units that no validation image has brought
    above zero; None where none was counted.

    Args:
        content: of ``weight_stats.parquet``; None where there is none. What is no such table counts as none.
        histograms: whether they are wanted.
    """
    if content is None:
        return None
    try:
        frame = weight_frame(content)
    except pa.ArrowException:
        return None
    needed = {*(column.name for column in (*ITEM_COLUMNS, *HISTOGRAM_COLUMNS, DEAD_SHARE)), *STATS}
    if not needed <= set(frame.columns):
        return None
    table = tensor_table(frame)
    if not len(table.tensors) or not len(table.epochs):
        return None
    ends = np.flatnonzero(np.append(np.diff(table.epochs) > 0, True))  # an epoch's last record
    shown = ends[thinned(len(ends), _MOST_EPOCHS)]
    return {
        "epochs": table.epochs[shown].tolist(),
        "tensors": table.tensors[["name", "layer", "kind", "depth", "size"]].to_dict("records"),
        "stats": {name: _plain(table.values(name)[shown]) for name in STATS},
        "dead": _dead(frame, table.epochs[shown]),
        "histogram": _histograms(table, ends[thinned(len(ends), _MOST_HISTOGRAMS)]) if histograms else None,
    }


def _dead(frame: pd.DataFrame, epochs: NDArray[np.int64]) -> dict[str, Any] | None:
    """The activation layers, and their dead share at the end of these epochs."""
    rows = frame[(frame["item"] == Item.ACTIVATION) & frame[DEAD_SHARE.name].notna()]
    if not len(rows):
        return None
    layers = rows.drop_duplicates("name")[["name", "layer", "kind", "depth", "size"]]
    shares = rows.sort_values("step").pivot_table(index="epoch", columns="name", values=DEAD_SHARE.name, aggfunc="last")
    known = shares.reindex(index=epochs, columns=layers["name"]).to_numpy(np.float64)
    return {"layers": layers.assign(kind="activation").to_dict("records"), "shares": _plain(known)}


def _histograms(table: TensorTable, moments: Any) -> dict[str, Any]:
    counts = [table.histograms(np.array([tensor]))[moments].astype(int) for tensor in range(len(table.tensors))]
    ends = {name: _plain(table.tensors[name].to_numpy(np.float64)) for name in ("low", "high", "unit")}
    return {
        "epochs": table.epochs[moments].tolist(),
        "edges": np.linspace(0.0, 1.0, BINS + 1).tolist(),
        **ends,
        "counts": np.stack(counts, axis=1).tolist(),
    }


def _plain(values: Floats) -> Any:
    """Nested lists with six significant digits, and None where a value is not finite."""
    known = np.isfinite(values) & (values != 0)
    # From 1e-300 on a power of ten would overflow; such a weight is zero for every purpose here.
    magnitude = np.floor(np.log10(np.abs(np.where(known, values, 1.0)))).clip(-290, 290)
    scale = 10.0 ** (_DIGITS - 1 - magnitude)
    rounded = np.where(known, np.round(values * scale) / scale, values)
    plain = rounded.astype(object)
    plain[~np.isfinite(values)] = None
    return plain.tolist()
