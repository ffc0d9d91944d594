"""Knows the parts that several families are made of, and follows the size of the map through them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

from torch import nn

from tunetrack.errors import InfeasibleConfigError

__all__ = ["ACTIVATIONS", "Map", "Names", "convolution", "head_block", "initialise_like_resnet"]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
}
#: Modules under the names that they get in the net.
Names = list[tuple[str, nn.Module]]


class Map:
    """The size of the map at one point of a net that is being built.

    Args:
        input_shape: (channels, height, width) or (channels, depth, height, width).
        advice: what to change where nothing is left of the map.
        padding: of the convolutions; where it is "same", a message does not advise to make it so.
    """

    def __init__(self, input_shape: tuple[int, ...], advice: str, padding: int | Literal["same"] = "same") -> None:
        self.size = input_shape[1:]
        self._input = self.size
        self._advice = f"{advice}{'' if padding == 'same' else ', set model.padding: same'}, or use larger images."
        self._poolings = 0

    @property
    def area(self) -> int:
        """Values a channel."""
        return math.prod(self.size)

    def convolve(self, kernel_size: int, padding: int | Literal["same"], where: str) -> None:
        """Goes through a convolution of stride 1.

        Raises:
            InfeasibleConfigError: the kernel does not fit into the padded map.
        """
        if padding == "same":
            return
        if min(self.size) + 2 * padding < kernel_size:
            raise self._vanishes(
                f"{where}: a convolution with kernel_size {kernel_size} and padding {padding} needs at least "
                f"{kernel_size - 2 * padding} pixels a side"
            )
        self.size = tuple(side + 2 * padding - kernel_size + 1 for side in self.size)

    def pool(self, window: int, where: str) -> None:
        """Goes through a pooling whose stride is its window.

        Raises:
            InfeasibleConfigError: the map is smaller than the window.
        """
        if min(self.size) < window:
            raise self._vanishes(f"{where}: pooling by {window} needs at least {window} pixels a side")
        self.size = tuple(side // window for side in self.size)
        self._poolings += 1

    def _vanishes(self, start: str) -> InfeasibleConfigError:
        before = f"{self._poolings} pooling{'' if self._poolings == 1 else 's'} before"
        sizes = f"the map is {_by(self.size)} (input {_by(self._input)}, {before})"
        return InfeasibleConfigError(f"{start}, {sizes}. {self._advice}")

    def __str__(self) -> str:
        return _by(self.size)


def _by(size: tuple[int, ...]) -> str:
    return "x".join(map(str, size))


def convolution(channels: int, filters: int, kernel_size: int, padding: int | Literal["same"] = "same") -> Names:
    """A two-dimensional convolution of stride 1, padded by zeros."""
    if padding != "same":
        return [("conv", nn.Conv2d(channels, filters, kernel_size, padding=padding))]
    if kernel_size % 2:
        return [("conv", nn.Conv2d(channels, filters, kernel_size, padding=kernel_size // 2))]
    # padding="same" does the same for even sizes, but warns that it copies; this copy is the same one, said openly.
    small, large = (kernel_size - 1) // 2, kernel_size // 2
    pad = nn.ZeroPad2d((small, large, small, large))
    return [("pad", pad), ("conv", nn.Conv2d(channels, filters, kernel_size))]


def head_block(features: int, units: int, activation: str, dropout: float) -> nn.Sequential:
    """A hidden fully connected layer: linear, activation, [dropout]."""
    block = nn.Sequential()
    block.add_module("linear", nn.Linear(features, units))
    block.add_module("activation", ACTIVATIONS[activation]())
    if dropout > 0.0:
        block.add_module("dropout", nn.Dropout(dropout))
    return block


def initialise_like_resnet(model: nn.Module) -> None:
    """Draws every convolution's weights anew: normal, variance 2 / (outputs of a kernel).

    He et al. 2015, https://arxiv.org/abs/1502.01852, in the variant that keeps the gradients' variance ("fan out").
    Batch normalisations start as torch makes them, at 1 and 0.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
