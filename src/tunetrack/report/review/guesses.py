"""Knows how other people's metrics and parameters are called, and says what was taken for what."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tunetrack.report.values import number
from tunetrack.tracking.queries import ParamValue

__all__ = ["MetricNames", "finest_share", "image_count", "metric_names", "parameter_count", "tests_for_validation"]

_TRAIN = frozenset({"train", "training", "tr", "fit"})
_VALIDATION = frozenset({"val", "valid", "validation", "dev", "eval", "evaluation"})
_TEST = frozenset({"test", "testing", "holdout", "heldout"})
_ACCURACY = frozenset({"acc", "accuracy", "top1"})
_LOSS = frozenset({"loss", "nll", "crossentropy", "ce", "logloss"})
_BEST = frozenset({"best", "max", "peak", "highest"})
#: Words of scores that are no plain accuracy.
_OTHER = frozenset({"balanced", "macro", "micro", "top5", "top3", "f1"})
_SIZE = frozenset({"n", "num", "size", "images", "samples", "subset", "count", "limit", "len", "examples"})
_PARAMETERS = frozenset({"params", "parameters"})
#: More images than these are not told from values that are multiples of a fraction.
_COUNTABLE = 20_000
#: How far a rounded value may be from a whole number of images to be told from others.
_CLEAR = 0.1
#: How improbable it must be that values are multiples by chance.
_CHANCE = 1e-3

Split = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class MetricNames:
    """Which metric is which.

    Attributes:
        names: their name by ours, such as ``validation/accuracy``.
        objective: the one by which runs are compared, under our name; empty where there is none.
        said: what was taken for what, in sentences.
    """

    names: Mapping[str, str]
    objective: str
    said: tuple[str, ...]


def words_of(name: str) -> frozenset[str]:
    """The words of a name: ``Loss/test`` and ``valAcc`` have two each."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return frozenset(word for word in re.split(r"[^a-z0-9]+", parted.lower()) if word)


def metric_names(metrics: Iterable[str]) -> MetricNames:
    """Guesses what metrics are, by their names.

    A name without a split is a training metric where a held-out one of the same kind is beside it, as Keras names them,
    and a held-out one where it stands alone.

    Args:
        metrics: all names that the runs have.
    """
    known = sorted(set(metrics), key=lambda name: (len(name), name))
    found: dict[str, str] = {}
    bare: dict[str, str] = {}
    for name in known:
        words = words_of(name)
        kind = "accuracy" if words & _ACCURACY else "loss" if words & _LOSS else None
        if kind is None or words & _OTHER:
            continue
        split = _split(words)
        if split is None:
            bare.setdefault(kind, name)
        elif kind == "accuracy" and words & _BEST:
            found.setdefault(f"best/{split}/{kind}", name)
        else:
            found.setdefault(f"{split}/{kind}", name)
    held: Split = "test" if _any(found, "test") and not _any(found, "validation") else "validation"
    for kind, name in bare.items():
        beside = f"{held}/{kind}" in found
        found.setdefault(f"train/{kind}" if beside else f"{held}/{kind}", name)
    order = ("best/validation/accuracy", "best/test/accuracy", *(f"{held}/{kind}" for kind in ("accuracy", "loss")))
    objective = next((name for name in order if name in found), "")
    said = tuple(f"{ours} is the metric {name!r}." for ours, name in sorted(found.items()) if ours != name)
    if objective:
        way = "low" if objective.endswith("loss") else "high"
        said = (f"Runs are compared by {found[objective]!r}, {way} is good.", *said)
    return MetricNames(found, objective, said)


def _split(words: frozenset[str]) -> Split | None:
    if words & _VALIDATION:
        return "validation"
    if words & _TEST:
        return "test"
    return "train" if words & _TRAIN else None


def _any(found: Mapping[str, str], split: str) -> bool:
    return any(name.removeprefix("best/").startswith(f"{split}/") for name in found)


def image_count(params: Mapping[str, ParamValue], split: str) -> tuple[int, str] | None:
    """The parameter that says how many images are held out, and its value; None where there is none."""
    wanted = _TEST if split == "test" else _VALIDATION
    for path, value in params.items():
        words, size = words_of(path), number(value)
        if words & wanted and words & _SIZE and size is not None and size >= 2 and size == int(size):
            return int(size), path
    return None


def tests_for_validation(params: Iterable[str]) -> str | None:
    """The parameter that sizes a test set, where none sizes a validation set, so that one may stand for the other."""
    sized = [path for path in params if words_of(path) & _SIZE]
    if any(words_of(path) & _VALIDATION for path in sized):
        return None
    return next((path for path in sized if words_of(path) & _TEST), None)


def parameter_count(values: Mapping[str, object]) -> float | None:
    """The number of the model's parameters, where a metric or parameter of that name is logged."""
    for path, value in values.items():
        size = number(value)
        words = words_of(path)
        if size is not None and size >= 1 and words & _PARAMETERS and words <= _PARAMETERS | _SIZE | {
            "model", "total", "trainable", "of"
        }:  # fmt: skip
            return size
    return None


def finest_share(values: Sequence[float]) -> int | None:
    """The number of images of which all these accuracies are whole shares, such as 30 for 0.9333 and 0.9667.

    The smallest number n of images for which every value is a multiple of 1/n, within the digits that the values have,
    and for which that is no accident: n values of arbitrary size would all be multiples with a probability below 0.001.

    Args:
        values: fractions in [0, 1].
    """
    inner = sorted({value for value in values if 0.0 < value < 1.0})
    if len(inner) < 2:
        return None
    half = min(map(_half_digit, inner))  # all are written alike; some end early by themselves
    for images in range(2, min(_COUNTABLE, int(_CLEAR / half)) + 1):
        if all(abs(value * images - round(value * images)) <= 1.01 * half * images for value in inner):
            return images if (2.0 * half * images) ** len(inner) < _CHANCE else None
    return None


def _half_digit(value: float) -> float:
    """Half of the last digit that a value was rounded to; 1e-7 where it was not rounded."""
    for digits in range(2, 7):
        if math.isclose(value, round(value, digits), rel_tol=0.0, abs_tol=1e-12):
            return 0.5 * 10.0**-digits
    return 1e-7
