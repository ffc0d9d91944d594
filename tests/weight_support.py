"""Weight statistics for tests: every number written out plainly in numpy and scipy, and trials made of random walks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import distance

from tunetrack.spec.records import EpochRecord
from tunetrack.spec.weight_records import (
    BINS,
    STATISTICS,
    ActivationInfo,
    BlockInfo,
    BlockSteps,
    TensorInfo,
    TensorKind,
    WeightLayout,
    WeightRecord,
    WeightStats,
)

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """A tensor's weights at all the moments that a record compares; what did not happen yet is None."""

    now: Weights
    initial: Weights
    previous: Weights | None = None
    one_step_ago: Weights | None = None
    before_previous: Weights | None = None
    gradient: Weights | None = None


def plain_statistics(moment: Moment, p: float = 1.0, near_zero: float = 1e-4) -> dict[str, float]:
    """All of `STATISTICS`, each as its formula says, slowly."""
    w = moment.now
    numbers = dict.fromkeys((column.name for column in STATISTICS), math.nan) | {
        "mean": w.mean(),
        "std": w.std(),
        "min": w.min(),
        "max": w.max(),
        "l1": np.abs(w).sum(),
        "l2": norm(w),
        "mean_abs": np.abs(w).mean(),
        "rms": math.sqrt((w**2).mean()),
        "zero_share": (w == 0).mean(),
        "near_zero_share": (np.abs(w) < near_zero).mean(),
    }
    numbers |= distances("initial", w, moment.initial, p)
    numbers["drift"] = ratio(norm(w - moment.initial), norm(moment.initial))
    if moment.previous is not None:
        numbers |= distances("previous", w, moment.previous, p)
        numbers["update_ratio"] = ratio(norm(w - moment.previous), norm(moment.previous))
    if moment.gradient is not None:
        numbers |= {"gradient_l2": norm(moment.gradient), "gradient_rms": math.sqrt((moment.gradient**2).mean())}
    if moment.one_step_ago is not None:
        numbers["step_l2"] = norm(w - moment.one_step_ago)
        numbers["step_ratio"] = ratio(norm(w - moment.one_step_ago), norm(w))
    if moment.previous is not None and moment.before_previous is not None:
        turned = (w - moment.previous) * (moment.previous - moment.before_previous) < 0
        numbers["turned_share"] = turned.mean()
    return {name: float(value) for name, value in numbers.items()}


def distances(prefix: str, w: Weights, v: Weights, p: float) -> dict[str, float]:
    same = np.array_equal(w, v)
    no_angle = norm(w) == 0 or norm(v) == 0
    flat = len(set(w)) == 1 or len(set(v)) == 1  # no deviation from the mean, so no correlation
    return {
        f"{prefix}_minkowski": distance.minkowski(w, v, p),
        f"{prefix}_minkowski_mean": float((np.abs(w - v) ** p).mean() ** (1 / p)),
        f"{prefix}_euclidean": distance.euclidean(w, v),
        f"{prefix}_chebyshev": distance.chebyshev(w, v),
        f"{prefix}_cosine": math.nan if no_angle else 0.0 if same else distance.cosine(w, v),
        f"{prefix}_correlation": math.nan if flat else 0.0 if same else distance.correlation(w, v),
    }


def norm(w: Weights) -> float:
    return math.sqrt(float((w**2).sum()))


def ratio(above: float, below: float) -> float:
    return above / below if below else math.nan


def plain_histogram(w: Weights, tensor: TensorInfo) -> NDArray[np.int64]:
    inside = np.histogram(w, BINS, (tensor.low, tensor.high))[0]
    below, above = int((w < tensor.low).sum()), int((w > tensor.high).sum() + np.isnan(w).sum())
    return np.array([below, *inside, above], np.int64)


#: (layer, block, kind, size, initial spread); what a small residual network looks like.
TENSORS = (
    ("stem.conv", "stem", TensorKind.KERNEL, 90, 0.2),
    ("stem.norm", "stem", TensorKind.GAMMA, 10, 0.0),
    ("stem.norm", "stem", TensorKind.BETA, 10, 0.0),
    ("block1.conv1", "block1", TensorKind.KERNEL, 900, 0.1),
    ("block1.norm1", "block1", TensorKind.GAMMA, 10, 0.0),
    ("block1.norm1", "block1", TensorKind.BETA, 10, 0.0),
    ("block2.conv1", "block2", TensorKind.KERNEL, 900, 0.1),
    ("block2.norm1", "block2", TensorKind.GAMMA, 10, 0.0),
    ("block2.norm1", "block2", TensorKind.BETA, 10, 0.0),
    ("output", "output", TensorKind.KERNEL, 100, 0.3),
    ("output", "output", TensorKind.BIAS, 10, 0.3),
)


@dataclass
class Walk:
    """A trial whose weights walk at random; `speed` is a step's size beside the initial spread, by block.

    Attributes:
        epochs: how many to make.
        speed: by block; blocks that are not named take 0.02.
        gradient: root mean square of the gradient, by block; default 0.01.
        dead: dead units of the two activation layers (10 units each), by epoch; the last entry holds for the rest.
        steps_per_epoch: records an epoch, where more than one is wanted.
        block_steps: whether distances of the two blocks are there too.
    """

    epochs: int = 4
    speed: dict[str, float] = field(default_factory=dict)
    gradient: dict[str, float] = field(default_factory=dict)
    dead: Sequence[tuple[int, int]] = ((0, 0),)
    steps_per_epoch: int = 1
    block_steps: bool = False
    seed: int = 0


def walked_trial(walk: Walk) -> list[EpochRecord]:
    """The epochs of such a trial, as the trainer gives them."""
    rng = np.random.default_rng(walk.seed)
    initial = [center(kind) + rng.normal(0, std, size) for _, _, kind, size, std in TENSORS]
    layout = layout_of(initial)
    history = [initial]
    records = []
    for epoch in range(1, walk.epochs + 1):
        made = [record(layout, history, [None] * len(initial), 0, 0)] if epoch == 1 else []
        for step in range(1, walk.steps_per_epoch + 1):
            gradients = [rng.normal(0, walk.gradient.get(t.block, 0.01), t.size) for t in layout.tensors]
            spreads = [std or 0.1 for *_, std in TENSORS]
            moves = [
                rng.normal(0, spread * walk.speed.get(t.block, 0.02), t.size)
                for t, spread in zip(layout.tensors, spreads, strict=True)
            ]
            history.append([w + move for w, move in zip(history[-1], moves, strict=True)])
            done = (epoch - 1) * walk.steps_per_epoch + step
            made.append(record(layout, history, gradients, epoch, done))
        stats = WeightStats(
            layout,
            tuple(made),
            walk.dead[min(epoch, len(walk.dead)) - 1],
            steps_of_blocks(layout, history, epoch, walk) if walk.block_steps else None,
        )
        loss = 2.3 * 0.7**epoch
        records.append(
            EpochRecord(epoch, loss, 1 - loss / 3, loss + 0.1, 1 - loss / 2.5, 1e-3, 1.0, 5000.0, weights=stats)
        )
    return records


def center(kind: TensorKind) -> float:
    return 1.0 if kind is TensorKind.GAMMA else 0.0


def layout_of(initial: Sequence[Weights]) -> WeightLayout:
    tensors, depth = [], 0
    for (layer, block, kind, size, std), weights in zip(TENSORS, initial, strict=True):
        depth += kind is TensorKind.KERNEL
        unit = math.sqrt(float((weights**2).mean())) if std else 1.0
        low, high = (0.0, 2.0) if kind is TensorKind.GAMMA else (-8 * unit, 8 * unit) if std else (-1.0, 1.0)
        name = f"{layer}.{'weight' if kind in (TensorKind.KERNEL, TensorKind.GAMMA) else 'bias'}"
        tensors.append(TensorInfo(name, layer, kind, block, depth, size, low, high, unit))
    activations = (
        ActivationInfo("block1.activation", "ReLU", "block1", 2, 10),
        ActivationInfo("block2.activation", "ReLU", "block2", 3, 10),
    )
    return WeightLayout(tuple(tensors), activations, (BlockInfo("block1", 1, 900), BlockInfo("block2", 2, 900)))


def record(
    layout: WeightLayout,
    history: Sequence[Sequence[Weights]],
    gradients: Sequence[Weights | None],
    epoch: int,
    step: int,
) -> WeightRecord:
    rows, counts = [], []
    for index, (tensor, gradient) in enumerate(zip(layout.tensors, gradients, strict=True)):
        past = [moment[index] for moment in history]
        previous = past[-2] if len(past) > 1 else None
        moment = Moment(past[-1], past[0], previous, previous, past[-3] if len(past) > 2 else None, gradient)
        rows.append([plain_statistics(moment)[column.name] for column in STATISTICS])
        counts.append(plain_histogram(past[-1], tensor))
    return WeightRecord(epoch, step, np.array(rows), np.array(counts))


def steps_of_blocks(layout: WeightLayout, history: Sequence[Sequence[Weights]], epoch: int, walk: Walk) -> BlockSteps:
    per = walk.steps_per_epoch
    steps = np.arange((epoch - 1) * per + 1, epoch * per + 1)
    rows = [
        [index for index, t in enumerate(layout.tensors) if t.block == block.name and t.kind is TensorKind.KERNEL]
        for block in layout.blocks
    ]
    far = [[sum(np.abs(history[s][i] - history[0][i]).sum() for i in r) for r in rows] for s in steps]
    near = [[sum(np.abs(history[s][i] - history[s - 1][i]).sum() for i in r) for r in rows] for s in steps]
    return BlockSteps(steps, np.array(far), np.array(near))
