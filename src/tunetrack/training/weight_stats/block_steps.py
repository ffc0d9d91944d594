"""Knows how far the weights of each residual block move from step to step, in the protocol of experiment MLT.

https://github.com/Drske/MLT (Minkowski-Even) looks at a block when its backward pass is done, before the optimiser
steps: the first look only takes note, so there is one distance less than there are batches, and the last step is
never seen. A block's distance is the sum over its tensors of (sum |w - v|^p)^(1/p). Scales and shifts of the norms of
its body do not count; those of its projection do, since there the names of the original escaped the filter.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn

from tunetrack.spec.weight_records import BlockInfo, BlockSteps
from tunetrack.training.nets.residual import EvenBlock, PostActivationBlock, PreActivationBlock
from tunetrack.training.weight_stats.sums import FlatCopy

__all__ = ["BlockWatch"]


class BlockWatch:
    """Takes the distances of all blocks before each step; they stay on the device until they are asked for."""

    def __init__(self, model: nn.Module, p: float) -> None:
        found = [
            (name, _tracked(module))
            for name, module in model.named_modules()
            if isinstance(module, EvenBlock | PostActivationBlock | PreActivationBlock)
        ]
        self._p = p
        self._tensors: list[torch.Tensor] = [tensor for _, tensors in found for tensor in tensors]
        owners = [number for number, (_, tensors) in enumerate(found) for _ in tensors]
        self._owner = torch.tensor(owners, device=self._tensors[0].device)
        self.blocks = tuple(
            BlockInfo(name, number, sum(tensor.numel() for tensor in tensors))
            for number, (name, tensors) in enumerate(found, start=1)
        )
        # A sum of 100,000 changes in float32 is off by 0.05 %. MPS has no float64.
        self._dtype = torch.float32 if self._owner.device.type == "mps" else torch.float64
        self._initial = FlatCopy(self._tensors).take(self._tensors)
        self._previous = FlatCopy(self._tensors)
        self._steps: list[int] = []
        self._distances: list[torch.Tensor] = []

    def before_step(self, steps: int) -> None:
        """Look at the weights after so many steps."""
        if steps > 0:
            pair = [self._by_block(other) for other in (self._initial, self._previous)]
            self._distances.append(torch.stack(pair))
            self._steps.append(steps)
        self._previous.take(self._tensors)

    def taken(self) -> BlockSteps:
        """The distances since the last time that they were asked for; one transfer."""
        count = len(self._steps)
        steps = np.array(self._steps, np.int64)
        stacked = torch.stack(self._distances).cpu().double().numpy() if count else np.zeros((0, 2, len(self.blocks)))
        self._steps, self._distances = [], []
        return BlockSteps(steps, stacked[:, 0], stacked[:, 1])

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The weights that later distances are taken to."""
        return {"initial": self._initial.flat, "previous": self._previous.flat}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Go on from where `state_dict` was called."""
        self._initial.flat.copy_(state["initial"])
        self._previous.flat.copy_(state["previous"])

    def _by_block(self, other: FlatCopy) -> torch.Tensor:
        changes = torch._foreach_sub([tensor.detach() for tensor in self._tensors], other.views)
        norms = torch.stack(torch._foreach_norm(changes, self._p, dtype=self._dtype))
        return torch.zeros(len(self.blocks), dtype=self._dtype, device=norms.device).index_add_(0, self._owner, norms)


def _tracked(block: nn.Module) -> list[nn.Parameter]:
    """A plain block owns a projection that it never calls: it cannot move, and does not count."""
    projects = not isinstance(block, EvenBlock) or block.residual
    return [
        parameter
        for name, parameter in block.named_parameters()
        if (projects if name.startswith("projection") else "norm" not in name)
    ]
