"""Knows when the weights are looked at, and keeps what a record is compared with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from tunetrack.spec.records import ModelSummary
from tunetrack.spec.weight_records import (
    BINS,
    BlockSteps,
    TensorInfo,
    TensorKind,
    WeightLayout,
    WeightRecord,
    WeightStats,
)
from tunetrack.spec.weights import WeightsConfig
from tunetrack.training.weight_stats.block_steps import BlockWatch
from tunetrack.training.weight_stats.formulas import Known, statistics
from tunetrack.training.weight_stats.sums import SUMS, Beside, FlatCopy, SumsRow, make_sums
from tunetrack.training.weight_stats.tensors import NamedTensor, activation_layers, parameter_tensors

__all__ = ["WeightRecorder"]

#: Half the range of a histogram, in initial root mean squares: trained kernels seldom leave it, and a bin is a quarter.
_REACH = 8.0
#: Half the range where tensors start as constants: gammas around 1; betas, and biases that start at 0, around 0.
_REACH_OF_CONSTANTS = 0.5
_STEP, _PREVIOUS = SUMS.index("step_square"), SUMS.index("previous_square")


class WeightRecorder:
    """Watches a network while it trains. It holds three copies of the weights, and one byte a weight.

    Args:
        config: what is wanted.
        model: with its initial weights, on the device that it is trained on.
        summary: of the same model.
        steps_per_epoch: optimiser steps of an epoch.

    Attributes:
        layout: what the rows of the records are.
        steps: optimiser steps seen.
    """

    def __init__(self, config: WeightsConfig, model: nn.Module, summary: ModelSummary, steps_per_epoch: int) -> None:
        tensors = parameter_tensors(model, summary)
        self._parameters = [tensor.parameter for tensor in tensors]
        self._config, self._steps_per_epoch = config, steps_per_epoch
        self._blocks = BlockWatch(model, config.minkowski_p) if config.block_steps else None
        now = FlatCopy(self._parameters).take(self._parameters)
        described = [_described(tensor, part) for tensor, part in zip(tensors, now.parts, strict=True)]
        blocks = () if self._blocks is None else self._blocks.blocks
        activations = tuple(activation_layers(model, summary))
        self.layout = WeightLayout(tuple(described), activations, blocks, config.minkowski_p)
        self._sizes = np.array([tensor.size for tensor in described], np.float64)
        ends = np.array([(tensor.low, tensor.high) for tensor in described]).reshape(-1, 2)
        self._sums = make_sums(self._parameters, ends, config.minkowski_p, config.near_zero)
        previous = FlatCopy(self._parameters).take(self._parameters)
        self._beside = Beside(now, previous, direction=FlatCopy(self._parameters, torch.int8))
        self._before: FlatCopy | None = None
        self.steps = 0
        self._recorded_at = 0
        self._initial: SumsRow | None = None
        self._previous: SumsRow | None = None
        self._taken = 0
        self._pending: list[WeightRecord] = [self._record(0)]

    def before_step(self) -> None:
        """Call it before each optimiser step, when the gradients are there."""
        if self._blocks is not None:
            self._blocks.before_step(self.steps)
        if self._records_after(self.steps + 1) and self._recorded_at != self.steps:
            self._before = self._before or FlatCopy(self._parameters)
            self._beside.before = self._before.take(self._parameters)

    def after_step(self) -> None:
        """Call it after each optimiser step, while the gradients are still there."""
        self.steps += 1
        if self._records_after(self.steps):
            self._pending.append(self._record(math.ceil(self.steps / self._steps_per_epoch)))
            self._beside.before = None

    def end_epoch(self, dead: tuple[int, ...] | None = None) -> WeightStats:
        """What the epoch has yielded.

        Args:
            dead: units that no validation image has brought above zero, by activation layer.
        """
        records, self._pending = tuple(self._pending), []
        steps: BlockSteps | None = None if self._blocks is None else self._blocks.taken()
        return WeightStats(self.layout, records, dead, steps)

    def state_dict(self) -> dict[str, Any]:
        """All that later records depend on, between two epochs: tensors and plain data."""
        return {
            "steps": self.steps,
            "taken": self._taken,
            "recorded_at": self._recorded_at,
            "initial": self._beside.initial.flat,
            "previous": self._beside.previous.flat,
            "direction": self._beside.direction.flat,
            "initial_sums": None if self._initial is None else torch.from_numpy(self._initial),
            "previous_sums": None if self._previous is None else torch.from_numpy(self._previous),
            "blocks": None if self._blocks is None else self._blocks.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from where `state_dict` was called, on the same network."""
        self.steps, self._taken, self._recorded_at = state["steps"], state["taken"], state["recorded_at"]
        for name in ("initial", "previous", "direction"):
            getattr(self._beside, name).flat.copy_(state[name])
        self._initial, self._previous = state["initial_sums"].numpy(), state["previous_sums"].numpy()
        self._pending = self._pending if self.steps == 0 else []  # the initial state comes with the first epoch
        if self._blocks is not None:
            self._blocks.load_state_dict(state["blocks"])

    def _records_after(self, steps: int) -> bool:
        every = self._config.every_steps
        return steps % self._steps_per_epoch == 0 or (every is not None and steps % every == 0)

    def _record(self, epoch: int) -> WeightRecord:
        step_is_known = self._beside.before is not None
        sums, counts = self._sums.measure(self._beside, first=self._taken == 0)
        if self._taken and self._recorded_at == self.steps - 1:  # the previous record was one step ago
            sums[:, _STEP] = sums[:, _PREVIOUS]
            step_is_known = True
        self._initial = sums if self._initial is None else self._initial
        known = Known(
            self._sizes,
            self._config.minkowski_p,
            self._initial,
            self._previous,
            turns=self._taken >= 2,
            steps=step_is_known,
            gradients=np.array([parameter.grad is not None for parameter in self._parameters]),
        )
        self._previous, self._recorded_at = sums, self.steps
        self._taken += 1
        return WeightRecord(epoch, self.steps, statistics(sums, known), counts)


def _described(tensor: NamedTensor, values: torch.Tensor) -> TensorInfo:
    """A tensor with the ends of its histogram, which its initial values decide."""
    rms = float(values.square().mean().sqrt())
    scaled = tensor.kind not in (TensorKind.GAMMA, TensorKind.BETA) and rms > 0.0 and math.isfinite(rms)
    if scaled:
        unit, low, high = rms, -_REACH * rms, _REACH * rms
    else:
        # Shifted by half a bin, so that the constant lies in the middle of one, and what moves off it shows.
        half_bin = _REACH_OF_CONSTANTS / BINS
        centre = (1.0 if tensor.kind is TensorKind.GAMMA else 0.0) - half_bin
        unit, low, high = 1.0, centre - _REACH_OF_CONSTANTS, centre + _REACH_OF_CONSTANTS
    return TensorInfo(
        tensor.name, tensor.layer, tensor.kind, tensor.block, tensor.depth, values.numel(), low, high, unit
    )
