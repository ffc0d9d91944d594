"""Knows ReLU and max pooling in one pass over memory on the CPU.

torch does them one after the other on the CPU, stores an int64 index for every pooled value, zeroes the gradient and
scatters into it. Here values are compared as integers (the bits of positive floats are ordered as the floats are), no
index is stored, and every place of the gradient is written once. `docs/performance.md` has what it brings.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

__all__ = ["relu_max_pool", "relu_max_pool_pays"]

#: For each type of float the integers of its width, and of those zero, NaN, and minus infinity.
_BITS = {
    torch.bfloat16: (torch.int16, np.array([0, 0x7FFF, -0x80], np.int16)),
    torch.float32: (torch.int32, np.array([0, 0x7FFFFFFF, -0x800000], np.int32)),
}
#: The loops run on one core. torch shares its own among threads, and takes five times as long on one.
MOST_THREADS = 4


def relu_max_pool_pays(device: torch.device) -> bool:
    """Whether `relu_max_pool` is there and faster than torch's own: on a CPU, with numba, on few threads."""
    few = torch.get_num_threads() <= MOST_THREADS
    return device.type == "cpu" and few and importlib.util.find_spec("numba") is not None


def relu_max_pool(images: torch.Tensor, size: int) -> torch.Tensor:
    """ReLU, then max pooling with window and stride `size` (the other order has the same result).

    Values and gradients equal torch's to the last bit; of equal values the first in its window gets the gradient, and
    NaN is above everything.

    Args:
        images: bfloat16 or float32 (n, c, h, w) on the CPU; fastest where channels_last.
        size: pixels a side; rows and columns that fill no window are left out.

    Returns:
        (n, c, h // size, w // size), channels_last.

    Raises:
        KeyError: another type of number.
    """
    pooled: torch.Tensor = _ReluMaxPool.apply(images, size)
    return pooled


class _ReluMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, images: torch.Tensor, size: int) -> torch.Tensor:
        bits = _as_bits(images)
        n, h, w, c = bits.shape
        top = torch.empty((n, h // size, w // size, c), dtype=bits.dtype)
        pool, _ = _kernels(size)
        pool(bits.numpy(), top.numpy(), _BITS[images.dtype][1])
        ctx.save_for_backward(images, top)
        ctx.size = size
        return top.view(images.dtype).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        images, top = ctx.saved_tensors
        bits, size = _as_bits(images), ctx.size
        filled = bits.shape[1] % size == 0 and bits.shape[2] % size == 0
        out = torch.empty_like(bits) if filled else torch.zeros_like(bits)
        _, unpool = _kernels(size)
        unpool(bits.numpy(), top.numpy(), _as_bits(gradients[0]).numpy(), out.numpy())
        return out.view(images.dtype).permute(0, 3, 1, 2), None


def _as_bits(images: torch.Tensor) -> torch.Tensor:
    """The bits of (n, c, h, w) floats as integers (n, h, w, c); no copy where the images are channels_last."""
    return images.detach().permute(0, 2, 3, 1).contiguous().view(_BITS[images.dtype][0])


@functools.cache
def _kernels(size: int) -> tuple[Callable[..., None], Callable[..., None]]:
    """The loops, compiled for one window size: as a constant it lets LLVM unroll the window and use vectors.

    Compiling takes a second; numba keeps the result on disk for the next process.
    """
    import numba  # takes half a second, and is of no use where a GPU trains

    def pool(bits: Any, top: Any, constants: Any) -> None:
        zero, nan, infinity = constants
        images, rows, columns, channels = top.shape
        for image in range(images):
            for row in range(rows):
                for column in range(columns):
                    best = top[image, row, column]
                    for channel in range(channels):
                        most = zero
                        for y in range(size):
                            for x in range(size):
                                value = bits[image, row * size + y, column * size + x, channel]
                                # x86 makes NaN with the sign set: numbers below zero and above minus infinity.
                                # Without branches (max, and, chained comparison) LLVM uses vectors: 5 times as fast.
                                value = nan if (value > infinity) & (value < zero) else value
                                most = value if value > most else most
                        best[channel] = most

    def unpool(bits: Any, top: Any, gradient: Any, out: Any) -> None:
        images, rows, columns, channels = top.shape
        left = np.zeros(channels, gradient.dtype)
        closed = left[0]
        for image in range(images):
            for row in range(rows):
                for column in range(columns):
                    best, given = top[image, row, column], gradient[image, row, column]
                    for channel in range(channels):
                        left[channel] = given[channel] if best[channel] > 0 else closed
                    # One short loop a place, each over few arrays: LLVM vectorises those, and not one over all of them.
                    for place in range(size * size):
                        y, x = row * size + place // size, column * size + place % size
                        values, written = bits[image, y, x], out[image, y, x]
                        for channel in range(channels):
                            written[channel] = left[channel] if values[channel] == best[channel] else closed
                            left[channel] -= written[channel]

    return numba.njit(pool, cache=True, nogil=True), numba.njit(unpool, cache=True, nogil=True)
