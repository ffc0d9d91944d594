"""Knows the sums that all weight statistics are made of.

A record looks at each weight as it is, beside the initial one, the one of the previous record, and the one before the
last step. On the CPU loops compiled by numba do that where the weights lie; elsewhere torch does it for all tensors at
a time, over one flat buffer, so that the number of kernels does not grow with the number of layers.
"""

from __future__ import annotations

import importlib.util
import itertools
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from tunetrack.spec.weight_records import BINS
from tunetrack.training.weight_stats.loops import compiled

__all__ = ["SUMS", "Beside", "FlatCopy", "Sums", "SumsRow", "make_sums"]

#: The columns of a row of sums; d: w - v. What does not exist stays 0.
SUMS = (
    "sum", "square", "absolute", "min", "max", "zeros", "near_zeros",
    "initial_power", "initial_square", "initial_max",
    "previous_power", "previous_square", "previous_max", "turned",
    "step_square", "gradient_square",
)  # fmt: skip
SumsRow = NDArray[np.float64]


class FlatCopy:
    """The values of several tensors one after the other, each in the order in which its tensor has them in memory."""

    def __init__(self, tensors: Sequence[torch.Tensor], dtype: torch.dtype = torch.float32) -> None:
        sizes = [tensor.numel() for tensor in tensors]
        self.flat = torch.zeros(sum(sizes), dtype=dtype, device=tensors[0].device)
        starts = [0, *itertools.accumulate(sizes)][:-1]
        self.parts = [self.flat.narrow(0, start, size) for start, size in zip(starts, sizes, strict=True)]
        self.views = [_like(part, tensor) for part, tensor in zip(self.parts, tensors, strict=True)]

    def take(self, tensors: Sequence[torch.Tensor]) -> FlatCopy:
        """Copy the tensors' values; returns itself."""
        torch._foreach_copy_(self.views, [tensor.detach() for tensor in tensors])
        return self


def _like(part: torch.Tensor, tensor: torch.Tensor) -> torch.Tensor:
    """A stretch of a flat buffer in the shape, and where it has no gaps also in the memory layout, of a tensor."""
    return part.as_strided(tensor.shape, tensor.stride()) if _dense(tensor) else part.view(tensor.shape)


def _dense(tensor: torch.Tensor) -> bool:
    """Whether every place of a tensor's memory belongs to one of its values, and to one alone."""
    axes = sorted((stride, size) for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1)
    expected = 1
    for stride, size in axes:
        if stride != expected:
            return False
        expected *= size
    return True


@dataclass
class Beside:
    """What a record compares the weights with. None where it does not exist yet.

    Attributes:
        initial: the initial weights.
        previous: those of the previous record; `Sums.measure` leaves the present ones in it.
        direction: int8, sign of the change between the two records before; `Sums.measure` leaves the present one.
        before: those before the last step.
    """

    initial: FlatCopy
    previous: FlatCopy
    direction: FlatCopy
    before: FlatCopy | None = None


class Sums(ABC):
    """Takes the sums of all tensors of a network.

    Args:
        tensors: the parameters, float; their storage stays the same.
        ends: float64 (tensors, 2), lower and upper ends of the histograms.
        p: order of the Minkowski distance, at least 1.
        near_zero: a smaller weight counts as near zero.
    """

    def __init__(self, tensors: Sequence[torch.Tensor], ends: NDArray[np.float64], p: float, near_zero: float) -> None:
        self._tensors = list(tensors)
        self._ends, self._p, self._near_zero = ends, p, near_zero

    @abstractmethod
    def measure(self, beside: Beside, *, first: bool = False) -> tuple[SumsRow, NDArray[np.int64]]:
        """All sums of the weights as they now are.

        Args:
            beside: what to compare with; its `previous` and `direction` are brought up to date.
            first: whether this is the first record, which has no previous one.

        Returns:
            float64 (tensors, len(SUMS)) and int64 (tensors, BINS + 2).
        """

    def _gradients(self) -> list[torch.Tensor | None]:
        return [None if tensor.grad is None else tensor.grad.detach() for tensor in self._tensors]


class _NumbaSums(Sums):
    """On the CPU: a few loops over each tensor."""

    def measure(self, beside: Beside, *, first: bool = False) -> tuple[SumsRow, NDArray[np.int64]]:
        rows = np.zeros((len(self._tensors), len(SUMS)))
        counts = np.zeros((len(self._tensors), BINS + 2), np.int64)
        loops = compiled()
        for index, (tensor, gradient) in enumerate(zip(self._tensors, self._gradients(), strict=True)):
            w, row = _values(tensor), rows[index]
            previous = beside.previous.parts[index].numpy()
            row[:7] = loops.own(w, self._near_zero)
            row[7:10] = loops.apart(w, beside.initial.parts[index].numpy(), self._p)
            if not first:
                row[10:13] = loops.apart(w, previous, self._p)
            row[13] = loops.turned(w, previous, beside.direction.parts[index].numpy())
            if beside.before is not None:
                row[14] = loops.apart(w, beside.before.parts[index].numpy(), 1.0)[1]
            if gradient is not None:
                row[15] = loops.square(_values(gradient))
            loops.histogram(w, *self._ends[index], counts[index])
        return rows, counts


def _values(tensor: torch.Tensor) -> NDArray[np.float32]:
    """All values in the order of memory, without a copy where they are float32 and have no gaps."""
    tensor = tensor.detach()
    tensor = tensor if _dense(tensor) else tensor.contiguous()
    flat: NDArray[np.float32] = tensor.as_strided((tensor.numel(),), (1,)).float().numpy()
    return flat


class _TorchSums(Sums):
    """On any device: a few operations for all tensors at a time, and one transfer."""

    def __init__(self, tensors: Sequence[torch.Tensor], ends: NDArray[np.float64], p: float, near_zero: float) -> None:
        super().__init__(tensors, ends, p, near_zero)
        device = tensors[0].device
        self._now, self._gradient = FlatCopy(tensors), FlatCopy(tensors)
        # MPS has no float64; there, sums are less exact.
        self._dtype = torch.float32 if device.type == "mps" else torch.float64
        lengths = torch.tensor([tensor.numel() for tensor in tensors])
        self._lengths = lengths.to(device)
        self._first = torch.arange(len(tensors)).mul_(BINS + 2).repeat_interleave(lengths).to(device)
        low, high = torch.from_numpy(ends).to(self._dtype).unbind(1)
        self._low, self._high = (end.repeat_interleave(lengths).to(device) for end in (low, high))

    def measure(self, beside: Beside, *, first: bool = False) -> tuple[SumsRow, NDArray[np.int64]]:
        now = self._now.take(self._tensors).flat.to(self._dtype)
        size = now.abs()
        nothing = torch.zeros(len(self._tensors), dtype=self._dtype, device=now.device)
        columns = [
            self._sum(now), self._sum(now * now), self._sum(size), self._most(now, "min"), self._most(now, "max"),
            self._sum(now == 0), self._sum(size < self._near_zero),
        ]  # fmt: skip
        columns += self._apart(now, beside.initial)
        columns += [nothing] * 3 if first else self._apart(now, beside.previous)
        columns.append(self._turned(now, beside))
        columns.append(nothing if beside.before is None else self._sum((now - beside.before.flat).square()))
        columns.append(self._gradient_square())
        counts = self._histograms(now).to(self._dtype)
        beside.previous.flat.copy_(self._now.flat)
        both = torch.cat((torch.stack(columns, dim=1), counts), dim=1).cpu().double().numpy()
        return both[:, : len(SUMS)], both[:, len(SUMS) :].astype(np.int64)

    def _sum(self, values: torch.Tensor) -> torch.Tensor:
        return torch.segment_reduce(values.to(self._dtype), "sum", lengths=self._lengths, unsafe=True)

    def _most(self, values: torch.Tensor, which: str) -> torch.Tensor:
        return torch.segment_reduce(values, which, lengths=self._lengths, unsafe=True)

    def _apart(self, now: torch.Tensor, other: FlatCopy) -> list[torch.Tensor]:
        change = (now - other.flat).abs()
        return [self._sum(change**self._p), self._sum(change.square()), self._most(change, "max")]

    def _turned(self, now: torch.Tensor, beside: Beside) -> torch.Tensor:
        sign = (now - beside.previous.flat).sign().to(torch.int8)
        turned = self._sum(sign * beside.direction.flat < 0)
        beside.direction.flat.copy_(sign)
        return turned

    def _gradient_square(self) -> torch.Tensor:
        for view, gradient in zip(self._gradient.views, self._gradients(), strict=True):
            if gradient is None:
                view.zero_()
        there = [pair for pair in zip(self._gradient.views, self._gradients(), strict=True) if pair[1] is not None]
        if there:
            views, gradients = zip(*there, strict=True)
            torch._foreach_copy_(list(views), list(gradients))
        return self._sum(self._gradient.flat.to(self._dtype).square())

    def _histograms(self, now: torch.Tensor) -> torch.Tensor:
        place = ((now - self._low) * (BINS / (self._high - self._low))).clamp(0, BINS - 1).nan_to_num(0).long() + 1
        place[now < self._low] = 0
        place[~(now <= self._high)] = BINS + 1  # NaN too
        tensors = len(self._tensors)
        return torch.bincount(place + self._first, minlength=tensors * (BINS + 2)).view(tensors, BINS + 2)


def make_sums(tensors: Sequence[torch.Tensor], ends: NDArray[np.float64], p: float, near_zero: float) -> Sums:
    """The faster way for the tensors' device; the arguments are those of `Sums`."""
    loops = tensors[0].device.type == "cpu" and importlib.util.find_spec("numba") is not None
    return (_NumbaSums if loops else _TorchSums)(tensors, ends, p, near_zero)
