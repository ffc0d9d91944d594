"""Knows how a model is computed faster without being another model: a twin that shares all its weights."""

from __future__ import annotations

import copy

import torch
from torch import nn

from tunetrack.training.pooling import relu_max_pool, relu_max_pool_pays

__all__ = ["accelerated"]

#: Never falling, so that the largest value of a window stays the largest: max(f(x)) = f(max(x)).
#: ELU is left out: torch's vectorised exp() and its plain one, taken for the last few values, differ in the last bit.
_MONOTONIC = (nn.ReLU, nn.LeakyReLU)


def accelerated(model: nn.Module, device: torch.device) -> nn.Module:
    """A twin of a model with the same outputs and gradients bit for bit, made of the same parameters and buffers.

    In every `nn.Sequential`, an activation that is followed by max pooling comes after it (the activation then works on
    a quarter of the values), and ReLU with max pooling becomes one pass where `relu_max_pool_pays`. Layers with hooks
    stay as they are, since a hook wants to see what they give.

    Args:
        model: stays as it is; layers without children belong to both.
        device: where it computes.

    Returns:
        The twin, or the model itself where there is nothing to gain.
    """
    return _twin(model, fuse=relu_max_pool_pays(device))


def _twin(module: nn.Module, *, fuse: bool) -> nn.Module:
    before = dict(module.named_children())
    after = {name: _twin(child, fuse=fuse) for name, child in before.items()}
    if type(module) is nn.Sequential:
        after = _rewritten(after, fuse=fuse)
    if list(after.values()) == list(before.values()):
        return module
    twin = copy.copy(module)
    twin._modules = dict(after)
    return twin


def _rewritten(layers: dict[str, nn.Module], *, fuse: bool) -> dict[str, nn.Module]:
    done: dict[str, nn.Module] = {}
    rest = list(layers.items())
    while rest:
        name, layer = rest.pop(0)
        pool = _plain_pooling(rest[0][1]) if rest else None
        if pool is None or type(layer) not in _MONOTONIC or _hooked(layer):
            done[name] = layer
            continue
        pool_name, _ = rest.pop(0)
        if fuse and type(layer) is nn.ReLU:
            done[name] = _ReluMaxPool(layer, pool)
        else:
            done |= {pool_name: pool, name: layer}
    return done


def _plain_pooling(layer: nn.Module) -> nn.MaxPool2d | None:
    """The layer, if it is max pooling of squares that touch and do not overlap, without hooks."""
    if type(layer) is not nn.MaxPool2d or _hooked(layer):
        return None
    plain = not (layer.padding or layer.ceil_mode or layer.return_indices) and layer.dilation == 1
    return layer if plain and isinstance(layer.kernel_size, int) and layer.stride == layer.kernel_size else None


def _hooked(layer: nn.Module) -> bool:
    return any((layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks))


class _ReluMaxPool(nn.Module):
    """Stands for the two layers that it is made of."""

    def __init__(self, relu: nn.ReLU, pool: nn.MaxPool2d) -> None:
        super().__init__()
        if not isinstance(pool.kernel_size, int):
            raise TypeError(f"pooling by {pool.kernel_size}; only squares are rewritten")
        self._size = pool.kernel_size
        self._layers = nn.Sequential(relu, pool)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        if images.dtype in (torch.bfloat16, torch.float32) and images.dim() == 4:
            return relu_max_pool(images, self._size)
        plain: torch.Tensor = self._layers(images)
        return plain
