"""A trial as the ledger tells it: frozen, in our own states, with real values."""

from __future__ import annotations

import enum
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from optuna.trial import FrozenTrial
from optuna.trial import TrialState as OptunaState

from tunetrack.errors import LedgerError
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.space import SearchSpace

__all__ = [
    "DEATHS",
    "KEY",
    "OUTCOME",
    "VALUES",
    "WAIT",
    "WORKER",
    "Reclaimed",
    "Ticket",
    "TrialRecord",
    "Wait",
    "WorkerRecord",
    "checked_values",
    "outcome_attribute",
    "record_of",
    "told_key",
]

#: Names of the trial attributes in which the storage keeps what Optuna has no place for.
DEATHS = "tunetrack:deaths"
KEY = "tunetrack:key"
OUTCOME = "tunetrack:outcome"
VALUES = "tunetrack:values"
WORKER = "tunetrack:worker"

_STATES: Mapping[OptunaState, TrialState] = {
    OptunaState.RUNNING: TrialState.RUNNING,
    OptunaState.COMPLETE: TrialState.COMPLETE,
    OptunaState.PRUNED: TrialState.PRUNED,
    OptunaState.FAIL: TrialState.FAILED,
    OptunaState.WAITING: TrialState.KILLED,
}


class Wait(enum.Enum):
    """What `Ledger.ask` answers when there is nothing to do now, and may be later."""

    WAIT = "wait"


WAIT = Wait.WAIT


@dataclass(frozen=True)
class Ticket:
    """A trial to be run: what `Ledger.ask` hands out and `report`, `tell` and `release` take.

    Attributes:
        number: 0 for the first trial of a study.
        values: proposed value (for categories the label) by parameter name, for the branches taken.
        config: the resolved config, for `StudySpec.config`.
        retry: whether the trial was begun before and given back.
        deaths: how many workers have died over it.
        claim: tells this handing-out of the trial from any other one.
        key: the same for trials that would train alike (`spec.config_key`); empty for one that breaks a rule.
    """

    number: int
    values: Mapping[str, Any]
    config: dict[str, Any]
    retry: bool = False
    deaths: int = 0
    claim: str = ""
    key: str = ""


@dataclass(frozen=True)
class TrialRecord:
    """What the ledger knows of a trial.

    Attributes:
        number: 0 for the first trial of a study.
        state: KILLED stands for a trial that was interrupted and waits to be run again.
        values: proposed value (for categories the label) by parameter name.
        config: the resolved config; None where not every value is there yet.
        objectives: one value an objective; None where the trial has no result that counts.
        reason: why it was not completed, in words.
        intermediate: reported value by step.
        started: when it was (last) begun, in UTC.
        finished: when it was told, in UTC; before `started` where the clock was set back in between.
        duplicate_of: number of the trial whose result was reused.
        config_key: what `tell` was given to find duplicates by.
        worker: host, pid and start time of the process that runs or ran it.
        deaths: how many workers have died over it.
        would_prune_at: epoch after which the pruner would have ended it, had it not been of the control sample.
        constraints: by how much each of the study's constraints is broken, by its text; empty where none was judged.
        violates: the broken ones in words; such a trial is never the best.
        device_seconds: time on a device that it has used; None where it was not told.
    """

    number: int
    state: TrialState
    values: Mapping[str, Any]
    config: dict[str, Any] | None
    objectives: tuple[float, ...] | None = None
    reason: str = ""
    intermediate: Mapping[int, float] | None = None
    started: datetime | None = None
    finished: datetime | None = None
    duplicate_of: int | None = None
    config_key: str | None = None
    worker: Mapping[str, Any] | None = None
    deaths: int = 0
    would_prune_at: int | None = None
    constraints: Mapping[str, float] = field(default_factory=dict)
    violates: tuple[str, ...] = ()
    device_seconds: float | None = None

    @property
    def ranked(self) -> bool:
        """Whether it may be the best: it has values, and breaks no constraint."""
        return self.objectives is not None and not self.violates

    @property
    def seconds(self) -> float | None:
        """How long it took, at least 0; None where it is not finished."""
        if self.started is None or self.finished is None:
            return None
        return max(0.0, (self.finished - self.started).total_seconds())


@dataclass(frozen=True)
class Reclaimed:
    """What became of the trials whose workers were gone.

    Attributes:
        released: numbers of those that wait to be run again.
        failed: numbers of those that have failed, because their retries are used up.
    """

    released: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()


@dataclass(frozen=True)
class Gone:
    """What is known of workers that cannot be looked at from here.

    Attributes:
        other_hosts: all workers of other hosts are gone, heard of or not.
        named: so are these, by their labels.
        wait: look twice at those that were not heard of, and wait in between; else the next call is the second look.
    """

    other_hosts: bool = False
    named: Collection[str] = ()
    wait: bool = True


@dataclass(frozen=True)
class WorkerRecord:
    """Who works on a running trial.

    Attributes:
        number: the trial's.
        host: name of the worker's host.
        pid: number of its process there.
        alive: whether that process lives; None on another host, where nobody can look.
        silent_seconds: since it was last heard of, by the database's clock and at least 0; None where it never was.
    """

    number: int
    host: str
    pid: int
    alive: bool | None
    silent_seconds: float | None


def outcome_attribute(outcome: TrialOutcome, config_key: str | None) -> dict[str, Any]:
    """What must be written beside Optuna's own state; empty where that says it all."""
    attribute: dict[str, Any] = {}
    if outcome.state in (TrialState.DUPLICATE, TrialState.INFEASIBLE):
        attribute["state"] = outcome.state.value
    if outcome.reason:
        attribute["reason"] = outcome.reason
    if outcome.duplicate_of is not None:
        attribute["duplicate_of"] = outcome.duplicate_of
    if outcome.would_prune_at is not None:
        attribute["would_prune_at"] = outcome.would_prune_at
    if config_key is not None:
        attribute["config_key"] = config_key
    if outcome.violates:
        attribute["violates"] = list(outcome.violates)
    if outcome.device_seconds is not None:
        attribute["device_seconds"] = outcome.device_seconds
    return attribute


def told_key(outcome: Mapping[str, Any]) -> str | None:
    """The key that such an attribute of a completed trial says; None where it says none, or the result was reused."""
    return None if "state" in outcome else outcome.get("config_key")


def checked_values(ticket: Ticket, outcome: TrialOutcome, wanted: int) -> tuple[float, ...] | None:
    """The objective values to be told; None for a state without.

    Raises:
        LedgerError: the state is RUNNING, or the values are not as many numbers as there are objectives.
    """
    if outcome.state is TrialState.RUNNING:
        raise LedgerError(f"trial {ticket.number} cannot be told to be running")
    if not outcome.state.has_value:
        return None
    if outcome.values is None or len(outcome.values) != wanted or any(map(math.isnan, outcome.values)):
        raise LedgerError(
            f"trial {ticket.number} needs {wanted} value(s) that are numbers to be {outcome.state}; "
            f"given: {outcome.values}. Tell it as FAILED instead"
        )
    return outcome.values


def record_of(trial: FrozenTrial, space: SearchSpace) -> TrialRecord:
    """Reads a stored trial."""
    finished = trial.state.is_finished()
    # In a storage without transactions a trial may carry the outcome of an interrupted tell.
    outcome = trial.user_attrs.get(OUTCOME, {}) if finished else {}
    values = trial.user_attrs.get(VALUES, trial.params)
    state = TrialState(outcome["state"]) if "state" in outcome else _STATES[trial.state]
    return TrialRecord(
        number=trial.number,
        state=state,
        values=dict(values),
        config=_config(values, space),
        objectives=tuple(trial.values) if state.has_value and trial.values is not None else None,
        reason=outcome.get("reason", ""),
        intermediate=dict(trial.intermediate_values),
        started=_in_utc(trial.datetime_start),
        finished=_in_utc(trial.datetime_complete),
        duplicate_of=outcome.get("duplicate_of"),
        config_key=outcome.get("config_key"),
        worker=trial.user_attrs.get(WORKER),
        deaths=len(trial.user_attrs.get(DEATHS, ())),
        would_prune_at=outcome.get("would_prune_at"),
        constraints=trial.constraints if finished else {},
        violates=tuple(outcome.get("violates", ())),
        device_seconds=outcome.get("device_seconds"),
    )


def _in_utc(local: datetime | None) -> datetime | None:
    """Optuna gives local time without zone, in which a night has an hour twice."""
    return None if local is None else local.astimezone(UTC)


def _config(values: Mapping[str, Any], space: SearchSpace) -> dict[str, Any] | None:
    try:
        return space.values(values)
    except KeyError:  # its worker has not got all values yet, or ended on the way; or the study file was changed
        return None
