"""Knows the table of a trial's weight statistics: how it is built from the epochs' records, its file, and its reading.

One row is one parameter tensor at one record, one activation layer at the end of one epoch, or one residual block
before one optimiser step; the columns are those of `tunetrack.spec.weight_records`.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from tunetrack._version import __version__
from tunetrack.spec.weight_records import (
    DEAD_SHARE,
    HISTOGRAM_COLUMNS,
    ITEM_COLUMNS,
    STATISTICS,
    Column,
    Item,
    WeightStats,
)

__all__ = ["weight_frame", "write_table"]

#: Version of the columns and of what they mean.
_FORMAT = 1

_COLUMNS: tuple[Column, ...] = (*ITEM_COLUMNS, *STATISTICS, DEAD_SHARE, *HISTOGRAM_COLUMNS)
#: Weights are float32 themselves, so statistics in float32 say all there is at half the size; the ends of histograms
#: stay float64, so that the edges computed from them are those that the weights were counted by.
_FLOATS = {column.name: pa.float32() for column in (*STATISTICS, DEAD_SHARE)}
_TYPES: dict[str, Any] = {
    **dict.fromkeys(("epoch", "step", "depth", "size"), pa.int64()),
    **dict.fromkeys(("item", "name", "layer", "kind", "block"), pa.string()),
    **_FLOATS,
    "histogram": pa.list_(pa.int32()),
    **dict.fromkeys(("histogram_low", "histogram_high", "histogram_unit"), pa.float64()),
}
#: Columns of few different values; of the others a dictionary would only cost time.
_REPEATED = [name for name in _TYPES if name not in _FLOATS and name != "histogram"]

Arrays = dict[str, Any]


def write_table(stats: Sequence[WeightStats]) -> bytes:
    """The table of a trial as the content of a Parquet file.

    Rows: all parameter tensors, record by record; then the activation layers, epoch by epoch; then the residual blocks,
    step by step. What a row has not (the histogram of an activation layer, the distances of the initial state to a
    record before it) is null, and so is what is not a number.

    Args:
        stats: what the trial's epochs have yielded, in order; at least one.
    """
    layout = stats[0].layout
    parts = [_tensors(stats)]
    if layout.activations and any(one.dead is not None for one in stats):
        parts.append(_activations(stats))
    if any(one.block_steps is not None for one in stats):
        parts.append(_blocks(stats))
    schema = pa.schema(
        [
            pa.field(column.name, _TYPES[column.name], metadata={"unit": column.unit, "about": column.about})
            for column in _COLUMNS
        ],
        metadata={
            "tunetrack.weight_stats.format": str(_FORMAT),
            "tunetrack.version": __version__,
            "weights.minkowski_p": f"{layout.minkowski_p:g}",
        },
    )
    file = io.BytesIO()
    with parquet.ParquetWriter(
        file, schema, compression="zstd", use_dictionary=_REPEATED, use_byte_stream_split=list(_FLOATS)
    ) as writer:
        for part in parts:
            rows = len(part["epoch"])
            columns = [part.get(field.name, pa.nulls(rows, field.type)) for field in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    return file.getvalue()


def weight_frame(content: bytes) -> pd.DataFrame:
    """A file's content as a frame: null is NaN, and None among texts and histograms; a histogram is an int32 array.

    Raises:
        pyarrow.ArrowException: the content is no Parquet file.
    """
    frame: pd.DataFrame = parquet.read_table(pa.BufferReader(content)).to_pandas()
    return frame


def _tensors(stats: Sequence[WeightStats]) -> Arrays:
    tensors = stats[0].layout.tensors
    records = [record for one in stats for record in one.records]
    values = np.stack([record.values for record in records])  # (records, tensors, statistics)
    counts = np.stack([record.histograms for record in records]).astype(np.int32)
    rows, bins = counts.shape[0] * counts.shape[1], counts.shape[2]
    ends = np.arange(0, rows * bins + 1, bins, dtype=np.int32)
    return {
        **_moments([(record.epoch, record.step) for record in records], len(tensors)),
        **_items(Item.TENSOR, tensors, len(records), {"name": lambda tensor: tensor.name}),
        **{column.name: _floats(values[:, :, index]) for index, column in enumerate(STATISTICS)},
        "histogram": pa.ListArray.from_arrays(ends, counts.ravel()),
        **{
            f"histogram_{end}": pa.array(np.tile([getattr(tensor, end) for tensor in tensors], len(records)))
            for end in ("low", "high", "unit")
        },
    }


def _activations(stats: Sequence[WeightStats]) -> Arrays:
    layers = stats[0].layout.activations
    known = [(one.records[-1], one.dead) for one in stats if one.dead is not None]
    units = np.array([layer.units for layer in layers])
    readers = {"name": lambda layer: layer.layer, "size": lambda layer: layer.units}
    return {
        **_moments([(record.epoch, record.step) for record, _ in known], len(layers)),
        **_items(Item.ACTIVATION, layers, len(known), readers),
        DEAD_SHARE.name: _floats(np.array([dead for _, dead in known]) / units),
    }


def _blocks(stats: Sequence[WeightStats]) -> Arrays:
    layout = stats[0].layout
    blocks = layout.blocks
    known = [(one.records[-1].epoch, one.block_steps) for one in stats if one.block_steps is not None]
    moments = [(epoch, int(step)) for epoch, steps in known for step in steps.steps]
    distances = {
        "initial_minkowski": np.concatenate([steps.initial for _, steps in known]),
        "previous_minkowski": np.concatenate([steps.previous for _, steps in known]),
    }
    if layout.minkowski_p == 1:  # a block's distance is a sum over tensors, which is a norm of them all for p = 1 only
        sizes = np.array([block.size for block in blocks])
        distances |= {f"{name}_mean": values / sizes for name, values in distances.items()}
    readers = {
        "layer": lambda block: block.name,
        "kind": lambda block: "block",
        "block": lambda block: block.name,
    }
    return {
        **_moments(moments, len(blocks)),
        **_items(Item.BLOCK, blocks, len(moments), readers),
        **{name: _floats(values) for name, values in distances.items()},
    }


def _moments(moments: Sequence[tuple[int, int]], items: int) -> Arrays:
    """Epoch and step of every row."""
    epochs, steps = np.array(moments, np.int64).reshape(-1, 2).T
    return {"epoch": pa.array(np.repeat(epochs, items)), "step": pa.array(np.repeat(steps, items))}


def _items(item: Item, infos: Sequence[Any], times: int, readers: Mapping[str, Callable[[Any], Any]]) -> Arrays:
    """What every row is about: the attributes of `infos`, or what `readers` find there, so many times."""
    arrays: Arrays = {"item": pa.repeat(item.value, len(infos) * times)}
    turn = pa.array(np.tile(np.arange(len(infos)), times))
    for name in ("name", "layer", "kind", "block", "depth", "size"):
        values = [readers[name](info) if name in readers else getattr(info, name) for info in infos]
        arrays[name] = pa.array(values, _TYPES[name]).take(turn)
    return arrays


def _floats(values: NDArray[np.float64]) -> Any:
    """Row by row as float32; what is not a number is null."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite, as it would be among the weights
        return pa.array(values.ravel().astype(np.float32), from_pandas=True)
