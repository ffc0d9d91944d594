"""Both ways of taking sums, and the formulas made of them, against plain numpy and scipy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from tunetrack.spec.weight_records import BINS, STATISTICS, TensorInfo, TensorKind
from tunetrack.training.weight_stats.formulas import Known, statistics
from tunetrack.training.weight_stats.sums import SUMS, Beside, FlatCopy, Sums, _NumbaSums, _TorchSums
from weight_support import Moment, Weights, plain_histogram, plain_statistics

Maker = Callable[..., Sums]
BOTH = pytest.mark.parametrize("maker", [_NumbaSums, _TorchSums])
ENDS = (-0.5, 1.5)
COLUMNS = [column.name for column in STATISTICS]


def history(rng: np.random.Generator) -> list[list[torch.Tensor]]:
    """Five moments of three tensors: a convolution's kernel in channels_last, a scale near 1, a single number."""
    start = [
        torch.tensor(rng.normal(0, 0.1, (8, 3, 3, 3)), dtype=torch.float32).to(memory_format=torch.channels_last),
        torch.tensor(1 + rng.normal(0, 1e-4, 8), dtype=torch.float32),
        torch.tensor([0.25]),
    ]
    moments = [start]
    for _ in range(4):
        moments.append([w + 1e-3 * torch.tensor(rng.normal(0, 1, w.shape), dtype=torch.float32) for w in moments[-1]])
    return moments


def flat(tensor: torch.Tensor) -> Weights:
    return tensor.detach().double().reshape(-1).numpy().copy()


def measured(maker: Maker, moments: Sequence[Sequence[torch.Tensor]], p: float, near_zero: float) -> np.ndarray:
    """Records of moments 0, 1 and 3; before the last record, the weights of moment 2 are noted."""
    parameters = [torch.nn.Parameter(w.clone()) for w in moments[0]]
    ends = np.array([ENDS] * len(parameters))
    sums = maker(parameters, ends, p, near_zero)
    beside = Beside(
        FlatCopy(parameters).take(parameters),
        FlatCopy(parameters).take(parameters),
        direction=FlatCopy(parameters, torch.int8),
    )
    rows = [sums.measure(beside, first=True)[0]]
    for moment in (1, 2, 3):
        for parameter, w in zip(parameters, moments[moment], strict=True):
            parameter.data.copy_(w)
        if moment == 2:
            beside.before = FlatCopy(parameters).take(parameters)
            continue
        if moment == 3:
            for index, parameter in enumerate(parameters[:2]):
                parameter.grad = moments[4][index].contiguous()  # another layout than the weights have
        rows.append(sums.measure(beside)[0])
    sizes = np.array([w.numel() for w in parameters], float)
    known = Known(sizes, p, rows[0], rows[1], turns=True, steps=True, gradients=np.array([True, True, False]))
    return statistics(rows[2], known)


@BOTH
@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_every_statistic_is_what_its_formula_says(maker: Maker, p: float) -> None:
    moments = history(np.random.default_rng(0))
    found = measured(maker, moments, p, 0.05)
    for index in range(3):
        now, initial, previous, before, two_ago = (flat(moments[m][index]) for m in (3, 0, 1, 2, 0))
        gradient = flat(moments[4][index]) if index < 2 else None
        moment = Moment(now, initial, previous, before, two_ago, gradient)
        expected = plain_statistics(moment, p, 0.05)
        for name, value in zip(COLUMNS, found[index], strict=True):
            assert value == pytest.approx(expected[name], rel=1e-5, abs=1e-12, nan_ok=True), (index, name)


@BOTH
def test_the_first_record_has_nothing_to_compare_with(maker: Maker) -> None:
    weights = [torch.nn.Parameter(torch.eye(3))]
    sums = maker(weights, np.array([[-2.0, 2.0]]), 1.0, 1e-4)
    beside = Beside(FlatCopy(weights).take(weights), FlatCopy(weights).take(weights), FlatCopy(weights, torch.int8))
    row, counts = sums.measure(beside, first=True)
    known = Known(np.array([9.0]), 1.0, row, None, turns=False, steps=False, gradients=np.array([False]))
    found = dict(zip(COLUMNS, statistics(row, known)[0], strict=True))
    assert found["mean"] == pytest.approx(1 / 3)
    assert found["std"] == pytest.approx(math.sqrt(2 / 9))
    assert (found["l1"], found["l2"], found["min"], found["max"]) == (3.0, pytest.approx(math.sqrt(3)), 0.0, 1.0)
    assert (found["zero_share"], found["near_zero_share"]) == (pytest.approx(6 / 9), pytest.approx(6 / 9))
    assert (found["initial_minkowski"], found["drift"], found["initial_cosine"]) == (0.0, 0.0, 0.0)
    undefined = ("previous_minkowski", "update_ratio", "step_l2", "turned_share", "gradient_l2")
    assert all(math.isnan(found[name]) for name in undefined)
    assert counts[0].sum() == 9
    # 64 bins over [-2, 2]: 0 lies in the 33rd, 1 in the 49th
    assert {place: int(counts[0, place]) for place in np.flatnonzero(counts[0])} == {33: 6, 49: 3}


@BOTH
def test_all_zero_and_all_equal_weights_have_no_angle(maker: Maker) -> None:
    weights = [torch.nn.Parameter(torch.zeros(4)), torch.nn.Parameter(torch.full((3,), 0.1))]
    sums = maker(weights, np.array([[-1.0, 1.0]] * 2), 2.0, 1e-4)
    beside = Beside(FlatCopy(weights).take(weights), FlatCopy(weights).take(weights), FlatCopy(weights, torch.int8))
    row, _ = sums.measure(beside, first=True)
    with torch.no_grad():
        weights[1].add_(0.1)
    later, _ = sums.measure(beside)
    known = Known(np.array([4.0, 3.0]), 2.0, row, row, turns=False, steps=False, gradients=np.zeros(2, bool))
    zero, equal = (dict(zip(COLUMNS, one, strict=True)) for one in statistics(later, known))
    assert (zero["l2"], zero["zero_share"], zero["update_ratio"], zero["drift"]) == (
        0.0,
        1.0,
        *[pytest.approx(math.nan, nan_ok=True)] * 2,
    )
    assert math.isnan(zero["initial_cosine"])
    assert math.isnan(zero["initial_correlation"])
    assert equal["initial_cosine"] == pytest.approx(0.0, abs=1e-9)
    assert math.isnan(equal["initial_correlation"])
    assert equal["drift"] == pytest.approx(1.0, rel=1e-6)
    assert (equal["initial_minkowski"], equal["initial_minkowski_mean"]) == (
        pytest.approx(0.1 * math.sqrt(3), rel=1e-6),
        pytest.approx(0.1, rel=1e-6),
    )


@BOTH
def test_no_weight_is_missing_in_a_histogram(maker: Maker) -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(0, 1, 5000), [-0.5, 1.5, np.nan, np.inf, -np.inf]]).astype(np.float32)
    weights = [torch.nn.Parameter(torch.from_numpy(values))]
    sums = maker(weights, np.array([ENDS]), 1.0, 1e-4)
    beside = Beside(FlatCopy(weights).take(weights), FlatCopy(weights).take(weights), FlatCopy(weights, torch.int8))
    row, counts = sums.measure(beside, first=True)
    tensor = TensorInfo("w", "w", TensorKind.KERNEL, "w", 1, len(values), *ENDS, 1.0)
    expected = plain_histogram(values[:-3].astype(float), tensor)
    expected[0] += 1  # minus infinity
    expected[-1] += 2  # infinity, NaN
    assert counts[0].sum() == len(values)
    assert counts.shape == (1, BINS + 2)
    assert np.array_equal(counts[0], expected)
    assert not math.isfinite(row[0, SUMS.index("square")])


@BOTH
def test_a_change_that_turns_is_counted_once(maker: Maker) -> None:
    weights = [torch.nn.Parameter(torch.zeros(4))]
    sums = maker(weights, np.array([ENDS]), 1.0, 1e-4)
    beside = Beside(FlatCopy(weights).take(weights), FlatCopy(weights).take(weights), FlatCopy(weights, torch.int8))
    sums.measure(beside, first=True)
    turned = []
    for change in ([1.0, 1.0, 1.0, 1.0], [-0.5, 0.5, -0.1, 0.0], [0.1, 0.1, -0.1, -1.0], [-1.0, -1.0, -1.0, 1.0]):
        with torch.no_grad():
            weights[0].add_(torch.tensor(change))
        turned.append(sums.measure(beside)[0][0, SUMS.index("turned")])
    # The third tensor entry never turns; the fourth stood still once, and what follows a halt is no turn.
    assert turned == [0.0, 2.0, 1.0, 3.0]


@BOTH
def test_other_types_and_layouts_are_read_too(maker: Maker) -> None:
    wide = torch.nn.Parameter(torch.arange(6.0, dtype=torch.float64).view(2, 3))
    gaps = torch.nn.Parameter(torch.arange(12.0).view(3, 4)[:, ::2])
    half = torch.nn.Parameter(torch.tensor([0.5, 0.25], dtype=torch.bfloat16))
    tensors = [wide, gaps, half]
    sums = maker(tensors, np.array([[-1.0, 20.0]] * 3), 1.0, 1e-4)
    beside = Beside(FlatCopy(tensors).take(tensors), FlatCopy(tensors).take(tensors), FlatCopy(tensors, torch.int8))
    row, counts = sums.measure(beside, first=True)
    assert row[:, 0].tolist() == [15.0, 30.0, 0.75]
    assert counts.sum(axis=1).tolist() == [6, 6, 2]
    later, _ = sums.measure(beside)
    assert later[:, SUMS.index("previous_power")].tolist() == [0.0, 0.0, 0.0]
