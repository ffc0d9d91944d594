"""What passes between training, ledger and tracking while a study runs: plain frozen records, no behaviour."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tunetrack.spec.weight_records import Finding, WeightStats

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = [
    "LATENCY",
    "OBJECTIVE_METRICS",
    "EpochRecord",
    "Evaluation",
    "ModelSummary",
    "Predictions",
    "TrialConditions",
    "TrialOutcome",
    "TrialState",
    "pruned_reason",
    "pruning_rule",
]

#: Milliseconds of one forward pass of one image on the trial's device; measured where a study asks for it.
LATENCY = "model/latency_ms"

#: What an objective or a constraint may name. "best/…" is the best epoch's value, the plain name is the last epoch's.
OBJECTIVE_METRICS = (
    "validation/accuracy",
    "validation/loss",
    "train/accuracy",
    "train/loss",
    "best/validation/accuracy",
    "best/validation/loss",
    "model/parameters",
    "model/flops",
    "model/memory_mb",
    LATENCY,
    "train_seconds",
)


class TrialState(enum.StrEnum):
    """Where a trial stands. The values are those of the MLflow tag ``trial.state``."""

    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    INFEASIBLE = "INFEASIBLE"
    DUPLICATE = "DUPLICATE"
    KILLED = "KILLED"

    @property
    def has_value(self) -> bool:
        """Whether a trial in this state carries objective values that count in the ranking."""
        return self in (TrialState.COMPLETE, TrialState.DUPLICATE)


@dataclass(frozen=True)
class EpochRecord:
    """What one epoch of training yields.

    Attributes:
        epoch: 1 for the first epoch.
        train_loss: mean over the images that the epoch has seen, measured while the weights move.
        train_accuracy: fraction in [0, 1], measured while the weights move.
        validation_loss: mean over all validation images after the epoch.
        validation_accuracy: fraction in [0, 1] after the epoch.
        lr: learning rate of the epoch's last step.
        epoch_seconds: wall time of training and validation, seconds.
        images_per_second: training images seen, divided by the training time alone.
        weights: per-layer statistics, where the study asks for them.
        ended: when the epoch ended, seconds since 1970; a trial that goes on from a checkpoint keeps it, so that MLflow
            sees the same points again and not others. 0: not known.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    lr: float
    epoch_seconds: float
    images_per_second: float
    weights: WeightStats | None = None
    ended: float = 0.0

    def metrics(self) -> dict[str, float]:
        """The numbers under the names that they have in MLflow and in objectives."""
        return {
            "train/loss": self.train_loss,
            "train/accuracy": self.train_accuracy,
            "validation/loss": self.validation_loss,
            "validation/accuracy": self.validation_accuracy,
            "lr": self.lr,
            "epoch_seconds": self.epoch_seconds,
            "images_per_second": self.images_per_second,
            **({} if self.weights is None else self.weights.metrics()),
        }


@dataclass(frozen=True)
class ModelSummary:
    """What is known of a model before it is trained.

    Attributes:
        parameters: number of trainable parameters.
        buffers: number of values that are kept beside them, such as the running means of batch normalisation.
        flops: operations of one forward pass of one image: those of convolutions and matrix products, a
            multiplication with its addition counted as two.
        memory_bytes: an estimate for training with one image, 4 bytes a value: the input, twice the output of every
            module without children (the second time for its gradient), and the parameters. This is the recipe of the
            package torchsummary, with which published figures were made.
        input_shape: (channels, height, width) or (channels, depth, height, width).
        layers: (layer name, kind, output shape without the batch, parameters) from input to output; a layer that has
            parameters and is never called comes last, with an empty shape.
    """

    parameters: int
    buffers: int
    flops: int
    memory_bytes: int
    input_shape: tuple[int, ...]
    layers: tuple[tuple[str, str, tuple[int, ...], int], ...]

    def metrics(self) -> dict[str, float]:
        """The numbers under the names that they have in MLflow and in objectives; a MB is 2^20 bytes."""
        return {
            "model/parameters": float(self.parameters),
            "model/flops": float(self.flops),
            "model/memory_mb": self.memory_bytes / 2**20,
        }


@dataclass(frozen=True, eq=False)
class Predictions:
    """A model's answer to every image of a split, in the split's order.

    Attributes:
        labels: the true class, (n,), uint8; uint16 where there are more than 256 classes.
        predicted: the class with the largest logit, (n,), of the same type.
        confidence: that class's share in the softmax of the logits, float16 (n,), in [0, 1].
    """

    labels: NDArray[np.unsignedinteger]
    predicted: NDArray[np.unsignedinteger]
    confidence: NDArray[np.float16]


@dataclass(frozen=True)
class Evaluation:
    """A model's answers on one split.

    Attributes:
        loss: mean cross-entropy.
        accuracy: fraction in [0, 1].
        confusion: counts, rows the true class, columns the predicted one.
        classes: names in the order of rows and columns.
        group_accuracy: fraction in [0, 1] by group, where the data set has groups (``upright``, ``rotated``).
        predictions: the answer to each image; not looked at when two evaluations are compared.
    """

    loss: float
    accuracy: float
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[str, ...]
    group_accuracy: dict[str, float] = field(default_factory=dict)
    predictions: Predictions | None = field(default=None, compare=False, repr=False)

    def group_metrics(self, split: str) -> dict[str, float]:
        """The groups' accuracies under the names that they have in MLflow: ``<split>/accuracy/<group>``."""
        return {f"{split}/accuracy/{group}": value for group, value in self.group_accuracy.items()}


@dataclass(frozen=True)
class TrialConditions:
    """What a trial was really run with, where its configuration leaves that open.

    Attributes:
        seeds: seed by stream: ``init``, ``order``, ``augmentation``, ``split``. Given back as `trainer.init_seed`,
            `trainer.order_seed`, `trainer.augmentation_seed` and `data.seed` they repeat the trial.
        device: kind of device, such as ``cpu``.
        precision: of the forward pass, ``fp32`` or ``bf16``.
        threads: CPU threads of one operation.
        micro_batch: images at a time within a step; None: the whole batch.
        notes: what the user should know besides, as sentences.
    """

    seeds: Mapping[str, int]
    device: str
    precision: str
    threads: int
    micro_batch: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TrialOutcome:
    """How a trial ended.

    Attributes:
        state: a final state, never RUNNING.
        values: one value an objective, in their order; None where the trial has no result.
        reason: why it was not completed, in words; empty for COMPLETE.
        metrics: further numbers by name (``best/…``, ``final/…``, ``model/…``, ``train_seconds``, ``memory/peak_mb``).
        duplicate_of: number of the trial whose result was reused.
        would_prune_at: epoch after which the pruner would have ended it, had it not been of the control sample.
        constraints: by how much each constraint is broken, by its text; 0 or less: it is kept. Empty where the study
            has none, or where they could not be judged.
        violates: the broken ones in words.
        device_seconds: time on a device that the trial has used, where that is known.
    """

    state: TrialState
    values: tuple[float, ...] | None = None
    reason: str = ""
    metrics: dict[str, float] = field(default_factory=dict)
    duplicate_of: int | None = None
    would_prune_at: int | None = None
    constraints: Mapping[str, float] = field(default_factory=dict)
    violates: tuple[str, ...] = ()
    device_seconds: float | None = None


def pruned_reason(epoch: int, epochs: int, finding: Finding | None = None) -> str:
    """Why a trial ended as PRUNED: the pruner's doing, or that of the health rule that has found something."""
    reason = f"pruned after epoch {epoch} of {epochs}"
    return reason if finding is None else f"{reason}: {finding.rule}: {finding.text}"


def pruning_rule(reason: str) -> str | None:
    """The health rule that ended a trial, from its `pruned_reason`; None where it was the pruner."""
    match = re.match(r"pruned after epoch \d+ of \d+: (\w+): ", reason)
    return match[1] if match else None
