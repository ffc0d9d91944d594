"""Knows where each named data set comes from, and reads it whole as arrays of bytes."""

from __future__ import annotations

import contextlib
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tunetrack.errors import DataError
from tunetrack.spec.config import DataConfig
from tunetrack.training.image_folder import read_image_folder
from tunetrack.training.voxel_cache import cached_voxels
from tunetrack.training.voxels import GROUPS, TEST_DIGITS, TRAIN_DIGITS

__all__ = ["DEFAULT_FOLDER", "RawImages", "read_images"]

#: Where torchvision's data sets are looked for when the study file names no folder; relative to the working directory.
DEFAULT_FOLDER = "data"

#: Of the rotations and the noise of voxel_mnist, where the study file gives none.
DEFAULT_VOXEL_SEED = 42

#: Our name -> (torchvision's class, the folder that it makes below its root).
_TORCHVISION = {
    "mnist": ("MNIST", "MNIST/raw"),
    "fashion_mnist": ("FashionMNIST", "FashionMNIST/raw"),
    "cifar10": ("CIFAR10", "cifar-10-batches-py"),
    "cifar100": ("CIFAR100", "cifar-100-python"),
}

#: torchvision opens its addresses without a limit; a network that swallows packets would hold a worker for minutes.
_SECONDS_PER_CONNECTION = 5.0


@dataclass(frozen=True)
class RawImages:
    """A data set as it was read.

    Attributes:
        images: uint8 (n, c, h, w) or (n, c, d, h, w), CPU; where there is an official test set, its images come last.
        labels: int64 (n,), CPU.
        classes: names in the order of the labels.
        official_test: how many of the last images are the official test set; 0 where there is none.
        groups: names of the kinds of images that were made from each source, in the order in which they follow one
            another in `images`; empty where every image stands for itself.
    """

    images: torch.Tensor
    labels: torch.Tensor
    classes: tuple[str, ...]
    official_test: int = 0
    groups: tuple[str, ...] = ()

    @property
    def siblings(self) -> int:
        """How many images in a row were made from one source."""
        return max(1, len(self.groups))


def read_images(config: DataConfig) -> RawImages:
    """Read a whole data set from disk, or from the network where torchvision can fetch it.

    Args:
        config: `name` and `dir` decide what is read; the other fields are used by `image_folder` alone.

    Returns:
        All images in their own size and channels (`image_folder`: already in the size asked for).

    Raises:
        DataError: the files are missing and cannot be fetched, or a file cannot be read.
    """
    if config.name == "digits":
        return _digits()
    if config.name == "image_folder":
        return RawImages(*read_image_folder(config))
    if config.name == "voxel_mnist":
        return _voxel_mnist(config)
    return _torchvision(config)


def _digits() -> RawImages:
    from sklearn.datasets import load_digits  # takes a second to import, and only this data set needs it

    bunch = load_digits()
    images = np.rint(bunch.images * (255.0 / 16.0)).astype(np.uint8)  # the file's scale is 0..16
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    return RawImages(torch.from_numpy(images).unsqueeze(1), labels, tuple(str(name) for name in bunch.target_names))


def _voxel_mnist(config: DataConfig) -> RawImages:
    flat = _torchvision(config.model_copy(update={"name": "mnist"}))
    first = len(flat.labels) - flat.official_test
    places = torch.arange(len(flat.labels))
    train, test = places[:first][:TRAIN_DIGITS], places[first:][:TEST_DIGITS]
    chosen = torch.cat([train, test])
    folder = Path(config.cache_dir).expanduser().absolute() if config.cache_dir else _root(config)
    seed = DEFAULT_VOXEL_SEED if config.voxel_seed is None else config.voxel_seed
    volumes = cached_voxels(flat.images[chosen, 0].numpy(), len(test), seed, folder)
    labels = flat.labels[chosen].repeat_interleave(len(GROUPS))
    return RawImages(torch.from_numpy(volumes).unsqueeze(1), labels, flat.classes, len(GROUPS) * len(test), GROUPS)


def _root(config: DataConfig) -> Path:
    """The folder that holds torchvision's folders."""
    return Path(DEFAULT_FOLDER if config.dir is None else config.dir).expanduser().absolute()


def _torchvision(config: DataConfig) -> RawImages:
    try:
        from torchvision import datasets  # slow to import, and broken where its build does not fit torch's
    except (ImportError, RuntimeError) as error:
        raise DataError(
            f"data set {config.name} is read through torchvision, which cannot be imported here: {error}. "
            "Install the torchvision that belongs to the installed torch, or use the data set digits or image_folder."
        ) from error
    class_name, folder = _TORCHVISION[config.name]
    factory = getattr(datasets, class_name)
    root = _root(config)
    try:
        parts = [factory(str(root), train=True), factory(str(root), train=False)]
    except RuntimeError:  # torchvision's word for "not there"
        _download(factory, config.name, root, folder)
        parts = [_read_part(factory, root, folder, train=True), _read_part(factory, root, folder, train=False)]
    except Exception as error:  # a damaged file shows up as whatever its parser stumbles over
        raise _damaged(root / folder, error) from error
    images = torch.cat([_as_nchw(part.data) for part in parts])
    labels = torch.cat([torch.as_tensor(part.targets, dtype=torch.int64) for part in parts])
    return RawImages(images, labels, tuple(parts[0].classes), official_test=len(parts[1].data))


def _read_part(factory: Any, root: Path, folder: str, *, train: bool) -> Any:
    try:
        return factory(str(root), train=train)
    except Exception as error:
        raise _damaged(root / folder, error) from error


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(
        f"the files in {folder} are there but cannot be read: {type(error).__name__}: {error}. "
        "Delete that folder and fetch the data set again."
    )


def _download(factory: Any, name: str, root: Path, folder: str) -> None:
    """Fetch into a temporary folder beside the goal and move file by file, so that no half-written file is left."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as temporary, _impatient_sockets():
            factory(temporary, train=True, download=True)
            for file in sorted(path for path in Path(temporary).rglob("*") if path.is_file()):
                goal = root / file.relative_to(temporary)
                goal.parent.mkdir(parents=True, exist_ok=True)
                file.replace(goal)  # atomic: a second worker that fetches at the same time writes the same bytes
    except Exception as error:  # besides OSError: http.client's, zlib's and torchvision's own
        with contextlib.suppress(OSError):  # not empty: it was here before, or another worker has fetched meanwhile
            root.rmdir()
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise DataError(
            f"data set {name} is not (or not whole) in {root / folder}, and fetching it failed ({reason}). "
            f"Put the files there, or say where they are: option --data-dir DIR, key data.dir in the study file, "
            f"or environment variable TUNETRACK_DATA_DIR (DIR is the folder that holds {Path(folder).parts[0]}). "
            "Or run once on a machine with network access."
        ) from error


@contextlib.contextmanager
def _impatient_sockets() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SECONDS_PER_CONNECTION)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _as_nchw(data: Any) -> torch.Tensor:
    """Images as torchvision keeps them, (n, h, w) tensor or (n, h, w, c) array, as uint8 (n, c, h, w)."""
    images = torch.as_tensor(data)
    return images.unsqueeze(1) if images.dim() == 3 else images.permute(0, 3, 1, 2)
