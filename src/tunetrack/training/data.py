"""Knows how to hold a whole data set on the device, split into training, validation and test images."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from tunetrack.errors import DataError
from tunetrack.spec.config import DataConfig
from tunetrack.training.sources import RawImages, read_images

__all__ = ["ResidentData", "Split", "load_data"]

#: Shares of red, green and blue in grey, ITU-R BT.601, as PIL uses them.
_LUMA = (0.299, 0.587, 0.114)
#: Images resized at a time, so that the float copy of a large set does not exhaust memory.
_RESIZE_CHUNK = 2048


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8 (n, c, h, w), contiguous.
        labels: int64 (n,), on the same device.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same images and labels on another device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True)
class ResidentData:
    """A data set that stays on one device while many trials use it; nothing ever writes to it.

    Attributes:
        name: as in the study file.
        train: the only images that weights are fitted to.
        validation: what selection sees.
        test: touched once, at the very end.
        classes: names in the order of the labels.
        mean: per channel, of the training images, on the scale 0 to 1.
        std: per channel, likewise; 1 for a channel that is constant.
        digest: 16 hexadecimal digits that change when any image, label or split changes.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one image."""
        channels, height, width = self.train.images.shape[1:]
        return channels, height, width

    @property
    def device(self) -> torch.device:
        """Where the images are."""
        return self.train.images.device

    def split(self, name: str) -> Split:
        """The split called ``train``, ``validation`` or ``test``.

        Raises:
            KeyError: there is no such split.
        """
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]

    def to(self, device: torch.device | str) -> ResidentData:
        """The same data on another device; itself where it is there already."""
        if torch.device(device) == self.device:
            return self
        train, validation, test = (part.to(device) for part in (self.train, self.validation, self.test))
        return replace(self, train=train, validation=validation, test=test)


def load_data(config: DataConfig, device: torch.device | str = "cpu") -> ResidentData:
    """Read a data set once and keep all of it on the device.

    The official test set is the test split where there is one. Everything else is drawn by `config.seed`, in
    proportion to the classes. The order of drawing is test, validation, training, so that asking for fewer training
    images changes neither of the other two.

    Args:
        config: which set, which sizes, which seed. Missing sizes: one image in six for validation; the official test
            set, or one image in six, for testing; all that are left for training.
        device: where the tensors shall live.

    Raises:
        DataError: files are missing or damaged, or more images are asked for than there are.
    """
    raw = read_images(config)
    parts = [_prepare(raw, indices, config) for indices in _draw(config, raw)]
    mean, std = _moments(parts[0].images)
    train, validation, test = (part.to(device) for part in parts)
    return ResidentData(config.name, train, validation, test, raw.classes, mean, std, _digest(config, parts))


def _draw(config: DataConfig, raw: RawImages) -> tuple[npt.NDArray[np.int64], ...]:
    """Indices of the training, validation and test images."""
    labels = raw.labels.numpy()
    rng = np.random.default_rng(config.seed)
    pool = np.arange(len(labels) - raw.official_test)
    sixth = max(1, len(pool) // 6)
    validation = config.validation or sixth
    mixed = pool[_proportional_order(labels[pool], rng)]
    if raw.official_test:
        official = np.arange(len(pool), len(labels))
        if config.test is None:
            test = official
        else:
            _check_sizes(config.name, {"test": config.test}, len(official), "in the official test set")
            test = official[_proportional_order(labels[official], rng)][: config.test]
        wanted = {"train": config.train or 1, "validation": validation}
        _check_sizes(config.name, wanted, len(pool), "besides the official test set")
    else:
        wanted = {"train": config.train or 1, "validation": validation, "test": config.test or sixth}
        _check_sizes(config.name, wanted, len(pool), "in all")
        test, mixed = mixed[: wanted["test"]], mixed[wanted["test"] :]
    rest = mixed[validation:]
    return rest[: config.train], mixed[:validation], test


def _proportional_order(labels: npt.NDArray[np.int64], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A random order in which every stretch holds the classes in proportion, to within one image or two a class."""
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable").astype(np.int64)


def _check_sizes(name: str, wanted: dict[str, int], available: int, where: str) -> None:
    total = sum(wanted.values())
    if total > available:
        parts = " + ".join(f"{split} {count}" for split, count in wanted.items())
        raise DataError(
            f"data set {name} has {available} images {where}, but {parts} = {total} are asked for. "
            f"Lower {' or '.join(f'data.{split}' for split in wanted)}."
        )


def _prepare(raw: RawImages, indices: npt.NDArray[np.int64], config: DataConfig) -> Split:
    chosen = torch.from_numpy(indices)
    images = _with_channels(raw.images[chosen], config.channels)
    size = config.image_size
    if size is not None and images.shape[2:] != (size, size):
        images = torch.cat([_resize(chunk, size) for chunk in torch.split(images, _RESIZE_CHUNK)])
    return Split(images.contiguous(), raw.labels[chosen])


def _with_channels(images: torch.Tensor, channels: int | None) -> torch.Tensor:
    if channels is None or channels == images.shape[1]:
        return images
    if channels == 3:
        return images.repeat(1, 3, 1, 1)
    red, green, blue = (images[:, c : c + 1].float() * share for c, share in enumerate(_LUMA))
    return (red + green + blue).round().to(torch.uint8)


def _resize(images: torch.Tensor, size: int) -> torch.Tensor:
    scaled = torch.nn.functional.interpolate(images.float(), (size, size), mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def _moments(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Exact mean and standard deviation per channel, through the counts of the 256 byte values."""
    values = torch.arange(256, dtype=torch.float64) / 255.0
    means, deviations = [], []
    for channel in range(images.shape[1]):
        share = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        share /= share.sum()
        mean = float((share * values).sum())
        deviation = float((share * (values - mean) ** 2).sum().sqrt())
        means.append(mean)
        deviations.append(deviation if deviation > 0.0 else 1.0)
    return tuple(means), tuple(deviations)


def _digest(config: DataConfig, parts: list[Split]) -> str:
    digest = hashlib.sha256(json.dumps([config.name, *(list(part.images.shape) for part in parts)]).encode())
    for part in parts:
        digest.update(part.images.numpy().data)
        digest.update(part.labels.numpy().data)
    return digest.hexdigest()[:16]
