"""Knows which units of the activation layers are dead: not above zero for any of the images that they see.

A unit is a channel of a map, or a feature of a vector. Most units are seen to live with the first images, so a layer is
only watched until all of its units have been: from then on evaluation runs as fast as without.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from tunetrack.spec.weight_records import ActivationInfo

__all__ = ["DeadUnits"]


class DeadUnits:
    """Watches a model's activation layers during one evaluation.

    Args:
        model: what is evaluated.
        layers: the calls of its activation layers, in order.
    """

    def __init__(self, model: nn.Module, layers: tuple[ActivationInfo, ...]) -> None:
        self._model = model
        self._modules: dict[str, nn.Module] = {}
        self._calls: dict[str, list[int]] = {}
        for index, layer in enumerate(layers):
            name = layer.layer.partition("#")[0]
            self._modules[name] = model.get_submodule(name)
            self._calls.setdefault(name, []).append(index)
        self._living: list[torch.Tensor | None] = [None] * len(layers)
        self._units = [layer.units for layer in layers]
        self._seen: dict[str, int] = {}
        self._handles: dict[str, RemovableHandle] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Inside, the model's activation layers are looked at."""
        self._handles = {name: module.register_forward_hook(self._hook(name)) for name, module in self._modules.items()}
        try:
            yield
        finally:
            for handle in self._handles.values():
                handle.remove()
            self._handles = {}

    def between_batches(self) -> bool:
        """Stops watching the layers all of whose units live; whether there was one, so that a faster model is there."""
        self._seen = {}
        done = [name for name in self._handles if self._all_live(name)]
        for name in done:
            self._handles.pop(name).remove()
        return bool(done)

    def dead(self) -> tuple[int, ...]:
        """How many units of each layer are dead; 0 for a layer that no image has come through."""
        living = zip(self._units, self._living, strict=True)
        return tuple(0 if alive is None else units - int(alive.sum()) for units, alive in living)

    def _all_live(self, name: str) -> bool:
        known = [self._living[index] for index in self._calls[name]]
        return all(alive is not None and bool(alive.all()) for alive in known)

    def _hook(self, name: str) -> Any:
        def look(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
            call = self._seen.get(name, 0)
            self._seen[name] = call + 1
            index = self._calls[name][call % len(self._calls[name])]
            above = _above_zero(output)
            alive = self._living[index]
            self._living[index] = above if alive is None else alive | above

        return look


def _above_zero(output: torch.Tensor) -> torch.Tensor:
    """bool (units,), for values (n, units, ...)."""
    others = [axis for axis in range(output.dim()) if axis != 1]
    return output.amax(dim=others) > 0
