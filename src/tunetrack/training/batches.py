"""Knows how bytes become what the model sees: choice of images, augmentation, normalisation, batched on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from tunetrack.spec.config import AugmentConfig, DataConfig
from tunetrack.training.augmentation import Changes, draw_changes
from tunetrack.training.data import ResidentData, Split
from tunetrack.training.layout import channels_last

__all__ = ["Normaliser", "evaluation_batches", "evaluation_size", "training_batches", "validation_changes"]

#: Images per batch where no gradient is kept. Measured on one Zen 5 core (64 filters, 28x28, bf16, images per second):
#: 64: 12400, 128: 13400, 256: 12500, 512: 6300, 1024: 3200, since larger maps fall out of the cache and are mapped
#: afresh by malloc each time. A GPU wants more work at a time.
_EVALUATION_BATCH = {"cpu": 128}
_EVALUATION_BATCH_ELSEWHERE = 2048
#: Keeps the validation images' changes apart from the split, which is drawn by the same seed.
_VALIDATION_STREAM = 1


class Normaliser:
    """From uint8 images to float32 as the data set's mean and deviation say, channels last.

    Measured on one Zen 5 core: no other order of conversion, scaling and layout is faster, nor is, from batches of 64
    on, doing it for many batches at once. Gathering and normalising 64 images of 28x28 takes 50 us; images kept as
    float32 would halve that, for four times the memory.
    """

    def __init__(self, data: ResidentData) -> None:
        shape = (1, -1, *[1] * (data.train.images.dim() - 2))
        mean = torch.tensor(data.mean, dtype=torch.float64, device="cpu").view(shape)
        std = torch.tensor(data.std, dtype=torch.float64, device="cpu").view(shape)
        # (x / 255 - mean) / std as one multiplication and one addition
        self._scale = (1.0 / (255.0 * std)).float().to(data.device)
        self._shift = (-mean / std).float().to(data.device)

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Normalise.

        Args:
            images: (n, c, h, w) or (n, c, d, h, w), any type, values 0 to 255.

        Returns:
            float32, the same shape, channels last.
        """
        return channels_last(torch.addcmul(self._shift, images.float(), self._scale))


def training_batches(
    split: Split,
    batch_size: int,
    order: torch.Generator,
    augment: AugmentConfig | None,
    augmentation: torch.Generator,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One pass over a split in random order; the last batch may be smaller.

    All random numbers of the epoch are drawn at once, so that a batch costs a few operations on the device.

    Yields:
        images (n, c, h, w) or (n, c, d, h, w), uint8, or float32 on the same scale where augmented; labels int64 (n,).
    """
    device = split.images.device
    permutation = torch.randperm(len(split), generator=order).to(device)
    changes = None if augment is None else draw_changes(augment, len(split), augmentation).to(device)
    for number, chosen in enumerate(torch.split(permutation, batch_size)):
        images = split.images.index_select(0, chosen)
        if changes is not None:
            images = changes.apply(images, number * batch_size)
        yield images, split.labels.index_select(0, chosen)


def evaluation_size(split: Split) -> int:
    """Images at a time that are best where no gradient is kept; at most those that there are."""
    return min(len(split), _EVALUATION_BATCH.get(split.images.device.type, _EVALUATION_BATCH_ELSEWHERE))


def evaluation_batches(
    split: Split, changes: Changes | None = None, size: int | None = None
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """The images of a split in their order, in large batches.

    Args:
        split: at least one image.
        changes: random changes to these images, as `validation_changes` gives them; None leaves them as they are.
        size: images at a time; default: `evaluation_size`.

    Yields:
        images (n, c, h, w) or (n, c, d, h, w), uint8, or float32 on the same scale where changed; labels int64 (n,).
    """
    size = size or evaluation_size(split)
    pairs = zip(torch.split(split.images, size), torch.split(split.labels, size), strict=True)
    for number, (images, labels) in enumerate(pairs):
        yield images if changes is None else changes.apply(images, number * size), labels


def validation_changes(config: DataConfig, count: int, device: torch.device) -> Changes | None:
    """The changes to the validation images; None where they are left alone, as they should be.

    They come from a stream of their own, which starts afresh from `data.seed` each time: the same image is changed in
    the same way after every epoch and in every trial, and stored weights give the same numbers again.
    """
    if config.augment is None or not config.augment.validation:
        return None
    seed = int(np.random.SeedSequence([config.seed, _VALIDATION_STREAM]).generate_state(1)[0])
    return draw_changes(config.augment, count, torch.Generator().manual_seed(seed)).to(device)
