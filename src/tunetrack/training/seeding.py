"""Knows every random stream of a training run, and keeps them apart from the caller's."""

from __future__ import annotations

import contextlib
import random
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tunetrack.spec.config import TrainerConfig

__all__ = ["GlobalState", "RandomStreams", "StreamSeeds", "stream_seeds"]


def stream_seeds(seed: int) -> tuple[int, int, int]:
    """Three unrelated seeds from one: for the global generators, the data order and the augmentation.

    numpy's SeedSequence mixes the bits, so that neighbouring seeds give unrelated streams.

    Returns:
        Each in [0, 2^32).
    """
    first, second, third = np.random.SeedSequence(seed).generate_state(3)
    return int(first), int(second), int(third)


@dataclass(frozen=True)
class StreamSeeds:
    """The seeds that a run really uses, each in [0, 2^32).

    Attributes:
        init: of the global generators: initial weights, and dropout after them.
        order: of the training images.
        augmentation: of the changes to training images.
    """

    init: int
    order: int
    augmentation: int

    @classmethod
    def of(cls, config: TrainerConfig) -> StreamSeeds:
        """What a configuration means; where it fixes no seed, the operating system draws one."""
        init, order, augmentation = stream_seeds(secrets.randbits(32) if config.seed is None else config.seed)
        return cls(
            init if config.init_seed is None else config.init_seed,
            order if config.order_seed is None else config.order_seed,
            augmentation if config.augmentation_seed is None else config.augmentation_seed,
        )


@dataclass
class GlobalState:
    """The state of the generators that libraries use unasked: python, numpy, torch on the CPU and on one GPU."""

    python: Any
    numpy: Any
    torch_cpu: torch.Tensor
    torch_gpu: torch.Tensor | None

    @classmethod
    def now(cls, device: torch.device) -> GlobalState:
        """A copy of the present state."""
        gpu = None
        if device.type == "cuda":
            gpu = torch.cuda.get_rng_state(device)
        elif device.type == "mps":
            gpu = torch.mps.get_rng_state()
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), gpu)

    def install(self, device: torch.device) -> None:
        """Make this the present state."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.torch_cpu)
        if self.torch_gpu is None:
            return
        if device.type == "cuda":
            torch.cuda.set_rng_state(self.torch_gpu, device)
        else:
            torch.mps.set_rng_state(self.torch_gpu)


class RandomStreams:
    """All generators that one training run draws from.

    Attributes:
        order: decides the order of the training images; on the CPU, so that it is the same on every device.
        augmentation: decides flips, angles and shifts; on the CPU as well.
        ambient: the global generators' state as the run left it (initial weights, dropout).
        device: whose global generator is meant besides the CPU's.
    """

    def __init__(self, seeds: StreamSeeds, device: torch.device) -> None:
        self.device = device
        self.order = torch.Generator().manual_seed(seeds.order)
        self.augmentation = torch.Generator().manual_seed(seeds.augmentation)
        before = GlobalState.now(device)
        random.seed(seeds.init)
        np.random.seed(seeds.init)
        torch.manual_seed(seeds.init)
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
