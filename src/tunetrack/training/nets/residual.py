"""Knows how `even_resnet` and `resnet` are built: blocks whose input is added to their output."""

from __future__ import annotations

import torch
from torch import nn

from tunetrack.spec.models_deep import EvenResnetConfig, ResnetConfig
from tunetrack.training.nets.parts import ACTIVATIONS, initialise_like_resnet

__all__ = ["build_even_resnet", "build_resnet"]

#: Size of an even network -> blocks in each of its four stages, which differ in nothing but their names in the paper.
EVEN_BLOCKS = {
    18: (2, 2, 2, 2),
    26: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    68: (3, 4, 23, 3),
    101: (3, 4, 23, 3),
}
BOTTLENECKS = (26, 50, 101)
#: Outer / inner channels of a bottleneck.
EXPANSION = 4
STEM_WIDTH = 64


def build_even_resnet(config: EvenResnetConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that `EvenResnetConfig` describes; any image is large enough for it.

    Args:
        config: the family's settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        ``stem``, ``block1`` ... ``blockN`` by depth, ``average``, ``flatten``, ``output``.
    """
    model, channels = nn.Sequential(), STEM_WIDTH
    stem = nn.Sequential()
    stem.add_module("conv", nn.Conv2d(input_shape[0], channels, 7, stride=2, padding=3, bias=False))
    stem.add_module("norm", nn.BatchNorm2d(channels))
    stem.add_module("activation", nn.ReLU())
    stem.add_module("pool", nn.MaxPool2d(3, stride=2, padding=1))
    model.add_module("stem", stem)
    bottleneck = config.size in BOTTLENECKS
    out = config.width * (EXPANSION if bottleneck else 1)
    for number in range(1, sum(EVEN_BLOCKS[config.size]) + 1):
        body = _bottleneck(channels, config.width) if bottleneck else _basic(channels, config.width)
        # The first block owns a projection with or without shortcuts, also where the widths happen to agree.
        projection = _projection(channels, out) if number == 1 else None
        model.add_module(f"block{number}", EvenBlock(body, projection, residual=config.residual))
        channels = out
    _finish(model, channels, num_classes, dropout=0.0)
    return model


class EvenBlock(nn.Module):
    """Convolutions, plus the input where the network is residual, then ReLU."""

    def __init__(self, body: nn.Sequential, projection: nn.Sequential | None, *, residual: bool) -> None:
        super().__init__()
        self.body = body
        self.projection = projection
        self.activation = nn.ReLU()
        self.residual = residual

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From (n, channels, height, width) to a map of the same size."""
        answer: torch.Tensor = self.body(images)
        if self.residual:
            answer = answer + (images if self.projection is None else self.projection(images))
        activated: torch.Tensor = self.activation(answer)
        return activated


def build_resnet(config: ResnetConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that `ResnetConfig` describes; any image is large enough for it.

    Args:
        config: the family's settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        ``stem``, ``stage1`` ... ``stageN`` (each of ``block1`` ...), [``norm``, ``activation``], ``average``,
        ``flatten``, [``dropout``], ``output``.
    """
    model, channels = nn.Sequential(), config.width
    stem = nn.Sequential()
    stem.add_module("conv", nn.Conv2d(input_shape[0], channels, 3, padding=1, bias=False))
    if not config.pre_activation:
        stem.add_module("norm", nn.BatchNorm2d(channels))
        stem.add_module("activation", ACTIVATIONS[config.activation]())
    model.add_module("stem", stem)
    for stage_number in range(config.stages):
        out, stage = config.width * 2**stage_number, nn.Sequential()
        for number in range(1, config.blocks + 1):
            stride = 2 if stage_number and number == 1 else 1
            kind = PreActivationBlock if config.pre_activation else PostActivationBlock
            stage.add_module(f"block{number}", kind(config, channels, out, stride))
            channels = out
        model.add_module(f"stage{stage_number + 1}", stage)
    if config.pre_activation:
        model.add_module("norm", nn.BatchNorm2d(channels))
        model.add_module("activation", ACTIVATIONS[config.activation]())
    _finish(model, channels, num_classes, config.head_dropout)
    return model


class PostActivationBlock(nn.Module):
    """Convolution, norm, activation, convolution, norm; plus the input; activation."""

    def __init__(self, config: ResnetConfig, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential()
        self.body.add_module("conv1", nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False))
        self.body.add_module("norm1", nn.BatchNorm2d(out))
        self.body.add_module("activation1", ACTIVATIONS[config.activation]())
        if config.dropout > 0.0:
            self.body.add_module("dropout", nn.Dropout(config.dropout))
        self.body.add_module("conv2", nn.Conv2d(out, out, 3, padding=1, bias=False))
        self.body.add_module("norm2", nn.BatchNorm2d(out))
        keeps = stride == 1 and channels == out
        self.projection = None if keeps else _projection(channels, out, stride)
        self.activation = ACTIVATIONS[config.activation]()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From (n, channels, height, width) to (n, out, height / stride, width / stride)."""
        shortcut = images if self.projection is None else self.projection(images)
        answer: torch.Tensor = self.activation(self.body(images) + shortcut)
        return answer


class PreActivationBlock(nn.Module):
    """Norm, activation, convolution, norm, activation, convolution; plus the input. A projection sees the activated."""

    def __init__(self, config: ResnetConfig, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.before = nn.Sequential()
        self.before.add_module("norm", nn.BatchNorm2d(channels))
        self.before.add_module("activation", ACTIVATIONS[config.activation]())
        self.body = nn.Sequential()
        self.body.add_module("conv1", nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False))
        self.body.add_module("norm", nn.BatchNorm2d(out))
        self.body.add_module("activation", ACTIVATIONS[config.activation]())
        if config.dropout > 0.0:
            self.body.add_module("dropout", nn.Dropout(config.dropout))
        self.body.add_module("conv2", nn.Conv2d(out, out, 3, padding=1, bias=False))
        keeps = stride == 1 and channels == out
        self.projection = None if keeps else nn.Conv2d(channels, out, 1, stride=stride, bias=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From (n, channels, height, width) to (n, out, height / stride, width / stride)."""
        activated = self.before(images)
        shortcut = images if self.projection is None else self.projection(activated)
        answer: torch.Tensor = self.body(activated) + shortcut
        return answer


def _basic(channels: int, width: int) -> nn.Sequential:
    body = nn.Sequential()
    body.add_module("conv1", nn.Conv2d(channels, width, 3, padding=1, bias=False))
    body.add_module("norm1", nn.BatchNorm2d(width))
    body.add_module("activation1", nn.ReLU())
    body.add_module("conv2", nn.Conv2d(width, width, 3, padding=1, bias=False))
    body.add_module("norm2", nn.BatchNorm2d(width))
    return body


def _bottleneck(channels: int, width: int) -> nn.Sequential:
    body, out = nn.Sequential(), width * EXPANSION
    for number, (inside, outside, kernel) in enumerate([(channels, width, 1), (width, width, 3), (width, out, 1)], 1):
        body.add_module(f"conv{number}", nn.Conv2d(inside, outside, kernel, padding=kernel // 2, bias=False))
        body.add_module(f"norm{number}", nn.BatchNorm2d(outside))
        if number < 3:
            body.add_module(f"activation{number}", nn.ReLU())
    return body


def _projection(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    projection = nn.Sequential()
    projection.add_module("conv", nn.Conv2d(channels, out, 1, stride=stride, bias=False))
    projection.add_module("norm", nn.BatchNorm2d(out))
    return projection


def _finish(model: nn.Sequential, channels: int, num_classes: int, dropout: float) -> None:
    model.add_module("average", nn.AdaptiveAvgPool2d(1))
    model.add_module("flatten", nn.Flatten())
    if dropout > 0.0:
        model.add_module("dropout", nn.Dropout(dropout))
    model.add_module("output", nn.Linear(channels, num_classes))
    initialise_like_resnet(model)
