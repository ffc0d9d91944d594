"""Knows the model families by name, and what a model looks like before it is built."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tunetrack.spec.config import ModelConfig, TrialConfig
from tunetrack.spec.records import ModelSummary
from tunetrack.training.cnn import build_cnn

__all__ = ["MODELS", "build_model", "summarise"]

#: (the family's configuration, (channels, height, width), number of classes) -> module that returns logits
Builder = Callable[[Any, tuple[int, ...], int], nn.Module]

#: Every model family. A new one is a configuration class in `tunetrack.spec.config` and a builder here.
MODELS: dict[str, Builder] = {"cnn": build_cnn}


def build_model(config: ModelConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A model with fresh weights, drawn from torch's global generator, on the current default device.

    Args:
        config: a family and its settings.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Returns:
        A module from float (n, channels, height, width) to logits (n, num_classes).

    Raises:
        InfeasibleConfigError: this combination cannot be built.
    """
    return MODELS[config.name](config, input_shape, num_classes)


def summarise(config: TrialConfig, input_shape: tuple[int, ...], num_classes: int) -> ModelSummary:
    """What a trial's model looks like, without allocating a single weight (torch's meta device).

    Args:
        config: only its model is looked at.
        input_shape: (channels, height, width).
        num_classes: width of the output.

    Raises:
        InfeasibleConfigError: this combination cannot be built; the message says which layer and why.
    """
    rows: list[tuple[str, str, tuple[int, ...], int]] = []

    def note(name: str) -> Callable[[nn.Module, Any, torch.Tensor], None]:
        def hook(module: nn.Module, _: Any, output: torch.Tensor) -> None:
            rows.append((name, type(module).__name__, tuple(output.shape[1:]), _count(module)))

        return hook

    with torch.device("meta"), torch.no_grad():
        model = build_model(config.model, input_shape, num_classes).eval()
        for name, module in model.named_modules():
            if not any(True for _ in module.children()):
                module.register_forward_hook(note(name))
        model(torch.empty(1, *input_shape))
    return ModelSummary(_count(model), input_shape, tuple(rows))


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
