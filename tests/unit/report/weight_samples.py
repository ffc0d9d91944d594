"""Trials of random walks as the comparison of weights reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from report_samples import trial

from tunetrack.report.weights.trials import ComparedTrial, compared_trial
from tunetrack.spec.records import EpochRecord
from weight_frames import frame_of
from weight_support import Walk, walked_trial


def walked(
    number: int = 0,
    walk: Walk | None = None,
    params: Mapping[str, Any] | None = None,
    health: Mapping[str, str] | None = None,
) -> ComparedTrial:
    """A trial that walks at random."""
    return of_epochs(number, walked_trial(walk or Walk()), params, health)


def of_epochs(
    number: int,
    epochs: list[EpochRecord],
    params: Mapping[str, Any] | None = None,
    health: Mapping[str, str] | None = None,
) -> ComparedTrial:
    row = trial(number, 0.9, params=dict(params or {}), metrics=epochs[-1].metrics(), health=health)
    return compared_trial(row, frame_of(epochs))
