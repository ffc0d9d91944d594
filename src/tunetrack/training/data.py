"""Knows how to hold a whole data set on the device, split into training, validation and test images."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace

import torch

from tunetrack.spec.config import DataConfig
from tunetrack.training.sources import RawImages, read_images
from tunetrack.training.splits import Indices, draw_split

__all__ = ["ResidentData", "Split", "load_data"]

#: Shares of red, green and blue in grey, ITU-R BT.601, as PIL uses them.
_LUMA = (0.299, 0.587, 0.114)
#: Images resized at a time, so that the float copy of a large set does not exhaust memory.
_RESIZE_CHUNK = 2048


@dataclass(frozen=True)
class Split:
    """Images and their labels.

    Attributes:
        images: uint8 (n, c, h, w), or volumes (n, c, d, h, w); contiguous.
        labels: int64 (n,), on the same device.
        groups: int8 (n,), on the same device: which of the data set's groups an image is of; None without groups.
    """

    images: torch.Tensor
    labels: torch.Tensor
    groups: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> Split:
        """The same images and labels on another device."""
        groups = None if self.groups is None else self.groups.to(device)
        return Split(self.images.to(device), self.labels.to(device), groups)


@dataclass(frozen=True)
class ResidentData:
    """A data set that stays on one device while many trials use it; nothing ever writes to it.

    Attributes:
        name: as in the study file.
        train: the only images that weights are fitted to.
        validation: what selection sees.
        test: touched once, at the very end; without images where a faithful study leaves none.
        classes: names in the order of the labels.
        mean: per channel, what normalisation subtracts, on the scale 0 to 1. By default of the training images.
        std: per channel, what it divides by; by default of the training images, 1 for a channel that is constant.
        digest: 16 hexadecimal digits that change when any image, label or split changes.
        groups: names of the kinds of images whose accuracies are told apart; empty for most data sets.
    """

    name: str
    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: str
    groups: tuple[str, ...] = ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) of one image, or (channels, depth, height, width) of one volume."""
        return tuple(self.train.images.shape[1:])

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

    Args:
        config: which set, which sizes, which seed; `draw_split` says how it is split.
        device: where the tensors shall live.

    Raises:
        DataError: files are missing or damaged, or more images are asked for than there are.
    """
    raw = read_images(config)
    indices = draw_split(config, raw.labels.numpy(), raw.official_test, raw.siblings)
    parts = [_prepare(raw, chosen, config) for chosen in indices]
    mean, std = _normalization(config, parts[0].images)
    digest = _digest(config, parts)
    train, validation, test = (part.to(device) for part in parts)
    return ResidentData(config.name, train, validation, test, raw.classes, mean, std, digest, raw.groups)


def _prepare(raw: RawImages, indices: Indices, config: DataConfig) -> Split:
    chosen = torch.from_numpy(indices)
    images = _with_channels(raw.images[chosen], config.channels)
    size = config.image_size
    if size is not None and images.shape[2:] != (size, size):
        images = torch.cat([_resize(chunk, size) for chunk in torch.split(images, _RESIZE_CHUNK)])
    # Made from one source each, in the order of the groups.
    groups = (chosen % raw.siblings).to(torch.int8) if raw.groups else None
    return Split(images.contiguous(), raw.labels[chosen], groups)


def _with_channels(images: torch.Tensor, channels: int | None) -> torch.Tensor:
    if channels is None or channels == images.shape[1]:
        return images
    if channels == 3:
        return images.repeat(1, 3, *[1] * (images.dim() - 2))
    red, green, blue = (images[:, c : c + 1].float() * share for c, share in enumerate(_LUMA))
    return (red + green + blue).round().to(torch.uint8)


def _resize(images: torch.Tensor, size: int) -> torch.Tensor:
    scaled = torch.nn.functional.interpolate(images.float(), (size, size), mode="bilinear", antialias=True)
    return scaled.round().clamp(0, 255).to(torch.uint8)


def _normalization(config: DataConfig, images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """What is subtracted from each channel, and what it is divided by."""
    channels = images.shape[1]
    if config.normalization == "half":
        return (0.5,) * channels, (0.5,) * channels
    if config.normalization == "none":
        return (0.0,) * channels, (1.0,) * channels
    return _moments(images)


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
