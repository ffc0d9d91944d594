"""What is computed from stored weight statistics: against the records they were made of, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from report_samples import study, trial
from scipy import stats
from weight_samples import walked

from tunetrack.errors import TunetrackError
from tunetrack.report.weights.blocks import blocks_info
from tunetrack.report.weights.kinds import kinds_info
from tunetrack.report.weights.layers import dead_rows, layers_info, trend
from tunetrack.report.weights.table import tensor_table, thinned
from tunetrack.report.weights.trials import chosen_trials, differing
from tunetrack.spec.weight_records import STATISTICS
from weight_frames import frame_of
from weight_support import TENSORS, Walk, walked_trial

PARTS = [name for name, *_ in TENSORS]


def test_the_table_has_every_statistic_in_the_networks_order() -> None:
    epochs = walked_trial(Walk(epochs=3))
    table = tensor_table(frame_of(epochs))
    records = [record for epoch in epochs for record in (epoch.weights.records if epoch.weights else ())]
    assert list(table.tensors["layer"]) == PARTS
    assert list(table.epochs) == [0, 1, 2, 3]
    assert list(table.times) == [0.0, 1.0, 2.0, 3.0]
    for column in STATISTICS:
        expected = np.stack([record.column(column.name) for record in records])
        np.testing.assert_allclose(table.values(column.name), expected, rtol=1e-6)
    added = table.histograms(np.array([0, 3]))
    np.testing.assert_array_equal(added[2], records[2].histograms[[0, 3]].sum(axis=0))


def test_several_records_an_epoch_stand_at_fractions_of_it() -> None:
    table = tensor_table(frame_of(walked_trial(Walk(epochs=2, steps_per_epoch=4))))
    assert list(table.times) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
    assert [len(thinned(1000, 3)), *thinned(1000, 3)[[0, -1]]] == [3, 0, 999]
    assert list(thinned(2)) == [0, 1]
    assert list(thinned(0)) == []


def test_kernels_by_depth_have_their_medians() -> None:
    epochs = walked_trial(Walk(epochs=4, speed={"block1": 0.0001}, gradient={"output": 3.0}))
    info = layers_info(tensor_table(frame_of(epochs)))
    assert [(row.depth, row.layer) for row in info.rows] == [
        (1, "stem.conv"), (2, "block1.conv1"), (3, "block2.conv1"), (4, "output"),
    ]  # fmt: skip
    records = [epoch.weights.records[-1] for epoch in epochs if epoch.weights]
    place = PARTS.index("block1.conv1")
    for name, number in (
        ("previous_minkowski_mean", info.rows[1].update_mean),
        ("previous_minkowski", info.rows[1].update),
        ("gradient_rms", info.rows[1].gradient_rms),
    ):
        assert number == pytest.approx(np.median([record.column(name)[place] for record in records]), rel=1e-6)
    assert info.rows[1].drift == pytest.approx(records[-1].column("drift")[place], rel=1e-6)
    assert info.rows[3].gradient_rms == pytest.approx(3.0, rel=0.1)
    assert info.ratios.shape == (4, 4)
    assert info.ratios[1, 2] == pytest.approx(records[2].column("update_ratio")[place], rel=1e-6)
    assert info.trend is None  # four layers
    assert info.idle == ()


def test_a_kernel_without_gradient_that_never_moves_is_left_out() -> None:
    frame = frame_of(walked_trial(Walk()))
    unused = frame["name"] == "block2.conv1.weight"
    frame.loc[unused, ["gradient_l2", "gradient_rms"]] = np.nan
    frame.loc[unused, ["previous_minkowski", "previous_minkowski_mean"]] = 0.0
    info = layers_info(tensor_table(frame))
    assert info.idle == ("block2.conv1",)
    assert [row.depth for row in info.rows] == [1, 2, 4]


def test_blocks_have_their_medians_and_a_trend_from_five_on() -> None:
    epochs = walked_trial(Walk(epochs=3, steps_per_epoch=5, block_steps=True))
    info = blocks_info(frame_of(epochs))
    assert info is not None
    near = np.concatenate([epoch.weights.block_steps.previous for epoch in epochs if epoch.weights.block_steps])  # type: ignore[union-attr]
    assert list(info.steps) == list(range(1, 16))
    np.testing.assert_allclose(info.previous, near, rtol=1e-6)
    assert [row.step for row in info.rows] == pytest.approx(list(np.median(near, axis=0)), rel=1e-6)
    assert [(row.depth, row.size) for row in info.rows] == [(1, 900), (2, 900)]
    assert info.trend is None
    assert blocks_info(frame_of(walked_trial(Walk()))) is None


@pytest.mark.parametrize(
    ("depths", "values", "expected"),
    [
        ([1, 2, 3, 4, 5], [1.0, 2.0, 3.0, 4.0, 5.0], 1.0),
        ([1, 2, 3, 4, 5, 6], [6.0, 5.0, 4.0, 3.0, 2.0, float("nan")], -1.0),
        ([1, 2, 3, 4, 5], [1.0, 3.0, 2.0, 5.0, 4.0], 0.8),
        ([1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], None),
        ([1, 2, 3, 4, 5], [2.0] * 5, None),
        ([1, 1, 1, 1, 1], [1.0, 2.0, 3.0, 4.0, 5.0], None),
        ([], [], None),
    ],
)
def test_a_trend_is_spearmans(depths: list[int], values: list[float], expected: float | None) -> None:
    found = trend(depths, values)
    assert (None if found is None else found.correlation) == pytest.approx(expected)
    if found is not None and len(depths) == 5:
        assert found.chance == pytest.approx(stats.spearmanr(depths, values).pvalue)


def test_kinds_are_pooled_over_their_tensors() -> None:
    epochs = walked_trial(Walk(epochs=4, speed={"stem": 0.3}))
    kinds = {kind.kind: kind for kind in kinds_info(tensor_table(frame_of(epochs)))}
    assert list(kinds) == ["kernel", "bias", "gamma", "beta"]
    gamma = kinds["gamma"]
    assert (gamma.tensors, gamma.size, gamma.histogram.left_out) == (3, 30, 0)
    spreads = [epoch.metrics()["weights/gamma_spread"] for epoch in epochs]  # an independent computation
    assert gamma.std[0] == 0.0
    assert gamma.std[1:] == pytest.approx(spreads, rel=1e-5)
    assert gamma.spread_ends == pytest.approx((spreads[0], spreads[-1]), rel=1e-5)
    records = [epoch.weights.records[-1] for epoch in epochs if epoch.weights]
    rows = [place for place, (*_, kind, _, _) in enumerate(TENSORS) if kind.value == "gamma"]
    assert gamma.turned[-1] == pytest.approx(records[-1].column("turned_share")[rows].mean(), rel=1e-6)
    assert np.isnan(gamma.turned[:2]).all()
    moved = np.sqrt((records[-1].column("previous_euclidean")[rows] ** 2).sum() / 30)
    assert gamma.change[-1] == pytest.approx(moved, rel=1e-6)
    assert np.isnan(gamma.change[0])


def test_histograms_are_shares_with_percentiles_and_lose_nothing() -> None:
    frame = frame_of(walked_trial(Walk(epochs=2, speed={"output": 40.0})))
    kernel, bias, gamma, _ = (kind.histogram for kind in kinds_info(tensor_table(frame)))
    assert kernel.edges[[0, -1]] == pytest.approx([-8.0, 8.0])
    assert kernel.in_units
    assert not gamma.in_units
    for info in (kernel, bias, gamma):
        np.testing.assert_allclose(info.shares.sum(axis=1) + info.below + info.above, 1.0)
    assert bias.below[-1] + bias.above[-1] > 0.3  # 40 times its initial spread
    assert gamma.quantiles[0] == pytest.approx([1.0, 1.0, 1.0], abs=2 / 64)
    assert (np.diff(kernel.quantiles, axis=1) > 0).all()
    # A normal distribution's percentiles in units of its spread, of the 900 weights of each block's kernel.
    assert kernel.quantiles[0] == pytest.approx([-1.645, 0.0, 1.645], abs=0.2)


def test_tensors_with_another_range_are_counted_apart() -> None:
    frame = frame_of(walked_trial(Walk(epochs=1)))
    frame.loc[frame["layer"] == "output", ["histogram_low", "histogram_high"]] = [-1.0, 1.0]
    kernel = kinds_info(tensor_table(frame))[0]
    assert (kernel.tensors, kernel.histogram.left_out) == (4, 1)


def test_dead_units_are_those_of_the_last_epoch() -> None:
    rows = dead_rows(frame_of(walked_trial(Walk(epochs=3, dead=((0, 1), (2, 3), (4, 7))))))
    assert [(row.layer, row.units, round(row.share, 3)) for row in rows] == [
        ("block1.activation", 10, 0.4),
        ("block2.activation", 10, 0.7),
    ]


MEASURED = {"weights/norm": 1.0}


def test_the_best_and_one_of_every_network_are_chosen() -> None:
    trials = [trial(number, 0.9 - number / 100, params={"model.name": "cnn"}, metrics=MEASURED) for number in range(6)]
    trials += [
        trial(6, 0.5, params={"model.name": "even_resnet", "model.residual": True}, metrics=MEASURED),
        trial(7, 0.4, params={"model.name": "even_resnet", "model.residual": False}, metrics=MEASURED),
        trial(8, 0.3, params={"model.name": "even_resnet", "model.residual": False}, metrics=MEASURED),
        trial(9, None, "PRUNED", params={"model.name": "funnel_cnn"}, metrics=MEASURED),
        trial(10, 0.95, "DUPLICATE", duplicate_of=0),
    ]
    table = study(trials)
    assert [one.number for one in chosen_trials(table)] == [0, 1, 2, 3, 6, 7, 9]
    assert [one.number for one in chosen_trials(table, [7, 0, 7])] == [7, 0]
    assert [one.number for one in chosen_trials(table, every=True)] == list(range(10))


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (12, "--trials: fashion-cnn has no trial 12; with weight statistics: 0-1, 3"),
        (
            2,
            "trial 2 of fashion-cnn has no weight statistics: it is FAILED and was not trained to an epoch's end; with",
        ),
        (4, "it repeats the configuration of trial 0, which was trained instead"),
        (5, "it is still running, and they are written when it ends"),
        (6, "they were not recorded (weights.record: false, or an older version)"),
        (7, "it is INFEASIBLE and was not trained to an epoch's end"),
    ],
)
def test_trials_that_cannot_be_compared(wanted: int, expected: str) -> None:
    trials = [
        trial(0, 0.9, metrics=MEASURED),
        trial(1, 0.8, metrics=MEASURED),
        trial(2, None, "FAILED"),
        trial(3, None, "FAILED", metrics=MEASURED),
        trial(4, 0.9, "DUPLICATE", duplicate_of=0),
        trial(5, None, "RUNNING", metrics=MEASURED),
        trial(6, 0.5),
        trial(7, None, "INFEASIBLE"),
    ]
    with pytest.raises(TunetrackError) as error:
        chosen_trials(study(trials), [0, wanted])
    assert expected in str(error.value)


def test_a_study_without_statistics_says_so() -> None:
    with pytest.raises(TunetrackError, match="no trial of fashion-cnn has weight statistics"):
        chosen_trials(study([trial(0, 0.9)]))


def test_trials_are_named_by_what_differs() -> None:
    params = [
        {"optimizer.lr": 0.1, "model.name": "even_resnet", "model.residual": True, "model.size": 18, "other": 1},
        {"optimizer.lr": 0.1, "model.name": "even_resnet", "model.residual": False, "model.size": 34, "other": 2},
        {"optimizer.lr": 0.1, "model.name": "cnn", "model.size": 18},
    ]
    trials = differing(
        [walked(number, Walk(epochs=1), one) for number, one in enumerate(params)],
        ["optimizer.lr", "model.size", "model.name", "model.residual"],
    )
    assert [one.label for one in trials] == [
        "trial 0: model even_resnet, residual true, size 18",
        "trial 1: model even_resnet, residual false, size 34",
        "trial 2: model cnn, size 18",
    ]
    assert [one.plain for one in trials] == [False, True, False]
    assert trials[0].differences(1) == "model even_resnet, …"
    assert [one.label for one in differing([walked(4)], ["optimizer.lr"])] == ["trial 4"]
