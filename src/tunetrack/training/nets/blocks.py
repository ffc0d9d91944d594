"""Knows how `block_cnn` and `funnel_cnn` are built: convolutions of one width, pooled until little is left."""

from __future__ import annotations

from typing import Literal

from torch import nn

from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec.models_compact import BlockCnnConfig, FunnelCnnConfig
from tunetrack.training.nets.parts import Map, convolution, head_block

__all__ = ["build_block_cnn", "build_funnel_cnn"]

BLOCK_ADVICE = "Lower model.num_layers or model.pool_size"
FUNNEL_ADVICE = "Lower model.stages, model.kernel_size or model.pool_size"


def build_block_cnn(config: BlockCnnConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that `BlockCnnConfig` describes. A second activation after each block would change nothing.

    Args:
        config: the family's settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        ``block0`` ... ``blockN``, ``average`` where asked for, ``flatten``, ``head1`` ..., ``output``.

    Raises:
        InfeasibleConfigError: nothing is left of the map, or a flattening head does not fit it.
    """
    channels = input_shape[0]
    map_, kept = (Map(input_shape, BLOCK_ADVICE, config.padding) for _ in range(2))
    model = nn.Sequential()
    for number in range(config.num_layers + 1):
        where = f"block {number} of {config.num_layers}"
        block = nn.Sequential()
        for position in (1, 2):
            map_.convolve(config.kernel_size, config.padding, where)
            _add_convolution(config, block, channels, config.padding, str(position))
            channels = config.filters
        if number % 2:
            map_.pool(config.pool_size, where)
            kept.pool(config.pool_size, where)
            block.add_module("pool", nn.MaxPool2d(config.pool_size))
        model.add_module(f"block{number}", block)
        if config.head == "flatten" and map_.size != kept.size:
            raise InfeasibleConfigError(
                f"{where}: the flattening head expects a {kept} map, kernel_size {config.kernel_size} with padding "
                f"{config.padding} makes it {map_}. Set model.padding: same, model.kernel_size: 3 or "
                "model.head: average."
            )
    units = (config.filters,) if config.units is None else config.units
    return _with_head(config, model, map_, units, num_classes)


def build_funnel_cnn(config: FunnelCnnConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that `FunnelCnnConfig` describes.

    Args:
        config: the family's settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        ``stage1`` ... ``stageN``, ``average`` where asked for, ``flatten``, ``head1`` ..., ``output``.

    Raises:
        InfeasibleConfigError: nothing is left of the map.
    """
    channels, map_ = input_shape[0], Map(input_shape, FUNNEL_ADVICE, config.padding)
    model = nn.Sequential()
    for number in range(1, config.stages + 1):
        where = f"stage {number} of {config.stages}"
        padding = config.padding if number == 1 or config.padding == "same" else 0
        map_.convolve(config.kernel_size, padding, where)
        map_.pool(config.pool_size, where)
        stage = nn.Sequential()
        _add_convolution(config, stage, channels, padding, "")
        stage.add_module("pool", nn.MaxPool2d(config.pool_size))
        model.add_module(f"stage{number}", stage)
        channels = config.filters
    return _with_head(config, model, map_, config.units, num_classes)


def _add_convolution(
    config: BlockCnnConfig | FunnelCnnConfig,
    block: nn.Sequential,
    channels: int,
    padding: int | Literal["same"],
    number: str,
) -> None:
    for name, module in convolution(channels, config.filters, config.kernel_size, padding):
        block.add_module(f"{name}{number}", module)
    if config.batch_norm:
        block.add_module(f"norm{number}", nn.BatchNorm2d(config.filters))
    block.add_module(f"activation{number}", nn.ReLU())
    if config.conv_dropout > 0.0:
        block.add_module(f"dropout{number}", nn.Dropout(config.conv_dropout))


def _with_head(
    config: BlockCnnConfig | FunnelCnnConfig, model: nn.Sequential, map_: Map, units: tuple[int, ...], num_classes: int
) -> nn.Sequential:
    features = config.filters * map_.area
    if config.head == "average":
        model.add_module("average", nn.AdaptiveAvgPool2d(1))
        features = config.filters
    model.add_module("flatten", nn.Flatten())
    for number, size in enumerate(units, start=1):
        model.add_module(f"head{number}", head_block(features, size, "relu", config.head_dropout))
        features = size
    model.add_module("output", nn.Linear(features, num_classes))
    return model
