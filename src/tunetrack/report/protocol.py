"""Knows how a study measured: its images and what decides among them, seeds, epochs, what was searched and by whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunetrack.report.values import label, number
from tunetrack.tracking.queries import StudyTable

__all__ = ["ProtocolInfo", "protocol_info"]

#: What is said of every study, where its trials have it: words and dotted path.
_SETTINGS = (
    ("data set", "data.name"),
    ("image size", "data.image_size"),
    ("pixel values", "data.normalization"),
    ("model", "model.name"),
    ("optimizer", "optimizer.name"),
    ("learning rate", "optimizer.lr"),
    ("schedule", "schedule.name"),
    ("epochs", "trainer.epochs"),
    ("steps per epoch", "trainer.steps_per_epoch"),
    ("batch size", "trainer.batch_size"),
    ("precision", "trainer.precision"),
    ("deterministic", "trainer.deterministic"),
    ("seed of the split", "data.seed"),
    ("seed of weights, order and augmentation", "trainer.seed"),
    ("repetitions", "trainer.repeat"),
)
_LISTED = 6


@dataclass(frozen=True)
class ProtocolInfo:
    """How the numbers came about.

    Attributes:
        validation: what the validation images are, as a sentence.
        faithful: whether selection looks at official test images; None where trials differ.
        images: number of images by data context (``training``, ``validation``, ``test``).
        settings: (words, value) of what every reader asks for; a value that differs by trial is a short list.
        search: (words, value): objectives, sampler, pruner, budget.
    """

    validation: str
    faithful: bool | None
    images: Mapping[str, int]
    settings: tuple[tuple[str, str], ...]
    search: tuple[tuple[str, str], ...]


def protocol_info(table: StudyTable, document: Mapping[str, Any], images: Mapping[str, int]) -> ProtocolInfo:
    """How a study measured, from its trials' stored parameters and its stored study file.

    Args:
        table: the study.
        document: the study file; may be empty.
        images: number of images by data context.
    """
    faithful = {bool(trial.trained_with.get("data.faithful", False)) for trial in table.trials}
    same = next(iter(faithful)) if len(faithful) == 1 else None if faithful else False
    found = [(words, _values(table, path)) for words, path in _SETTINGS]
    settings = tuple((words, _text(values)) for words, values in found if values)
    return ProtocolInfo(_validation(table, same), same, dict(images), settings, tuple(_search(table, document)))


def _validation(table: StudyTable, faithful: bool | None) -> str:
    if faithful is None:
        words = "Some trials chose on official test images and some did not: their accuracies cannot be compared."
    elif faithful:
        words = (
            "Faithful to the original: the validation images are the first ones of the official test set, so selection "
            "and the reported accuracies use the same images, and the best epoch of the best trial is an optimistic "
            "number."
        )
    else:
        words = "The validation images are none of the test images; selection sees the validation images alone."
    if any(trial.trained_with.get("data.augment.validation") is True for trial in table.trials):
        words += " The validation images are augmented, too."
    return words


def _values(table: StudyTable, path: str) -> list[Any]:
    trained = [trial.trained_with for trial in table.trials]
    known = {label(params[path]): params[path] for params in trained if path in params}
    return sorted(known.values(), key=lambda value: (number(value) is None, number(value) or 0.0, label(value)))


def _text(values: Sequence[Any]) -> str:
    if len(values) <= _LISTED:
        return ", ".join(map(label, values))
    return f"{len(values)} values from {label(values[0])} to {label(values[-1])}"


def _search(table: StudyTable, document: Mapping[str, Any]) -> list[tuple[str, str]]:
    goals = table.study.info.objectives
    found = [("objective", ", ".join(f"{'maximize' if g.maximize else 'minimize'} {g.metric}" for g in goals))]
    sampler = {"engine": "optuna", "name": "tpe", "seed": 0} | _section(document, "sampler")
    found.append(("sampler", f"{sampler['engine']} {sampler['name']}, seed {sampler['seed']}"))
    pruner = _section(document, "pruner").get("name", "none")
    if pruner != "none":
        found.append(("pruner", str(pruner)))
    budget = {"trials": 20} if "budget" not in document else _section(document, "budget")
    words = {"trials": "trials", "seconds": "seconds"}
    limits = [f"{budget[key]} {unit}" for key, unit in words.items() if budget.get(key) is not None]
    return [*found, ("budget", ", ".join(limits))]


def _section(document: Mapping[str, Any], key: str) -> dict[str, Any]:
    given = document.get(key)
    return dict(given) if isinstance(given, Mapping) else {}
