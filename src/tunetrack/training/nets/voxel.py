"""Knows how the networks over voxels are built."""

from __future__ import annotations

import torch
from torch import nn

from tunetrack.spec.models_deep import VoxelCnnConfig, VoxelResnetConfig
from tunetrack.training.nets.parts import ACTIVATIONS, Map, Names, head_block, initialise_like_resnet

__all__ = ["build_voxel_cnn", "build_voxel_resnet"]

ADVICE = "Give model.widths fewer entries, lower model.kernel_size, raise model.pool_every"


def build_voxel_cnn(config: VoxelCnnConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that `VoxelCnnConfig` describes.

    Args:
        config: the family's settings.
        input_shape: (channels, depth, height, width).
        num_classes: width of the output.

    Returns:
        ``layer1`` ... ``layerN``, ``flatten``, ``head1`` ..., ``output``, in this order.

    Raises:
        InfeasibleConfigError: nothing is left of the map.
    """
    channels, map_ = input_shape[0], Map(input_shape, ADVICE, config.padding)
    model = nn.Sequential()
    for number, width in enumerate(config.widths, start=1):
        where, last = f"convolution {number} of {len(config.widths)}", number == len(config.widths)
        map_.convolve(config.kernel_size, config.padding, where)
        layer = nn.Sequential()
        for name, module in _convolution(config, channels, width):
            layer.add_module(name, module)
        layer.add_module("activation", ACTIVATIONS[config.activation]())
        if last and config.batch_norm:
            layer.add_module("norm", nn.BatchNorm3d(width))
        if number % config.pool_every == 0:
            map_.pool(2, where)
            layer.add_module("pool", nn.MaxPool3d(2))
        if last and config.conv_dropout > 0.0:
            layer.add_module("dropout", nn.Dropout(config.conv_dropout))
        model.add_module(f"layer{number}", layer)
        channels = width
    model.add_module("flatten", nn.Flatten())
    _add_head(config, model, channels * map_.area, num_classes)
    return model


def _convolution(config: VoxelCnnConfig, channels: int, width: int) -> Names:
    kernel = config.kernel_size
    if config.padding != "same":
        return [("conv", nn.Conv3d(channels, width, kernel, padding=config.padding))]
    if kernel % 2:
        return [("conv", nn.Conv3d(channels, width, kernel, padding=kernel // 2))]
    small, large = (kernel - 1) // 2, kernel // 2
    pad = nn.ZeroPad3d((small, large, small, large, small, large))
    return [("pad", pad), ("conv", nn.Conv3d(channels, width, kernel))]


def build_voxel_resnet(config: VoxelResnetConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that `VoxelResnetConfig` describes; any input is large enough for it.

    Args:
        config: the family's settings.
        input_shape: (channels, depth, height, width).
        num_classes: width of the output.

    Returns:
        ``stem``, ``stage1`` ... ``stageN`` (each of ``block1`` ...), ``average``, ``flatten``, ``head1`` ...,
        ``output``.
    """
    model, channels = nn.Sequential(), config.widths[0]
    stem = nn.Sequential()
    stem.add_module("conv", nn.Conv3d(input_shape[0], channels, 3, padding=1))
    stem.add_module("norm", nn.BatchNorm3d(channels))
    stem.add_module("activation", ACTIVATIONS[config.activation]())
    model.add_module("stem", stem)
    for stage_number, width in enumerate(config.widths, start=1):
        stage = nn.Sequential()
        for number in range(1, config.blocks + 1):
            stride = 2 if stage_number > 1 and number == 1 else 1
            stage.add_module(f"block{number}", VoxelBlock(config, channels, width, stride))
            channels = width
        model.add_module(f"stage{stage_number}", stage)
    model.add_module("average", nn.AdaptiveAvgPool3d(1))
    model.add_module("flatten", nn.Flatten())
    _add_head(config, model, channels, num_classes)
    initialise_like_resnet(model)
    return model


class VoxelBlock(nn.Module):
    """Convolution, norm, activation, convolution, norm; plus the input; activation."""

    def __init__(self, config: VoxelResnetConfig, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential()
        self.body.add_module("conv1", nn.Conv3d(channels, out, 3, stride=stride, padding=1))
        self.body.add_module("norm1", nn.BatchNorm3d(out))
        self.body.add_module("activation1", ACTIVATIONS[config.activation]())
        if config.conv_dropout > 0.0:
            self.body.add_module("dropout", nn.Dropout(config.conv_dropout))
        self.body.add_module("conv2", nn.Conv3d(out, out, 3, padding=1))
        self.body.add_module("norm2", nn.BatchNorm3d(out))
        self.projection: nn.Sequential | None = None
        if stride > 1 or channels != out:
            self.projection = nn.Sequential()
            self.projection.add_module("conv", nn.Conv3d(channels, out, 1, stride=stride))
            self.projection.add_module("norm", nn.BatchNorm3d(out))
        self.activation = ACTIVATIONS[config.activation]()

    def forward(self, voxels: torch.Tensor) -> torch.Tensor:
        """From (n, channels, depth, height, width) to (n, out, depth / stride, height / stride, width / stride)."""
        shortcut = voxels if self.projection is None else self.projection(voxels)
        answer: torch.Tensor = self.activation(self.body(voxels) + shortcut)
        return answer


def _add_head(
    config: VoxelCnnConfig | VoxelResnetConfig, model: nn.Sequential, features: int, num_classes: int
) -> None:
    for number, units in enumerate(config.head, start=1):
        model.add_module(f"head{number}", head_block(features, units, config.activation, config.head_dropout))
        features = units
    model.add_module("output", nn.Linear(features, num_classes))
