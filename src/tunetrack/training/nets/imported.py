"""Knows how a network that is not ours is made and looked at before it is trusted."""

from __future__ import annotations

import torch
from torch import nn

from tunetrack.errors import Problem, SpecError
from tunetrack.spec.imports import find_callable
from tunetrack.spec.models import ImportedConfig

__all__ = ["build_imported", "check_output"]


def build_imported(config: ImportedConfig, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """What the user's callable returns.

    Args:
        config: names the callable and holds its further arguments.
        input_shape: (channels, height, width) or (channels, depth, height, width).
        num_classes: width of the output.

    Raises:
        SpecError: the callable is not there, does not take these arguments, or returns no `nn.Module`.
        Exception: whatever the callable raises.
    """
    make = find_callable(config.target, config.arguments)
    made = make(input_shape=input_shape, num_classes=num_classes, **config.arguments)
    if not isinstance(made, nn.Module):
        raise _wrong(config, f"must return a torch.nn.Module, not {type(made).__name__}")
    return made


def check_output(config: ImportedConfig, output: object, num_classes: int) -> None:
    """Whether the answer to one image is one row of logits.

    Raises:
        SpecError: it is something else.
    """
    if not isinstance(output, torch.Tensor):
        raise _wrong(config, f"must return a module whose output is a tensor, not {type(output).__name__}")
    if tuple(output.shape) != (1, num_classes):
        shape = "x".join(map(str, output.shape)) or "a single number"
        raise _wrong(config, f"must return a module whose output for 1 image is 1x{num_classes} (classes), not {shape}")


def _wrong(config: ImportedConfig, message: str) -> SpecError:
    return SpecError([Problem("model.import", f"{config.target} {message}")])
