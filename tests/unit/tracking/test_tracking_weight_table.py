"""The table of weight statistics: every number comes back, what is not there is null, every column says what it is."""

from __future__ import annotations

import io
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from tunetrack import __version__
from tunetrack.spec.weight_records import (
    BINS,
    DEAD_SHARE,
    HISTOGRAM_COLUMNS,
    ITEM_COLUMNS,
    STATISTICS,
    WeightRecord,
    WeightStats,
)
from tunetrack.tracking.weight_table import weight_frame, write_table
from weight_support import Walk, walked_trial

COLUMNS = (*ITEM_COLUMNS, *STATISTICS, DEAD_SHARE, *HISTOGRAM_COLUMNS)


def walked(walk: Walk) -> list[WeightStats]:
    return [epoch.weights for epoch in walked_trial(walk) if epoch.weights is not None]


def table(stats: list[WeightStats], item: str) -> pd.DataFrame:
    frame = weight_frame(write_table(stats))
    return frame[frame["item"] == item].reset_index(drop=True)


def test_every_number_of_every_tensor_comes_back() -> None:
    stats = walked(Walk(epochs=3, steps_per_epoch=2))
    rows = table(stats, "tensor").itertuples(index=False)
    records = [record for one in stats for record in one.records]
    assert [(record.epoch, record.step) for record in records] == [
        (0, 0),
        (1, 1),
        (1, 2),
        (2, 3),
        (2, 4),
        (3, 5),
        (3, 6),
    ]
    for record in records:
        for number, tensor in enumerate(stats[0].layout.tensors):
            row = next(rows)
            assert (row.epoch, row.step, row.name, row.layer, row.kind, row.block, row.depth, row.size) == (
                *(record.epoch, record.step, tensor.name, tensor.layer, tensor.kind.value),
                *(tensor.block, tensor.depth, tensor.size),
            )
            found = [getattr(row, column.name) for column in STATISTICS]
            np.testing.assert_allclose(found, record.values[number], rtol=1e-7)
            assert row.histogram.tolist() == record.histograms[number].tolist()
            assert (row.histogram_low, row.histogram_high, row.histogram_unit) == (tensor.low, tensor.high, tensor.unit)
    assert next(rows, None) is None


def test_activation_layers_have_a_row_an_epoch_and_nothing_but_dead_units() -> None:
    rows = table(walked(Walk(epochs=2, dead=((0, 3), (1, 10)), steps_per_epoch=3)), "activation")
    assert rows[["epoch", "step", "name", "layer", "kind", "block", "depth", "size"]].to_numpy().tolist() == [
        [1, 3, "block1.activation", "block1.activation", "ReLU", "block1", 2, 10],
        [1, 3, "block2.activation", "block2.activation", "ReLU", "block2", 3, 10],
        [2, 6, "block1.activation", "block1.activation", "ReLU", "block1", 2, 10],
        [2, 6, "block2.activation", "block2.activation", "ReLU", "block2", 3, 10],
    ]
    np.testing.assert_allclose(rows["dead_share"], [0.0, 0.3, 0.1, 1.0], rtol=1e-7)
    others = [column.name for column in (*STATISTICS, *HISTOGRAM_COLUMNS)]
    assert rows[others].isna().all().all()


def test_blocks_have_a_row_a_step() -> None:
    stats = walked(Walk(epochs=2, steps_per_epoch=3, block_steps=True))
    rows = table(stats, "block")
    assert rows["epoch"].tolist() == [1] * 6 + [2] * 6
    assert rows["step"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert rows[["name", "layer", "kind", "block", "depth", "size"]].to_numpy()[:2].tolist() == [
        ["block1", "block1", "block", "block1", 1, 900],
        ["block2", "block2", "block", "block2", 2, 900],
    ]
    steps = [one.block_steps for one in stats if one.block_steps is not None]
    for name in ("initial", "previous"):
        wanted = np.concatenate([getattr(one, name) for one in steps]).ravel()
        np.testing.assert_allclose(rows[f"{name}_minkowski"], wanted, rtol=1e-7)
        np.testing.assert_allclose(rows[f"{name}_minkowski_mean"], wanted / 900, rtol=1e-7)
    assert rows[["mean", "l2", "drift", "histogram", "histogram_low"]].isna().all().all()


def test_a_sum_of_norms_of_another_order_has_no_mean_per_weight() -> None:
    stats = walked(Walk(epochs=1, block_steps=True))
    layout = replace(stats[0].layout, minkowski_p=2.0)
    rows = table([replace(one, layout=layout) for one in stats], "block")
    assert rows["previous_minkowski"].notna().all()
    assert rows[["initial_minkowski_mean", "previous_minkowski_mean"]].isna().all().all()


def test_what_was_not_looked_at_has_no_rows() -> None:
    stats = [replace(one, dead=None) for one in walked(Walk(epochs=1))]
    assert set(weight_frame(write_table(stats))["item"]) == {"tensor"}


def test_columns_stand_in_order_and_say_what_they_are() -> None:
    stats = walked(Walk(epochs=1, block_steps=True))
    schema = parquet.read_schema(io.BytesIO(write_table(stats)))
    assert schema.names == [column.name for column in COLUMNS]
    for column in COLUMNS:
        wanted = {b"unit": column.unit.encode(), b"about": column.about.encode()}
        found = schema.field(column.name).metadata
        assert {key: found[key] for key in wanted} == wanted
    assert schema.metadata[b"tunetrack.weight_stats.format"] == b"1"
    assert schema.metadata[b"tunetrack.version"] == __version__.encode()
    assert schema.metadata[b"weights.minkowski_p"] == b"1"
    assert weight_frame(write_table(stats)).columns.tolist() == schema.names


def test_types_are_what_is_documented() -> None:
    types = weight_frame(write_table(walked(Walk(epochs=1)))).dtypes
    assert {str(types[name]) for name in ("epoch", "step", "depth", "size")} == {"int64"}
    assert {str(types[column.name]) for column in STATISTICS} == {"float32"}
    histogram = table(walked(Walk(epochs=1)), "tensor")["histogram"][0]
    assert (histogram.dtype, len(histogram)) == (np.dtype("int32"), BINS + 2)


@pytest.mark.parametrize("broken", [math.nan, math.inf, 1e300])
def test_numbers_of_a_network_that_has_diverged(broken: float) -> None:
    def diverged(record: WeightRecord) -> WeightRecord:
        counts = np.zeros_like(record.histograms)
        counts[:, -1] = record.histograms.sum(axis=1)
        return replace(record, values=np.full_like(record.values, broken), histograms=counts)

    stats = [replace(one, records=tuple(map(diverged, one.records))) for one in walked(Walk(epochs=1))]
    rows = table(stats, "tensor")
    found = rows[[column.name for column in STATISTICS]].to_numpy()
    assert np.isnan(found).all() if math.isnan(broken) else np.isposinf(found).all()
    assert [histogram[-1] for histogram in rows["histogram"]] == rows["size"].tolist()
