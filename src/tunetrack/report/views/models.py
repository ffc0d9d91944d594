"""Knows the model of a trial as plain data: its numbers and its layers, from the file that the trial has left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tunetrack.report.views.plain import finite
from tunetrack.tracking.queries import TrialRow

__all__ = ["compare_models", "model_payload"]

_NUMBERS = ("parameters", "flops")


def model_payload(trial: TrialRow, content: bytes | None) -> dict[str, Any] | None:
    """A trial's model: ``parameters`` and ``flops``, and ``layers`` as (name, kind, output shape, parameters).

    Args:
        trial: its metrics have the numbers, too.
        content: of ``model.json``; None where there is none, as in trials of older versions. What is no such file
            counts as none.

    Returns:
        None where nothing is known of the model; `layers` is None where the layers are not.
    """
    stored = _stored(content)
    found = {name: stored.get(name, finite(trial.metrics.get(f"model/{name}"))) for name in _NUMBERS}
    whole = {name: None if value is None else round(value) for name, value in found.items()}
    layers = stored.get("layers")
    return None if whole["parameters"] is None and layers is None else {"layers": layers, **whole}


def compare_models(trials: Sequence[TrialRow], contents: Mapping[int, bytes | None]) -> dict[str, Any]:
    """The models of trials, by number.

    Args:
        trials: those that are compared.
        contents: of ``model.json`` by trial number.
    """
    return {"trials": {str(trial.number): model_payload(trial, contents[trial.number]) for trial in trials}}


def _stored(content: bytes | None) -> dict[str, Any]:
    """The numbers and layers of the file; empty where it is none, or somebody else's of this name."""
    try:
        file = json.loads(content or b"null")
        rows = file["layers"]
        layers = [[str(name), str(kind), [int(n) for n in shape], int(own)] for name, kind, shape, own in rows]
        return {"layers": layers, **{name: int(file[name]) for name in _NUMBERS}}
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return {}
