"""Knows how the compact family is built: unpadded convolutions without biases around a 1x1 squeeze."""

from __future__ import annotations

from torch import nn

from tunetrack.spec.models_compact import CompactCnnBase
from tunetrack.training.nets.parts import ACTIVATIONS, Map

__all__ = ["build_compact_cnn"]

ADVICE = "Give model.early or model.late fewer convolutions"


def build_compact_cnn(config: CompactCnnBase, input_shape: tuple[int, ...], num_classes: int) -> nn.Sequential:
    """The model that a configuration of the compact family describes.

    Args:
        config: the family's settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        ``early``, ``pool``, ``squeeze``, ``late``, ``head``, ``flatten``, in this order.

    Raises:
        InfeasibleConfigError: nothing is left of the map.
    """
    map_ = Map(input_shape, ADVICE)
    model = nn.Sequential()
    model.add_module("early", _stack(config, input_shape[0], config.early, map_, "early"))
    map_.pool(2, "after early")
    model.add_module("pool", nn.MaxPool2d(2))
    model.add_module("squeeze", _squeeze(config, config.early[-1]))
    model.add_module("late", _stack(config, config.squeeze, config.late, map_, "late"))
    channels = config.late[-1] if config.late else config.squeeze
    model.add_module("head", _head(config, channels, num_classes, map_))
    model.add_module("flatten", nn.Flatten())
    return model


def _stack(config: CompactCnnBase, channels: int, widths: tuple[int, ...], map_: Map, name: str) -> nn.Sequential:
    stack = nn.Sequential()
    for number, width in enumerate(widths, start=1):
        map_.convolve(3, 0, f"{name} convolution {number} of {len(widths)}")
        stack.add_module(f"conv{number}", nn.Conv2d(channels, width, 3, bias=False))
        _activate(config, stack, width, str(number))
        channels = width
    if config.dropout > 0.0 and config.dropout_at in (name, "both"):
        stack.add_module("dropout", nn.Dropout(config.dropout))
    return stack


def _squeeze(config: CompactCnnBase, channels: int) -> nn.Sequential:
    squeeze = nn.Sequential()
    squeeze.add_module("conv", nn.Conv2d(channels, config.squeeze, 1, bias=False))
    if not config.plain_squeeze:
        _activate(config, squeeze, config.squeeze, "")
    return squeeze


def _head(config: CompactCnnBase, channels: int, num_classes: int, map_: Map) -> nn.Sequential:
    head = nn.Sequential()
    if config.head == "average":
        head.add_module("average", nn.AdaptiveAvgPool2d(1))
        head.add_module("classes", nn.Conv2d(channels, num_classes, 1, bias=False))
        return head
    head.add_module("classes", nn.Conv2d(channels, num_classes, 1, bias=False))
    _activate(config, head, num_classes, "")
    height, width = map_.size
    head.add_module("wide", nn.Conv2d(num_classes, num_classes, (height, width), bias=False))
    return head


def _activate(config: CompactCnnBase, block: nn.Sequential, width: int, number: str) -> None:
    if config.batch_norm == "before_activation":
        block.add_module(f"norm{number}", nn.BatchNorm2d(width))
    block.add_module(f"activation{number}", ACTIVATIONS[config.activation]())
    if config.batch_norm == "after_activation":
        block.add_module(f"norm{number}", nn.BatchNorm2d(width))
