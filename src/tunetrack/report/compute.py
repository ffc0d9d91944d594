"""Knows what a study took: trials, seconds, the machine, and how fast it was."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median

from tunetrack.report.states import states_info
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable

__all__ = ["ComputeInfo", "compute_info"]

_MACHINE = "tunetrack.machine"


@dataclass(frozen=True)
class ComputeInfo:
    """The cost of a study.

    Attributes:
        trials: number of trials in any state.
        seconds: training and validation of all trials together.
        wall: from the study's start to its end, pauses between its parts included, seconds; None while it runs.
        machine: device, threads and versions, as stored when it ran; empty where it was not stored.
        images_per_second: median over COMPLETE trials of the training images a second; None where not stored.
    """

    trials: int
    seconds: float
    wall: float | None
    machine: str
    images_per_second: float | None


def compute_info(table: StudyTable) -> ComputeInfo:
    """What the study took, from its stored runs."""
    study = table.study
    wall = None if study.end is None else (study.end - study.start).total_seconds()
    speeds = [
        trial.metrics["images_per_second"]
        for trial in table.trials
        if trial.state is TrialState.COMPLETE and math.isfinite(trial.metrics.get("images_per_second", math.nan))
    ]
    states = states_info(table)
    speed = median(speeds) if speeds else None
    return ComputeInfo(states.trials, states.seconds, wall, study.tags.get(_MACHINE, ""), speed)
