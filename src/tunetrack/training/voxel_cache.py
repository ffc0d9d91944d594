"""Knows where generated volumes are kept between processes, and when a kept file may be used."""

from __future__ import annotations

import hashlib
import logging
import tempfile
import zipfile
import zlib
from pathlib import Path

import numpy as np

from tunetrack.training.voxels import GROUPS, SIDE, Bytes, generate_voxels

__all__ = ["cache_file", "cached_voxels"]

#: Rises with every change of what `generate_voxels` gives for the same digits and seed.
_VERSION = 1
#: What numpy raises for a file that is cut off, of another kind, or has a wrong checksum.
_DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)

_logger = logging.getLogger(__name__)


def cached_voxels(digits: Bytes, test: int, seed: int, folder: Path) -> Bytes:
    """The volumes of `generate_voxels`, from the cache where they are in it.

    A damaged file is replaced. Where the folder cannot be written, the volumes are made for this process alone, and a
    warning says so.

    Args:
        digits: (n, h, w), those of the test set last.
        test: how many of them are the test set's.
        seed: of the rotations and the noise.
        folder: where the file is kept; made where it is missing.
    """
    file = cache_file(digits, test, seed, folder)
    expected = (len(GROUPS) * len(digits), SIDE, SIDE, SIDE)
    if file.exists():
        try:
            # Opened here, since numpy leaves a file open that it cannot read.
            with file.open("rb") as opened, np.load(opened) as archive:
                kept: Bytes = archive["volumes"]
            if kept.shape != expected or kept.dtype != np.uint8:
                raise ValueError(f"it holds {kept.dtype} {kept.shape}")
        except _DAMAGED as error:
            _logger.warning("the cached voxels in %s are damaged (%s) and are made again", file, error)
        else:
            return kept
    made = generate_voxels(digits, test, seed)
    try:
        _write(file, made)
    except OSError as error:
        _logger.warning(
            "the voxels cannot be kept in %s (%s), so every process makes them anew; set data.cache_dir to a folder "
            "that can be written",
            folder,
            error,
        )
    return made


def cache_file(digits: Bytes, test: int, seed: int, folder: Path) -> Path:
    """Where volumes are kept; its name holds all that decides what is in it."""
    content = hashlib.sha256(np.ascontiguousarray(digits).data).hexdigest()[:8]
    return folder / f"voxel_mnist-v{_VERSION}-seed{seed}-{len(digits) - test}+{test}-{content}.npz"


def _write(file: Path, volumes: Bytes) -> None:
    """Into a temporary file beside the goal, then renamed: nobody ever sees half a file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".voxels-", dir=file.parent) as temporary:
        half = Path(temporary) / file.name
        np.savez_compressed(half, volumes=volumes)
        half.replace(file)
