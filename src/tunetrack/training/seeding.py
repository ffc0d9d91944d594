"""Knows every random stream of a training run, and keeps them apart from the caller's."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

__all__ = ["GlobalState", "RandomStreams", "stream_seeds"]


def stream_seeds(seed: int) -> tuple[int, int, int]:
    """Three unrelated seeds from one: for the global generators, the data order and the augmentation.

    numpy's SeedSequence mixes the bits, so that neighbouring seeds give unrelated streams.
    """
    first, second, third = np.random.SeedSequence(seed).generate_state(3)
    return int(first), int(second), int(third)


@dataclass
class GlobalState:
    """The state of the generators that libraries use unasked: python, numpy, torch on the CPU and on one GPU."""

    python: Any
    numpy: Any
    torch_cpu: torch.Tensor
    torch_cuda: torch.Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> GlobalState:
        """A copy of the present state."""
        cuda = torch.cuda.get_rng_state(device) if device.type == "cuda" else None
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), cuda)

    def install(self, device: torch.device) -> None:
        """Make this the present state."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch_cpu)
        if self.torch_cuda is not None:
            torch.cuda.set_rng_state(self.torch_cuda, device)


class RandomStreams:
    """All generators that one training run draws from.

    Attributes:
        order: decides the order of the training images; on the CPU, so that it is the same on every device.
        augmentation: decides flips, angles and shifts; on the CPU as well.
        ambient: the global generators' state as the run left it (initial weights, dropout).
        device: whose global generator is meant besides the CPU's.
    """

    def __init__(self, seed: int, device: torch.device) -> None:
        ambient, order, augmentation = stream_seeds(seed)
        self.device = device
        self.order = torch.Generator().manual_seed(order)
        self.augmentation = torch.Generator().manual_seed(augmentation)
        before = GlobalState.now(device)
        random.seed(ambient)
        np.random.seed(ambient)
        torch.manual_seed(ambient)
        self.ambient = GlobalState.now(device)
        before.install(device)

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Within, the global generators are this run's; after it they are as the caller left them."""
        before = GlobalState.now(self.device)
        self.ambient.install(self.device)
        try:
            yield
        finally:
            self.ambient = GlobalState.now(self.device)
            before.install(self.device)
