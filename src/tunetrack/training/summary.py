"""Knows what a model looks like: its layers, and how much it holds and computes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from tunetrack.spec.records import ModelSummary

__all__ = ["look_at"]

BYTES = 4


def look_at(model: nn.Module, input_shape: tuple[int, ...]) -> tuple[ModelSummary, Any]:
    """Sends one empty image through a model and notes what happens.

    Args:
        model: in eval mode; on the meta device nothing is computed, only counted.
        input_shape: (channels, height, width) or (channels, depth, height, width).

    Returns:
        The summary, and what the model returned.
    """
    rows: list[tuple[str, str, tuple[int, ...], int]] = []
    outputs = [0]
    seen: set[nn.Module] = set()

    def note(name: str, is_leaf: bool) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _: Any, output: Any) -> None:
            tensors = list(_tensors(output))
            own = 0 if module in seen else _count(module.parameters(recurse=False))
            seen.add(module)
            rows.append((name, type(module).__name__, tuple(tensors[0].shape[1:]) if tensors else (), own))
            outputs[0] += sum(tensor.numel() for tensor in tensors) if is_leaf else 0

        return hook

    parts = [(name, module) for name, module in model.named_modules() if _is_leaf(module) or _has_own(module)]
    handles = [module.register_forward_hook(note(name, _is_leaf(module))) for name, module in parts]
    device = next((tensor.device for tensor in model.parameters()), None)
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            output = model(torch.zeros(1, *input_shape, device=device))
    finally:
        for handle in handles:
            handle.remove()
    rows += [
        (name, type(module).__name__, (), _count(module.parameters(recurse=False)))
        for name, module in parts
        if module not in seen and _has_own(module)
    ]
    held = sum(parameter.numel() for parameter in model.parameters())
    values = torch.Size(input_shape).numel() + 2 * outputs[0] + held
    summary = ModelSummary(
        parameters=_count(model.parameters()),
        buffers=sum(buffer.numel() for buffer in model.buffers()),
        flops=int(counter.get_total_flops()),
        memory_bytes=BYTES * values,
        input_shape=input_shape,
        layers=tuple(rows),
    )
    return summary, output


def _is_leaf(module: nn.Module) -> bool:
    return not any(True for _ in module.children())


def _has_own(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def _count(parameters: Iterable[nn.Parameter]) -> int:
    return sum(parameter.numel() for parameter in parameters if parameter.requires_grad)


def _tensors(output: Any) -> Iterator[torch.Tensor]:
    """The tensors in what a module of anybody's may return."""
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, list | tuple):
        for entry in output:
            yield from _tensors(entry)
    elif isinstance(output, dict):
        yield from _tensors(list(output.values()))
