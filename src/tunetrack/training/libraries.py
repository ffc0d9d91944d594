"""Knows what the first trial of a process loads, and so what is loaded once before workers are forked."""

from __future__ import annotations

import importlib.util

from tunetrack.spec.config import TrialConfig
from tunetrack.training.hardware import choose_device

__all__ = ["libraries"]

#: What data sets are read through that torchvision does not read; a folder of images by what is loaded anyway.
_READERS: dict[str, tuple[str, ...]] = {"digits": ("sklearn.datasets",), "image_folder": ()}


def libraries(config: TrialConfig) -> tuple[str, ...]:
    """Modules that take a first trial of this configuration up to seconds to import, in the order of use.

    Args:
        config: of any trial; all trials of a study that search neither data nor device load the same.
    """
    # Every optimiser of torch imports its compiler.
    found = ("torch._dynamo", *_READERS.get(config.data.name, ("torchvision.datasets",)))
    if choose_device(config.trainer).type == "cpu" and importlib.util.find_spec("numba") is not None:
        found += ("tunetrack.training.loaded_loops",)
    return found
