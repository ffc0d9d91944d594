"""Compares the two records of a study, ledger and MLflow, and says where they differ.

The ledger decides what is proposed next, MLflow is what people look at. Both say how each trial ended, with which
parameters and values; whatever dies, they must say the same in the end.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tunetrack.errors import InfeasibleConfigError
from tunetrack.ledger import TrialRecord, is_dead
from tunetrack.spec import Objective, StudySpec, TrialState, flatten, trial_params
from tunetrack.tracking import RUN_STATUS, RunStatus, TrialRunRow, as_stored, objective_metric

__all__ = ["Difference", "Kind", "differences", "expected_params"]


class Kind(enum.StrEnum):
    """What may be wrong between ledger and MLflow."""

    ABANDONED = "abandoned"
    NO_RUN = "no run"
    NO_TRIAL = "no trial"
    SEVERAL_RUNS = "several runs"
    STATE = "state"
    PARAMS = "parameters"
    VALUES = "values"
    STUDY = "study"


@dataclass(frozen=True)
class Difference:
    """One thing in which ledger and MLflow do not agree.

    Attributes:
        kind: what it is.
        text: a sentence with both sides.
        trial: its number; None for the study itself.
        run_id: the run in question; None where there is none.
    """

    kind: Kind
    text: str
    trial: int | None = None
    run_id: str | None = None

    def document(self) -> dict[str, Any]:
        """The difference as JSON-ready data."""
        return {"kind": self.kind.value, "trial": self.trial, "run_id": self.run_id, "text": self.text}


def differences(
    spec: StudySpec, records: Sequence[TrialRecord], rows: Iterable[TrialRunRow], changed: bool = False
) -> tuple[Difference, ...]:
    """Everything about the trials in which ledger and MLflow differ.

    A trial that a living worker is busy with is left out: what it has just told the one is on its way to the other.

    Args:
        spec: the study.
        records: its trials in the ledger.
        rows: its trials' runs in MLflow, all of them.
        changed: whether the study file was changed on the way; parameters that are not searched are then left out.
    """
    runs: dict[int, list[TrialRunRow]] = {}
    for row in rows:
        runs.setdefault(row.number, []).append(row)
    found: list[Difference] = []
    for record in records:
        own = runs.pop(record.number, [])
        if _is_busy(record):
            continue
        if len(own) > 1:
            text = f"trial {record.number} has {len(own)} runs in MLflow: {', '.join(row.run_id for row in own)}"
            found.append(Difference(Kind.SEVERAL_RUNS, text, record.number))
        for row in own[:1]:
            found += _of_trial(spec, record, row, changed)
        if not own and record.state not in (TrialState.KILLED, TrialState.RUNNING):
            text = f"trial {record.number} is {record.state} in the ledger and has no run in MLflow"
            found.append(Difference(Kind.NO_RUN, text, record.number))
        elif not own and record.state is TrialState.RUNNING:
            text = f"trial {record.number} is RUNNING in the ledger, and its worker is gone"
            found.append(Difference(Kind.ABANDONED, text, record.number))
    for number, left in runs.items():
        for row in left:
            text = f"the run {row.run_id} says that it is trial {number}, which the ledger does not have"
            found.append(Difference(Kind.NO_TRIAL, text, number, row.run_id))
    return tuple(found)


def expected_params(spec: StudySpec, record: TrialRecord, searched_only: bool = False) -> dict[str, Any]:
    """The parameters that a trial's run has, from what the ledger knows; none where it never began."""
    if record.config is None:
        return {}
    stated = flatten(record.config, spec.searched_paths)
    if searched_only:
        return {path: stated[path] for path in spec.searched_paths if path in stated}
    try:
        return dict(trial_params(spec.config(record.config), spec.searched_paths))
    except InfeasibleConfigError:
        return dict(stated)


def _is_busy(record: TrialRecord) -> bool:
    return record.state is TrialState.RUNNING and record.worker is not None and not is_dead(record.worker)


def _of_trial(spec: StudySpec, record: TrialRecord, row: TrialRunRow, changed: bool) -> list[Difference]:
    number = record.number
    if record.state is TrialState.RUNNING:
        text = f"trial {number} is RUNNING in the ledger and {row.status} in MLflow, and its worker is gone"
        return [Difference(Kind.ABANDONED, text, number, row.run_id)]
    found = []
    here = (record.state.value, RUN_STATUS[record.state].value)
    there = (row.state, row.status)
    if here != there or (record.reason != row.reason and record.state is not TrialState.KILLED):
        kind = Kind.ABANDONED if row.status == RunStatus.RUNNING else Kind.STATE
        text = (
            f"trial {number} is {_words(here[0], record.reason)} in the ledger, and {_words(row.state, row.reason)} "
            f"with status {row.status} in MLflow"
        )
        found.append(Difference(kind, text, number, row.run_id))
    wanted = expected_params(spec, record, searched_only=changed)
    if wrong := _wrong_params(wanted, row.params):
        found.append(Difference(Kind.PARAMS, f"trial {number}: {'; '.join(wrong[:4])}", number, row.run_id))
    if record.objectives is not None and (wrong := _wrong_values(spec.objectives, record.objectives, row.metrics)):
        found.append(Difference(Kind.VALUES, f"trial {number}: {'; '.join(wrong)}", number, row.run_id))
    return found


def _words(state: str, reason: str) -> str:
    return f"{state} ({reason})" if reason else state


def _wrong_params(wanted: Mapping[str, Any], logged: Mapping[str, Any]) -> list[str]:
    wrong = [f"{path} is missing in MLflow" for path in wanted if path not in logged]
    return wrong + [
        f"{path} is {value} in the ledger and {logged[path]} in MLflow"
        for path, value in wanted.items()
        if path in logged and as_stored(value) != logged[path]
    ]


def _wrong_values(objectives: Sequence[Objective], values: Sequence[float], metrics: Mapping[str, float]) -> list[str]:
    names = [objective_metric(str(objective.metric), len(objectives)) for objective in objectives]
    return [
        f"{name} is {value:.6g} in the ledger and {metrics.get(name, 'missing')} in MLflow"
        for name, value in zip(names, values, strict=True)
        if metrics.get(name) != value
    ]
