"""What weight statistics are: which tensor is what, one record of all of them, and every column by name and unit."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "BINS",
    "DEAD_SHARE",
    "HISTOGRAM_COLUMNS",
    "ITEM_COLUMNS",
    "STATISTICS",
    "SUMMARY_METRICS",
    "ActivationInfo",
    "BlockInfo",
    "BlockSteps",
    "Column",
    "Finding",
    "Item",
    "TensorInfo",
    "TensorKind",
    "WeightLayout",
    "WeightRecord",
    "WeightStats",
]

#: Bins of a histogram between its ends; one for what lies below and one for what lies above come on top.
BINS = 64


class TensorKind(enum.StrEnum):
    """What a parameter tensor is for."""

    KERNEL = "kernel"
    BIAS = "bias"
    GAMMA = "gamma"
    BETA = "beta"
    OTHER = "other"


class Item(enum.StrEnum):
    """What a row of the table of weight statistics is about."""

    TENSOR = "tensor"
    ACTIVATION = "activation"
    BLOCK = "block"


@dataclass(frozen=True)
class Column:
    """One column of the table of weight statistics.

    Attributes:
        name: in the table.
        unit: ``weight``: as the weights; ``gradient``: loss / weight; ``share``: a fraction in [0, 1]; ``1``: a ratio.
        about: what it is, with its formula.
    """

    name: str
    unit: str
    about: str


def _distances(prefix: str, since: str) -> tuple[Column, ...]:
    return (
        Column(f"{prefix}_minkowski", "weight", f"(sum |w - v|^p)^(1/p), v: {since}; p: weights.minkowski_p"),
        Column(f"{prefix}_minkowski_mean", "weight", "the same per weight: (mean |w - v|^p)^(1/p)"),
        Column(f"{prefix}_euclidean", "weight", "L2 norm of w - v"),
        Column(f"{prefix}_chebyshev", "weight", "largest |w - v|"),
        Column(f"{prefix}_cosine", "1", "1 - <w, v> / (|w| |v|), 0 to 2; none where a norm is 0"),
        Column(f"{prefix}_correlation", "1", "the cosine distance of w - mean(w) and v - mean(v)"),
    )


#: The numbers of a parameter tensor, in the order of `WeightRecord.values`; none (NaN) where there is nothing to say.
#: Distances are those of scipy.spatial.distance.
STATISTICS: tuple[Column, ...] = (
    Column("mean", "weight", "mean"),
    Column("std", "weight", "standard deviation over all its weights (division by their number)"),
    Column("min", "weight", "smallest weight"),
    Column("max", "weight", "largest weight"),
    Column("l1", "weight", "L1 norm: sum |w|"),
    Column("l2", "weight", "L2 norm: sqrt(sum w^2)"),
    Column("mean_abs", "weight", "L1 norm per weight: mean |w|"),
    Column("rms", "weight", "L2 norm per weight: sqrt(mean w^2)"),
    Column("zero_share", "share", "exact zeros"),
    Column("near_zero_share", "share", "weights below weights.near_zero in size, exact zeros included"),
    Column("gradient_l2", "gradient", "L2 norm of the last step's gradient, after clipping"),
    Column("gradient_rms", "gradient", "the same per weight: sqrt(mean g^2)"),
    Column("step_l2", "weight", "L2 norm of what the last optimiser step changed"),
    Column("step_ratio", "1", "step_l2 / l2"),
    Column("update_ratio", "1", "previous_euclidean / L2 norm at the previous record"),
    Column("drift", "1", "initial_euclidean / L2 norm of the initial weights"),
    Column(
        "turned_share",
        "share",
        "weights whose change since the previous record has the opposite sign of the one before",
    ),
    *_distances("initial", "the initial weights"),
    *_distances("previous", "the weights of the previous record"),
)

#: What only rows of activation layers have.
DEAD_SHARE = Column("dead_share", "share", "units that no validation image has brought above zero")

#: What only rows of parameter tensors have, beside their statistics.
HISTOGRAM_COLUMNS: tuple[Column, ...] = (
    Column("histogram", "weights", f"counts: below the range, {BINS} bins of equal width, above it (or NaN)"),
    Column("histogram_low", "weight", "lower end of the range, the same in all records"),
    Column("histogram_high", "weight", "upper end"),
    Column("histogram_unit", "weight", "the ends are multiples of it: initial root mean square of kernels and biases"),
)

#: What a row is about, before its statistics.
ITEM_COLUMNS: tuple[Column, ...] = (
    Column("epoch", "epochs", "0: the initial state; 1: during or after the first epoch"),
    Column("step", "steps", "optimiser steps done since the beginning"),
    Column("item", "", "tensor: a parameter; activation: an activation layer; block: a residual block"),
    Column("name", "", "of the parameter, the activation layer or the block"),
    Column("layer", "", "the layer that it belongs to"),
    Column(
        "kind", "", "kernel, bias, gamma (scale of a norm), beta (shift of a norm), other; an activation's class; block"
    ),
    Column("block", "", "the repeated part of the network that it belongs to"),
    Column(
        "depth",
        "layers",
        "layers with kernels up to this one, in the order of their calls; 0: never called; of a block, its number",
    ),
    Column("size", "weights", "number of weights; of an activation layer, of units"),
)


@dataclass(frozen=True)
class TensorInfo:
    """One parameter tensor.

    Attributes:
        name: ``block1.body.conv1.weight``.
        layer: ``block1.body.conv1``.
        kind: what it is for.
        block: the part of the network that it belongs to: ``block1``, ``stage2.block1``, ``layer3``, ``output``.
        depth: layers with kernels up to this one, in the order in which they are called; of a norm, that of the kernel
            before it; 0 where the network never calls the layer.
        size: number of weights.
        low, high: ends of its histogram, fixed over the run.
        unit: what the histogram's ends are multiples of, so that tensors of one kind can be laid over one another: the
            initial root mean square of kernels and biases, 1.0 where there is none, and for gammas and betas.
    """

    name: str
    layer: str
    kind: TensorKind
    block: str
    depth: int
    size: int
    low: float
    high: float
    unit: float


@dataclass(frozen=True)
class ActivationInfo:
    """One activation layer: `units` are channels, or features of a vector."""

    layer: str
    kind: str
    block: str
    depth: int
    units: int


@dataclass(frozen=True)
class BlockInfo:
    """One residual block: its number from the input, and how many weights its distances are summed over."""

    name: str
    depth: int
    size: int


@dataclass(frozen=True)
class WeightLayout:
    """What the rows of a trial's records stand for, in their order.

    Attributes:
        tensors: the parameters.
        activations: in the order of `WeightStats.dead`.
        blocks: in the order of the columns of `BlockSteps`.
        minkowski_p: order of the Minkowski distances.
    """

    tensors: tuple[TensorInfo, ...]
    activations: tuple[ActivationInfo, ...] = ()
    blocks: tuple[BlockInfo, ...] = ()
    minkowski_p: float = 1.0


@dataclass(frozen=True)
class WeightRecord:
    """All parameter tensors at one moment.

    Attributes:
        epoch: 0 for the initial state, else the epoch that is running or has just ended, from 1.
        step: optimiser steps done.
        values: float64 (tensors, len(STATISTICS)).
        histograms: int64 (tensors, BINS + 2); first what lies below the range, last what lies above or is NaN.
    """

    epoch: int
    step: int
    values: NDArray[np.float64] = field(repr=False)
    histograms: NDArray[np.int64] = field(repr=False)

    def column(self, name: str) -> NDArray[np.float64]:
        """One statistic of all tensors."""
        return self.values[:, _COLUMN[name]]


@dataclass(frozen=True)
class BlockSteps:
    """Distances of residual blocks, measured before optimiser steps.

    Attributes:
        steps: int64 (n,); entry k says that the weights after so many steps were looked at.
        initial: float64 (n, blocks), distance to the initial weights.
        previous: float64 (n, blocks), distance to the weights one step earlier.
    """

    steps: NDArray[np.int64] = field(repr=False)
    initial: NDArray[np.float64] = field(repr=False)
    previous: NDArray[np.float64] = field(repr=False)


@dataclass(frozen=True)
class Finding:
    """Something unhealthy that a rule has found in a trial.

    Attributes:
        rule: its name in the study file, such as ``dead_units``.
        epoch: when it was found.
        text: what was found, in words and numbers; one sentence without a full stop.
        layers: where.
        prune: whether the rule asks for the trial to end.
    """

    rule: str
    epoch: int
    text: str
    layers: tuple[str, ...] = ()
    prune: bool = False


@dataclass(frozen=True)
class WeightStats:
    """What one epoch yields.

    Attributes:
        layout: the same object in all epochs of a trial.
        records: in order; the last one stands at the end of the epoch. The first epoch's begin with the initial state.
        dead: units that no validation image has brought above zero, by activation layer; None where not looked at.
        block_steps: None where not asked for.
    """

    layout: WeightLayout
    records: tuple[WeightRecord, ...]
    dead: tuple[int, ...] | None = None
    block_steps: BlockSteps | None = None

    def metrics(self) -> dict[str, float]:
        """`SUMMARY_METRICS` at the end of the epoch; without those that this network has not."""
        last, layout = self.records[-1], self.layout
        numbers = {
            "weights/norm": _norm(last.column("l2")),
            "weights/gradient_norm": _norm(last.column("gradient_l2")),
            "weights/step_ratio": _norm(last.column("step_l2")) / (_norm(last.column("l2")) or math.nan),
        }
        kernels = [row for row, tensor in enumerate(layout.tensors) if tensor.kind is TensorKind.KERNEL]
        drifts = [drift for row in kernels if not math.isnan(drift := float(last.column("drift")[row]))]
        if drifts:
            numbers["weights/max_drift"] = max(drifts)
        if self.dead and layout.activations:
            numbers["weights/dead_units"] = sum(self.dead) / sum(layer.units for layer in layout.activations)
        gammas = [row for row, tensor in enumerate(layout.tensors) if tensor.kind is TensorKind.GAMMA]
        if gammas:
            numbers["weights/gamma_spread"] = _pooled_std(last, gammas, layout)
        return numbers


#: What `WeightStats.metrics` may hold: the numbers by which MLflow's UI can sort and plot trials.
SUMMARY_METRICS: dict[str, str] = {
    "weights/norm": "L2 norm of all weights",
    "weights/gradient_norm": "L2 norm of the last step's gradient, after clipping",
    "weights/step_ratio": "L2 norm of the epoch's last step / that of all weights",
    "weights/max_drift": "largest distance of a kernel from its initial state, in L2 norms of that state",
    "weights/dead_units": "share of units that no validation image has brought above zero",
    "weights/gamma_spread": "standard deviation of all scales of norms",
}

_COLUMN = {column.name: index for index, column in enumerate(STATISTICS)}


def _norm(norms: Any) -> float:
    """The L2 norm of all tensors from theirs; those that have none (no gradient) are left out."""
    return math.sqrt(sum(float(norm) ** 2 for norm in norms if not math.isnan(norm)))


def _pooled_std(record: WeightRecord, rows: list[int], layout: WeightLayout) -> float:
    """The standard deviation of several tensors taken as one, from their means and norms."""
    count = sum(layout.tensors[row].size for row in rows)
    mean = sum(float(record.column("mean")[row]) * layout.tensors[row].size for row in rows) / count
    square = sum(float(record.column("l2")[row]) ** 2 for row in rows) / count
    return math.sqrt(max(square - mean**2, 0.0))
