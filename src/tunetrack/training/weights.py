"""Knows how a state dict becomes the content of a file and comes back; nothing but tensors is ever unpickled."""

from __future__ import annotations

import io
from collections.abc import Mapping

import torch

__all__ = ["weights_from_bytes", "weights_to_bytes"]


def weights_to_bytes(state_dict: Mapping[str, torch.Tensor]) -> bytes:
    """A state dict as `torch.save` writes it."""
    buffer = io.BytesIO()
    torch.save(dict(state_dict), buffer)
    return buffer.getvalue()


def weights_from_bytes(content: bytes) -> dict[str, torch.Tensor]:
    """The state dict of a file's content, on the CPU.

    Raises:
        pickle.UnpicklingError: the content holds anything but tensors, or is none of `torch.save`'s.
    """
    loaded: dict[str, torch.Tensor] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    return loaded
