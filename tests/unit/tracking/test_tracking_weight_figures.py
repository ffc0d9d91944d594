"""Figures of weight statistics: the right numbers in them, and something sensible where there are none."""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.typing import NDArray

from tunetrack.spec.weight_records import BINS, WeightRecord, WeightStats
from tunetrack.tracking.figures import svg
from tunetrack.tracking.figures.weight_depth import depth_figure, depth_profiles
from tunetrack.tracking.figures.weight_histograms import histograms_figure, quantiles, spreads
from tunetrack.tracking.figures.weight_layers import layers_figure
from tunetrack.tracking.figures.weight_time import COLUMNS, timeline
from weight_support import Walk, walked_trial

FIGURES = (histograms_figure, depth_figure, layers_figure)
KERNELS = ("stem.conv", "block1.conv1", "block2.conv1", "output")


def walked(walk: Walk) -> list[WeightStats]:
    return [epoch.weights for epoch in walked_trial(walk) if epoch.weights is not None]


def changed(stats: list[WeightStats], change: Callable[[WeightRecord], WeightRecord]) -> list[WeightStats]:
    return [replace(one, records=tuple(map(change, one.records))) for one in stats]


def words(figure: bytes) -> list[str]:
    root = ElementTree.fromstring(figure)
    return [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]


def pictures(figure: bytes) -> list[NDArray[np.uint8]]:
    """The palette indices of every embedded picture."""
    found = []
    for text in re.findall(rb"base64,([^']+)'", figure):
        png = base64.b64decode(text)
        width, height = struct.unpack(">II", png[16:24])
        start = png.index(b"IDAT")
        size = struct.unpack(">I", png[start - 4 : start])[0]
        rows = np.frombuffer(zlib.decompress(png[start + 4 : start + 4 + size]), np.uint8)
        found.append(rows.reshape(height, width + 1)[:, 1:])
    return found


def outside(record: WeightRecord) -> WeightRecord:
    """All weights are NaN."""
    counts = np.zeros_like(record.histograms)
    counts[:, -1] = record.histograms.sum(axis=1)
    return replace(record, values=np.full_like(record.values, np.nan), histograms=counts)


def still(record: WeightRecord) -> WeightRecord:
    """All weights are zero, and so are their changes."""
    counts = np.zeros_like(record.histograms)
    counts[:, 1 + BINS // 2] = record.histograms.sum(axis=1)
    return replace(record, values=np.zeros_like(record.values), histograms=counts)


def only(stats: list[WeightStats], rows: list[int]) -> list[WeightStats]:
    """The same trial of a smaller network."""
    layout = stats[0].layout
    small = replace(layout, tensors=tuple(layout.tensors[row] for row in rows), activations=(), blocks=())
    kept = changed(stats, lambda r: replace(r, values=r.values[rows], histograms=r.histograms[rows]))
    return [replace(one, layout=small, dead=None, block_steps=None) for one in kept]


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize(
    "stats",
    [
        walked(Walk(epochs=1)),
        walked(Walk(epochs=30)),
        walked(Walk(epochs=2, steps_per_epoch=4, block_steps=True)),
        changed(walked(Walk(epochs=2, block_steps=True)), outside),
        changed(walked(Walk(epochs=2)), still),
        only(walked(Walk(epochs=2)), [0]),
        only(walked(Walk(epochs=2)), [1, 2]),
        only(walked(Walk(epochs=3)), [index % 11 for index in range(300)]),
    ],
    ids=["one epoch", "30 epochs", "steps and blocks", "NaN", "zeros", "one layer", "no kernel", "300 tensors"],
)
def test_every_trial_can_be_drawn(figure: Callable[[str, list[WeightStats]], bytes], stats: list[WeightStats]) -> None:
    drawn = figure("study <1>  trial-001", stats)
    assert words(drawn)[0].startswith("study <1>  trial-001: ")
    assert "nan" not in re.sub(r"base64,[^']+|or NaN", "", drawn.decode()).lower()
    assert len(drawn) < 100_000


def test_histograms_of_a_kind_are_added_up() -> None:
    stats = walked(Walk(epochs=2))
    records = [record for one in stats for record in one.records]
    found = spreads(stats[0].layout.tensors, records)
    assert [(one.kind.value, one.tensors, one.weights) for one in found] == [
        ("kernel", 4, 1990),
        ("bias", 1, 10),
        ("gamma", 3, 30),
        ("beta", 3, 30),
    ]
    assert [(one.low, one.high, one.in_units) for one in found] == [
        (-8, 8, True),
        (-8, 8, True),
        (0, 2, False),
        (-1, 1, False),
    ]
    kernels = [row for row, tensor in enumerate(stats[0].layout.tensors) if tensor.kind.value == "kernel"]
    for record, counts in zip(records, found[0].counts, strict=True):
        assert counts.tolist() == sum(record.histograms[row] for row in kernels).tolist()


def test_tensors_whose_histograms_have_other_ends_stand_apart() -> None:
    stats = walked(Walk(epochs=1))
    tensors = list(stats[0].layout.tensors)
    tensors[0] = replace(tensors[0], low=-4 * tensors[0].unit, high=4 * tensors[0].unit)
    found = spreads(tensors, stats[0].records)
    assert [(one.kind.value, one.tensors, one.high) for one in found][:2] == [("kernel", 1, 4), ("kernel", 3, 8)]


def test_picture_of_the_histograms_shows_the_occupied_bins_and_the_shares() -> None:
    stats = walked(Walk(epochs=2))
    picture = pictures(histograms_figure("t", stats))[0]
    counts = spreads(stats[0].layout.tensors, [r for one in stats for r in one.records])[0].counts[:, 1:-1]
    bins = np.flatnonzero(counts.any(axis=0))
    shown = counts[:, bins[0] - 1 : bins[-1] + 2] / 1990
    assert picture.shape == (bins[-1] - bins[0] + 3, 3)
    assert picture.tolist() == np.round(254 * np.sqrt(shown / shown.max())).T[::-1].tolist()


def test_weights_outside_of_the_range_are_said_in_words() -> None:
    def moved(record: WeightRecord) -> WeightRecord:
        counts = record.histograms.copy()
        inside = 1 + int(counts[0, 1:-1].argmax())
        counts[0, [0, inside, -1]] += [1, -3, 2]
        return replace(record, histograms=counts)

    stats = walked(Walk(epochs=2))
    assert not any("not shown" in line for line in words(histograms_figure("t", stats)))
    text = words(histograms_figure("t", changed(stats, moved)))
    assert "not shown: up to 0.0503 % below -8 and 0.101 % above 8 or NaN" in text
    lost = words(histograms_figure("t", changed(stats, outside)))
    assert lost.count("no weight within the range") == 4
    assert "not shown: up to 100 % above 1 or NaN" in lost


def test_quantiles_of_a_histogram() -> None:
    edges = np.array([0.0, 1.0, 2.0, 3.0])
    found = quantiles(np.array([[0, 10, 10, 0, 0], [0, 0, 100, 0, 0], [60, 0, 40, 0, 0.0]]), edges)
    np.testing.assert_allclose(found, [[0.1, 1.0, 1.9], [1.05, 1.5, 1.95], [np.nan, np.nan, 1.875]])


def test_depth_profile_holds_medians_by_layer() -> None:
    stats = walked(Walk(epochs=5, speed={"stem": 0.2}, gradient={"output": 1.0}))
    change, gradient = depth_profiles(stats)
    rows = [
        row for row, tensor in enumerate(stats[0].layout.tensors) if tensor.layer in KERNELS and "weight" in tensor.name
    ]
    assert (change.names, change.depths) == (KERNELS, (1, 2, 3, 4))
    for place, row in enumerate(rows):
        moves = [one.records[-1].column("previous_minkowski_mean")[row] for one in stats]
        assert change.values[place] == pytest.approx(np.median(moves))
        assert gradient.values[place] == stats[-1].records[-1].column("gradient_rms")[row]
    text = words(depth_figure("t", stats))
    assert {"Change of kernels from epoch to epoch", "median of 5 epochs", "of the last step of epoch 5"} <= set(text)
    assert set(KERNELS) <= set(text)


def test_depth_profile_of_blocks() -> None:
    stats = walked(Walk(epochs=2, steps_per_epoch=3, block_steps=True))
    step, far = depth_profiles(stats)[2:]
    steps = [one.block_steps for one in stats if one.block_steps is not None]
    assert step.values == pytest.approx(np.median(np.concatenate([one.previous for one in steps]), axis=0))
    assert far.values == pytest.approx(np.median(np.concatenate([one.initial for one in steps]), axis=0))
    drawn = depth_figure("t", stats)
    assert {"Change of blocks in one step", "median of 6 steps", "sum of |change|"} <= set(words(drawn))
    assert f"block1: {step.values[0]:.4g}" in drawn.decode()


def test_layers_without_a_value_are_counted() -> None:
    def without(record: WeightRecord) -> WeightRecord:
        values = record.values.copy()
        values[0] = 0
        return replace(record, values=values)

    stats = changed(walked(Walk(epochs=2)), without)
    assert "median of 2 epochs; 1 of 4 not shown: zero or not finite" in words(depth_figure("t", stats))
    layers = layers_figure("t", stats)
    assert "0 or none" in words(layers)
    assert (pictures(layers)[0][0] == 255).all()
    assert (pictures(layers)[0][1:] < 255).all()


def test_picture_of_layers_is_logarithmic() -> None:
    stats = walked(Walk(epochs=3, speed={"block1": 0.2}))
    rows = [0, 3, 6, 9]
    ratios = np.log(np.array([one.records[-1].column("update_ratio")[rows] for one in stats]).T)
    wanted = np.round(254 * (ratios - ratios.min()) / (ratios.max() - ratios.min()))
    assert np.abs(pictures(layers_figure("t", stats))[0].astype(int) - wanted).max() <= 1
    assert set(KERNELS) <= set(words(layers_figure("t", stats)))


def test_time_is_in_epochs_or_in_steps() -> None:
    by_epoch = timeline([record for one in walked(Walk(epochs=3)) for record in one.records])
    assert (by_epoch.label, by_epoch.columns, by_epoch.low, by_epoch.high) == ("epoch", 4, -0.5, 3.5)
    by_step = timeline([record for one in walked(Walk(epochs=2, steps_per_epoch=3)) for record in one.records])
    assert (by_step.label, by_step.columns, by_step.low, by_step.high) == ("optimiser steps", 7, -0.5, 6.5)


def test_many_records_share_columns() -> None:
    some = walked(Walk(epochs=1))[0].records[-1]
    records = [replace(some, epoch=1, step=step) for step in range(0, 1000, 2)]
    time = timeline(records)
    assert time.columns == COLUMNS
    means = time.means(np.arange(500.0)[:, None])
    assert (np.diff(means[:, 0]) > 0).all()
    assert means[0, 0] == pytest.approx(np.arange(500)[time.column == 0].mean())
    gap = timeline([replace(some, epoch=1, step=step) for step in (0, 1, 10)])
    assert gap.means(np.array([[1.0], [2.0], [3.0]]))[:, 0].tolist() == [1.5, 1.5, 3.0]


@pytest.mark.parametrize(("low", "high"), [(1e-9, 1e-3), (0.02, 0.05), (0.011, 0.019), (1e-30, 1e30), (0.9, 1.1)])
def test_ticks_of_a_logarithmic_axis(low: float, high: float) -> None:
    marks = svg.Axis(low, high, 0, 100, log=True).ticks()
    assert 2 <= len(marks) <= 13
    assert all(low * (1 - 1e-9) <= mark <= high * (1 + 1e-9) for mark in marks)
