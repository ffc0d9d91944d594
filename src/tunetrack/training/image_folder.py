"""Knows how to read a folder of image files, one sub-folder per class, into one array of bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from tunetrack.errors import DataError
from tunetrack.spec.config import DataConfig

__all__ = ["read_image_folder"]

_SUFFIXES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
#: PIL's modes that hold no colour.
_GREY = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "F"})
#: PIL reports a damaged file with any of these, depending on the format.
_DAMAGED = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def read_image_folder(config: DataConfig) -> tuple[torch.Tensor, torch.Tensor, tuple[str, ...]]:
    """Read every image below `config.dir`; the names of its sub-folders, sorted, are the classes.

    Images are resized to a square of `config.image_size` pixels (bilinear, antialiased; the aspect ratio is not kept).
    With `config.channels` unset, the set is grey if every image is.

    Returns:
        images uint8 (n, c, size, size); labels int64 (n,); class names.

    Raises:
        DataError: the folder is missing, has fewer than two classes or an empty one, or an image cannot be read.
    """
    root = Path(config.dir or "").expanduser().absolute()
    if config.dir is None or not root.is_dir():
        where = "no folder was given" if config.dir is None else f"there is no folder {root}"
        raise DataError(f"image_folder: {where}. Set data.dir to a folder that holds one folder of images per class.")
    files = _files_per_class(root)
    channels = config.channels or (1 if all(_is_grey(file) for group in files.values() for file in group) else 3)
    side = config.image_size or 0
    arrays = [_decode(file, side, channels) for group in files.values() for file in group]
    images = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
    labels = torch.repeat_interleave(torch.tensor([len(group) for group in files.values()]))
    return images, labels, tuple(files)


def _files_per_class(root: Path) -> dict[str, list[Path]]:
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(folders) < 2:
        raise DataError(
            f"image_folder: {root} holds {len(folders)} class folder(s), at least 2 are needed. "
            "data.dir must be the folder above the class folders."
        )
    files = {folder.name: sorted(p for p in folder.rglob("*") if p.suffix.lower() in _SUFFIXES) for folder in folders}
    for name, group in files.items():
        if not group:
            raise DataError(f"image_folder: {root / name} holds no image ({', '.join(sorted(_SUFFIXES))}).")
    return files


def _is_grey(file: Path) -> bool:
    try:
        with Image.open(file) as image:
            return image.mode in _GREY
    except _DAMAGED as error:
        raise _unreadable(file, error) from error


def _decode(file: Path, side: int, channels: int) -> npt.NDArray[np.uint8]:
    """One image as uint8 (side, side, channels)."""
    try:
        with Image.open(file) as image:
            mode = "L" if channels == 1 else "RGB"
            flat = _eight_bits(image).convert(mode).resize((side, side), Image.Resampling.BILINEAR)
    except _DAMAGED as error:
        raise _unreadable(file, error) from error
    return np.asarray(flat, dtype=np.uint8).reshape(side, side, channels)


def _eight_bits(image: Image.Image) -> Image.Image:
    """16-bit grey scaled to 8 bits; PIL's own conversion would clip it at 255, which makes most pictures white."""
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8))
    return image


def _unreadable(file: Path, error: Exception) -> DataError:
    return DataError(f"image_folder: {file} cannot be read as an image ({error}). Repair it or take it out.")
