"""Knows how the convolutional family is built: layers of convolutions and pooling, then a fully connected head."""

from __future__ import annotations

from torch import nn

from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec.models_cnn import CnnBase
from tunetrack.training.nets.parts import ACTIVATIONS, Map, convolution, head_block

__all__ = ["build_cnn"]

#: The most channels that a layer may have; `filter_growth` can ask for any number.
WIDEST = 4096
ADVICE = "Lower model.num_layers, model.pool_size or model.kernel_size, raise model.pool_every"


def build_cnn(config: CnnBase, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that a configuration of the convolutional family describes.

    Args:
        config: the family's settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        ``layer1`` ... ``layerN``, ``flatten``, ``head1`` ..., ``output``, in this order.

    Raises:
        InfeasibleConfigError: a kernel or pooling window is larger than the map, or a layer's width has grown beyond
            what can be used.
    """
    channels, map_ = input_shape[0], Map(input_shape, ADVICE, config.padding)
    model = nn.Sequential()
    for number in range(1, config.num_layers + 1):
        filters = _filters(config, number)
        pools = config.pooling != "none" and number % config.pool_every == 0
        where = f"layer {number} of {config.num_layers}"
        for _ in range(config.convs_per_layer):
            map_.convolve(config.kernel_size, config.padding, where)
        if pools:
            map_.pool(config.pool_size, where)
        model.add_module(f"layer{number}", _layer(config, channels, filters, pools=pools))
        channels = filters
    model.add_module("flatten", nn.Flatten())
    features = channels * map_.area
    for number, size in enumerate(config.head, start=1):
        model.add_module(f"head{number}", head_block(features, size, config.activation, config.head_dropout))
        features = size
    model.add_module("output", nn.Linear(features, num_classes))
    return model


def _filters(config: CnnBase, number: int) -> int:
    filters = round(config.filters * config.filter_growth ** (number - 1))
    if 1 <= filters <= WIDEST:
        return filters
    raise InfeasibleConfigError(
        f"layer {number} of {config.num_layers}: {config.filters} filters growing by {config.filter_growth:g} make "
        f"{filters:,} here; 1 to {WIDEST:,} are possible. Bring model.filter_growth nearer to 1, or change "
        "model.filters or model.num_layers."
    )


def _layer(config: CnnBase, channels: int, filters: int, *, pools: bool) -> nn.Sequential:
    layer = nn.Sequential()
    for number in range(1, config.convs_per_layer + 1):
        for name, module in convolution(channels, filters, config.kernel_size, config.padding):
            layer.add_module(f"{name}{number}", module)
        if config.batch_norm:
            layer.add_module(f"norm{number}", nn.BatchNorm2d(filters))
        layer.add_module(f"activation{number}", ACTIVATIONS[config.activation]())
        if config.conv_dropout > 0.0:
            layer.add_module(f"dropout{number}", nn.Dropout(config.conv_dropout))
        channels = filters
    if pools:
        pool = nn.MaxPool2d if config.pooling == "max" else nn.AvgPool2d
        layer.add_module("pool", pool(config.pool_size))
    return layer
