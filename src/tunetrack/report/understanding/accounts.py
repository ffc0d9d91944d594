"""Knows what a study has cost, by state, in seconds and in assumed energy, and what its last small gains have cost."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tunetrack.report.values import score, seconds_of
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import StudyTable, TrialRow

__all__ = [
    "WATTS",
    "WATTS_SOURCE",
    "WATTS_TAG",
    "AccountRow",
    "AccountsInfo",
    "ReachRow",
    "accounts_info",
    "given_watts",
    "watts_of",
]

#: Power that is assumed while a trial trains, watts: of a CPU thread, which is taken for a core, and of a GPU.
WATTS = {"cpu": 12.0, "cuda": 200.0}
#: Where the two come from: about what a core and a card draw on average in its tables of processors.
WATTS_SOURCE = "Lannelongue, Grealey & Inouye 2021, Green Algorithms, doi:10.1002/advs.202100707"
#: Tag by which whoever knows better says on a study's run how many watts are drawn while one trial trains.
WATTS_TAG = "tunetrack.watts"

#: Distances from the best: of an accuracy as a fraction, of any other objective as a share of the best.
_WITHIN = (0.05, 0.01, 0.005, 0.001, 0.0)
_KWH = 3.6e6  # watt seconds


@dataclass(frozen=True)
class AccountRow:
    """All trials of one state.

    Attributes:
        state: which.
        trials: number of trials.
        seconds: for which they have held a device.
        kwh: energy of them, estimated; None where the device of one of them has no assumed power.
        unknown: how many of them have no known cost.
    """

    state: TrialState
    trials: int
    seconds: float
    kwh: float | None
    unknown: int


@dataclass(frozen=True)
class ReachRow:
    """What it took to come near the best.

    Attributes:
        within: distance from the best, in units of the objective; 0: the best itself.
        trial: the first trial, in the order in which they ended, that was as near.
        seconds: device seconds of all trials that had ended by then, this one included.
        after: device seconds that were spent after it.
    """

    within: float
    trial: int
    seconds: float
    after: float


@dataclass(frozen=True)
class AccountsInfo:
    """The accounts of a study.

    Attributes:
        rows: one a state that occurs.
        seconds: device seconds of all trials; `TrialRow.seconds`.
        wall: seconds from the study's start to its end, or to its last trial's; None where no trial has ended.
        kwh: estimated energy of all trials; None where some device has no assumed power.
        devices: device seconds by what trials were trained on, such as ``2 threads of a CPU``.
        reach: from far to near; empty for several objectives, and where nothing finished.
        watts: what `WATTS_TAG` says; None where it is not there, or no number above 0.
        workers: processes that have trained, as far as that was logged.
        open: seconds for which the workers' first and last moments stand apart, summed; None where they are not known.
    """

    rows: tuple[AccountRow, ...]
    seconds: float
    wall: float | None
    kwh: float | None
    devices: tuple[tuple[str, float], ...]
    reach: tuple[ReachRow, ...]
    watts: float | None
    workers: int
    open: float | None

    @property
    def idle(self) -> float | None:
        """Share of the workers' time in which no trial held a device, below 0 where the accounts do not add up."""
        return None if not self.open else 1.0 - self.seconds / self.open


def given_watts(table: StudyTable) -> float | None:
    """What the study's tag says, watts; None where it says nothing, or no number above 0."""
    try:
        given = float(table.study.tags.get(WATTS_TAG, ""))
    except ValueError:
        return None
    return given if math.isfinite(given) and given > 0 else None


def watts_of(trial: TrialRow, given: float | None = None) -> float | None:
    """The power that is assumed while this trial trains, watts; None where its device is not known.

    Args:
        trial: any.
        given: what the study's tag says; it counts for all devices.
    """
    if given is not None:
        return given
    if trial.device == "cpu":
        return None if trial.threads is None else WATTS["cpu"] * trial.threads
    return WATTS.get(trial.device)


def accounts_info(table: StudyTable) -> AccountsInfo:
    """What the trials have cost.

    Args:
        table: the study, finished or not.
    """
    rows, watts = [], given_watts(table)
    for state in TrialState:
        own = [trial for trial in table.trials if trial.state is state]
        if own:
            costs = [seconds_of(trial) for trial in own]
            spent = sum(cost or 0.0 for cost in costs)
            rows.append(AccountRow(state, len(own), spent, _energy(own, watts), costs.count(None)))
    devices: dict[str, float] = {}
    for trial in table.trials:
        if cost := seconds_of(trial):
            devices[_device(trial)] = devices.get(_device(trial), 0.0) + cost
    ends = [trial.end for trial in table.trials if trial.end is not None]
    end = table.study.end or max(ends, default=None)
    workers, opened = _workers(table)
    return AccountsInfo(
        tuple(rows),
        sum(row.seconds for row in rows),
        None if end is None else max(0.0, (end - table.study.start).total_seconds()),
        _energy(table.trials, watts),
        tuple(sorted(devices.items(), key=lambda one: -one[1])),
        _reach(table),
        watts,
        workers,
        opened,
    )


def _energy(trials: Sequence[TrialRow], given: float | None) -> float | None:
    """Kilowatt hours: seconds times the assumed power. A trial that has cost nothing needs none."""
    total = 0.0
    for trial in trials:
        seconds, watts = seconds_of(trial) or 0.0, watts_of(trial, given)
        if watts is None and trial.metrics.get("train_seconds"):
            return None
        total += seconds * (watts or 0.0)
    return total / _KWH


def _device(trial: TrialRow) -> str:
    names = {"cpu": "a CPU", "cuda": "a GPU", "": "a device that was not logged"}
    name = names.get(trial.device, trial.device)
    if trial.device != "cpu" or trial.threads is None:
        return name
    return f"{trial.threads} thread{'' if trial.threads == 1 else 's'} of {name}"


def _reach(table: StudyTable) -> tuple[ReachRow, ...]:
    goals = table.study.info.objectives
    ended = sorted((one for one in table.trials if one.end is not None), key=lambda one: (_end(one), one.number))
    values = {one.number: score(one) for one in ended if one.state is TrialState.COMPLETE and not one.violates}
    known = [value for value in values.values() if value is not None]
    if len(goals) > 1 or not known:
        return ()
    best = max(known) if goals[0].maximize else min(known)
    unit = 1.0 if goals[0].metric.endswith("accuracy") else abs(best)
    spent = list(itertools.accumulate(seconds_of(one) or 0.0 for one in ended))
    total, found = sum(seconds_of(one) or 0.0 for one in table.trials), []
    for within in (share * unit for share in _WITHIN):
        for one, seconds in zip(ended, spent, strict=True):
            value = values.get(one.number)
            if value is not None and abs(best - value) <= within * (1 + 1e-9):
                found.append(ReachRow(within, one.number, seconds, max(0.0, total - seconds)))
                break
    return tuple(found)


def _end(trial: TrialRow) -> datetime:
    return trial.end or trial.start


def _workers(table: StudyTable) -> tuple[int, float | None]:
    """How many have trained, and how long each was there, from the start of its first trial to the end of its last."""
    spans: dict[str, list[datetime]] = {}
    for trial in table.trials:
        if trial.worker and trial.end is not None:
            spans.setdefault(trial.worker, []).extend((trial.start, trial.end))
    whole = all(trial.worker for trial in table.trials if trial.end is not None)
    total = sum((max(moments) - min(moments)).total_seconds() for moments in spans.values())
    return len(spans), total if spans and whole else None
