"""Knows which validation images one trial gets right and another one wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

__all__ = ["Answers", "Sprite", "answers", "compare_images", "sprite"]

#: Images of each kind that are given.
MOST_IMAGES = 200
_COLUMNS = ("index", "label", "predicted")


@dataclass(frozen=True)
class Answers:
    """What a trial has answered, sorted by image: int arrays of one length.

    Attributes:
        index: position in the validation set.
        label: the true class.
        predicted: the answer.
    """

    index: NDArray[np.int64]
    label: NDArray[np.int64]
    predicted: NDArray[np.int64]


@dataclass(frozen=True)
class Sprite:
    """One picture with the first images of the validation set, row by row.

    Attributes:
        tile: width and height of an image, pixels.
        columns: images in a row.
        count: images in all.
    """

    tile: tuple[int, int]
    columns: int
    count: int


def answers(content: bytes | None) -> Answers | None:
    """From ``predictions.parquet``; None where there is none, or it is no such table."""
    if content is None:
        return None
    try:
        table = parquet.read_table(pa.BufferReader(content), columns=list(_COLUMNS))
        arrays = [np.asarray(table[name], dtype=np.int64) for name in _COLUMNS]
    except (pa.ArrowException, KeyError, TypeError, ValueError):
        return None
    order = np.argsort(arrays[0], kind="stable")
    return Answers(*(array[order] for array in arrays))


def sprite(content: bytes | None) -> Sprite | None:
    """From ``validation_images.json``; None where there is none, or it is not what was written."""
    if content is None:
        return None
    try:
        given = json.loads(content)
        tile, columns, count = given["tile"], int(given["columns"]), int(given["count"])
        width, height = int(tile[0]), int(tile[1])
    except (ValueError, TypeError, KeyError, IndexError):
        return None
    return Sprite((width, height), columns, count) if min(width, height, columns, count) > 0 else None


def compare_images(
    trials: tuple[int, int],
    given: tuple[Answers | None, Answers | None],
    classes: Sequence[str],
    picture: Sprite | None,
    url: str,
) -> dict[str, Any]:
    """Where two trials differ, image by image.

    Args:
        trials: their numbers.
        given: their answers.
        classes: names by number; may be empty.
        picture: the images, where they are stored.
        url: of the picture.
    """
    found: dict[str, Any] = {
        "reason": _reason(trials, given),
        "counts": {"both_right": 0, "only_a": 0, "only_b": 0, "both_wrong": 0},
        "classes": list(classes),
        "sprite": None,
        "only_a": [],
        "only_b": [],
    }
    a, b = given
    if found["reason"] or a is None or b is None:
        return found
    if picture is not None:
        (width, height), rows = picture.tile, -(-picture.count // picture.columns)
        size = {"width": width * picture.columns, "height": height * rows}
        found["sprite"] = {"url": url, **size, "tile": [width, height], "columns": picture.columns}
    right_a, right_b = a.predicted == a.label, b.predicted == b.label
    masks = {
        "both_right": right_a & right_b,
        "only_a": right_a & ~right_b,
        "only_b": right_b & ~right_a,
        "both_wrong": ~right_a & ~right_b,
    }
    found["counts"] = {name: int(mask.sum()) for name, mask in masks.items()}
    for name in ("only_a", "only_b"):
        found[name] = [_image(place, a, b, picture) for place in np.flatnonzero(masks[name])[:MOST_IMAGES]]
    return found


def _reason(trials: tuple[int, int], given: tuple[Answers | None, Answers | None]) -> str:
    """Why they cannot be compared; empty where they can."""
    missing = [f"trial {number}" for number, one in zip(trials, given, strict=True) if one is None]
    if missing:
        return f"no answers to single images are stored for {' and '.join(missing)}"
    a, b = given
    if a is None or b is None or len(a.index) != len(b.index) or not np.array_equal(a.index, b.index):
        return "the two trials were validated on different images"
    return "" if np.array_equal(a.label, b.label) else "the two trials were validated on different images"


def _image(place: int, a: Answers, b: Answers, picture: Sprite | None) -> dict[str, Any]:
    index = int(a.index[place])
    return {
        "index": index,
        "tile": index if picture is not None and 0 <= index < picture.count else None,
        "label": int(a.label[place]),
        "a": int(a.predicted[place]),
        "b": int(b.predicted[place]),
    }
