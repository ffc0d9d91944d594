"""Knows which images are for training, which for selection, and which are kept for the very end."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from tunetrack.errors import DataError
from tunetrack.spec.config import DataConfig

__all__ = ["draw_split", "proportional_order"]

Indices: TypeAlias = npt.NDArray[np.int64]


def draw_split(config: DataConfig, labels: Indices, official_test: int, siblings: int = 1) -> tuple[Indices, ...]:
    """Indices of the training, validation and test images.

    The official test set is the test split where there is one. Everything else is drawn by `config.seed`, in
    proportion to the classes. The order of drawing is test, validation, training, so that asking for fewer training
    images changes neither of the other two. `config.faithful` draws nothing: see `_in_file_order`.

    Args:
        config: sizes, seed and protocol. Missing sizes: one image in six for validation; the official test set, or
            one image in six, for testing; all that are left for training.
        labels: one an image, in the order of the files; where there is an official test set, its images come last.
        official_test: how many of the last images are the official test set; 0 where there is none.
        siblings: so many images in a row were made from one source, and stay in the same split. Divides the number of
            images, that of the official test set and all sizes.

    Raises:
        DataError: more images are asked for than there are.
    """
    draw = _in_file_order if config.faithful else _drawn
    sources = draw(config, labels[::siblings], official_test // siblings, siblings)
    return tuple((part[:, None] * siblings + np.arange(siblings)).ravel() for part in sources)


def _sizes(config: DataConfig, siblings: int) -> tuple[int | None, int | None, int | None]:
    train, validation, test = (
        None if size is None else size // siblings for size in (config.train, config.validation, config.test)
    )
    return train, validation, test


def _drawn(config: DataConfig, labels: Indices, official_test: int, siblings: int) -> tuple[Indices, ...]:
    train, validation, test = _sizes(config, siblings)
    rng = np.random.default_rng(config.seed)
    pool = np.arange(len(labels) - official_test)
    sixth = max(1, len(pool) // 6)
    validation = validation or sixth
    mixed = pool[proportional_order(labels[pool], rng)]
    if official_test:
        chosen = np.arange(len(pool), len(labels))
        if test is not None:
            _check(config, {"test": test}, (official_test, siblings, "in the official test set"))
            chosen = chosen[proportional_order(labels[chosen], rng)][:test]
        wanted = {"train": train or 1, "validation": validation}
        _check(config, wanted, (len(pool), siblings, "besides the official test set"))
    else:
        wanted = {"train": train or 1, "validation": validation, "test": test or sixth}
        _check(config, wanted, (len(pool), siblings, "in all"))
        chosen, mixed = mixed[: wanted["test"]], mixed[wanted["test"] :]
    return mixed[validation:][:train], mixed[:validation], chosen


def _in_file_order(config: DataConfig, labels: Indices, official_test: int, siblings: int) -> tuple[Indices, ...]:
    """The protocol of published experiments, which select on the official test set.

    Training: the first images of the official training set, default all. Validation: the first images of the official
    test set, default all that `config.test` leaves. Test: those that follow, default all; none where validation takes
    the whole set.
    """
    train, validation, test = _sizes(config, siblings)
    first = len(labels) - official_test
    _check(config, {"train": train or 1}, (first, siblings, "besides the official test set"))
    wanted = {"validation": validation or 1, "test": test or 0}
    _check(config, wanted, (official_test, siblings, "in the official test set"))
    held_out = first + (official_test - (test or 0) if validation is None else validation)
    end = len(labels) if test is None else held_out + test
    return np.arange(first)[:train], np.arange(first, held_out), np.arange(held_out, end)


def proportional_order(labels: Indices, rng: np.random.Generator) -> Indices:
    """A random order in which every stretch holds the classes in proportion, to within one image or two a class."""
    place = np.empty(len(labels))
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        place[members] = (np.arange(len(members)) + rng.random()) / len(members)
    return np.argsort(place, kind="stable").astype(np.int64)


def _check(config: DataConfig, wanted: dict[str, int], available: tuple[int, int, str]) -> None:
    """Raises where more is wanted than is available: a number of sources, images a source, and where they are."""
    sources, siblings, where = available
    total = sum(wanted.values())
    if total > sources:
        parts = " + ".join(f"{split} {count * siblings}" for split, count in wanted.items())
        raise DataError(
            f"data set {config.name} has {sources * siblings} images {where}, but {parts} = {total * siblings} are "
            f"asked for. Lower {' or '.join(f'data.{split}' for split in wanted)}."
        )
