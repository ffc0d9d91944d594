"""Networks that are ill by design, to be named in a study file as ``import: health_nets:...``."""

from __future__ import annotations

import itertools
from math import prod

import torch
from torch import nn

Shape = tuple[int, ...]


def deep(input_shape: Shape, num_classes: int, layers: int = 20, width: int = 32) -> nn.Module:
    """Many layers with torch's own initial weights, which shrink a gradient by more than half at every layer."""
    widths = [prod(input_shape), *[width] * (layers - 1)]
    hidden = [part for pair in itertools.pairwise(widths) for part in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(width, num_classes))


def dead(input_shape: Shape, num_classes: int, bias: float = -30.0) -> nn.Module:
    """A hidden layer that no image reaches."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(prod(input_shape), 32), nn.ReLU(), nn.Linear(32, num_classes))
    nn.init.constant_(net.get_submodule("1").get_parameter("bias"), bias)
    return net


class Branch(nn.Module):
    """A residual branch whose layer hears nothing (`gain` 0), next to nothing, or may not move (`frozen`)."""

    def __init__(self, pixels: int, num_classes: int, gain: float, frozen: bool) -> None:
        super().__init__()
        self.stem, self.branch, self.out = nn.Linear(pixels, 32), nn.Linear(32, 32), nn.Linear(32, num_classes)
        self.gain = gain
        self.branch.requires_grad_(not frozen)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(images.flatten(1)))
        logits: torch.Tensor = self.out(x + self.gain * torch.relu(self.branch(x)))
        return logits


def branch(input_shape: Shape, num_classes: int, gain: float = 1.0, frozen: bool = False) -> nn.Module:
    return Branch(prod(input_shape), num_classes, gain, frozen)


def scales(input_shape: Shape, num_classes: int) -> nn.Module:
    """Only gammas and betas learn: of a batch norm of the pixels, before a fixed projection."""
    pixels = prod(input_shape)
    out = nn.Linear(pixels, num_classes)
    nn.init.normal_(out.weight, std=pixels**-0.5)
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(pixels), out.requires_grad_(False))
