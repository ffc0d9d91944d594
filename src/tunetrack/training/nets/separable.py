"""Knows how `separable_cnn` is built: inverted residual blocks around depthwise convolutions."""

from __future__ import annotations

import torch
from torch import nn

from tunetrack.spec.models_deep import SeparableCnnConfig
from tunetrack.training.nets.parts import ACTIVATIONS, initialise_like_resnet

__all__ = ["build_separable_cnn"]


def build_separable_cnn(config: SeparableCnnConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that `SeparableCnnConfig` describes; any image is large enough for it.

    Args:
        config: the family's settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        ``stem``, ``stage1`` ... ``stageN`` (each of ``block1`` ...), ``last``, ``average``, ``flatten``,
        [``dropout``], ``output``.
    """
    model, channels = nn.Sequential(), config.width
    model.add_module("stem", _convolution(config, input_shape[0], channels, 3))
    for stage_number in range(config.stages):
        out, stage = config.width * 2**stage_number, nn.Sequential()
        for number in range(1, config.blocks + 1):
            stride = 2 if stage_number and number == 1 else 1
            stage.add_module(f"block{number}", InvertedBlock(config, channels, out, stride))
            channels = out
        model.add_module(f"stage{stage_number + 1}", stage)
    # The blocks end without activation; this makes features of their sums.
    model.add_module("last", _convolution(config, channels, channels, 1))
    model.add_module("average", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    if config.head_dropout > 0.0:
        model.add_module("dropout", nn.Dropout(config.head_dropout))
    model.add_module("output", nn.Linear(channels, num_classes))
    initialise_like_resnet(model)
    return model


class InvertedBlock(nn.Module):
    """1x1 to more channels, a convolution of each channel alone, 1x1 back; plus the input where the shapes agree."""

    def __init__(self, config: SeparableCnnConfig, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.adds = stride == 1 and channels == out
        inside, kernel = channels * config.expansion, config.kernel_size
        small, large = (kernel - 1) // 2, kernel // 2
        self.expand = _convolution(config, channels, inside, 1)
        self.depthwise = nn.Sequential()
        if small != large:
            self.depthwise.add_module("pad", nn.ZeroPad2d((small, large, small, large)))
        padding = small if small == large else 0
        conv = nn.Conv2d(inside, inside, kernel, stride=stride, padding=padding, groups=inside, bias=False)
        self.depthwise.add_module("conv", conv)
        self.depthwise.add_module("norm", nn.BatchNorm2d(inside))
        self.depthwise.add_module("activation", ACTIVATIONS[config.activation]())
        self.project = nn.Sequential()
        self.project.add_module("conv", nn.Conv2d(inside, out, 1, bias=False))
        self.project.add_module("norm", nn.BatchNorm2d(out))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From (n, channels, height, width) to (n, out, height / stride, width / stride)."""
        answer: torch.Tensor = self.project(self.depthwise(self.expand(images)))
        return images + answer if self.adds else answer


def _convolution(config: SeparableCnnConfig, channels: int, out: int, kernel_size: int) -> nn.Sequential:
    block = nn.Sequential()
    block.add_module("conv", nn.Conv2d(channels, out, kernel_size, padding=kernel_size // 2, bias=False))
    block.add_module("norm", nn.BatchNorm2d(out))
    block.add_module("activation", ACTIVATIONS[config.activation]())
    return block
