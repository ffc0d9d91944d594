"""Knows every run that a study's trials have in MLflow, several of one trial too: for checks against the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlflow.entities import Run

from tunetrack.errors import TrackingError
from tunetrack.tracking.failures import translated
from tunetrack.tracking.lookups import runs_with_tags
from tunetrack.tracking.names import RunKind, RunStatus, Tag
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.values import LOG10_PREFIX, ParamValue, decode_param

__all__ = ["TrialRunRow", "delete_run", "study_status", "study_trials"]


@dataclass(frozen=True)
class TrialRunRow:
    """One run that stands for a trial.

    Attributes:
        run_id: MLflow's id.
        number: the trial's number.
        key: the tag ``trial.key``, the same for all runs of a trial.
        status: MLflow's own: RUNNING, FINISHED, FAILED, KILLED.
        state: the tag ``trial.state``; empty where it is missing.
        reason: why it was not completed.
        params: with their types, without the logarithms that are logged beside some.
        metrics: the latest value of each.
        start: when it was created.
        end: when it ended; None while it runs. A trial that is run again keeps the end that it had.
    """

    run_id: str
    number: int
    key: str
    status: str
    state: str
    reason: str
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    start: datetime
    end: datetime | None


def study_trials(store: TrackingStore, study_run_id: str) -> list[TrialRunRow]:
    """All active runs of a study's trials, by number and then by age.

    Raises:
        TrackingError: the store failed, it has no such study run, or the tags of a trial were changed by hand.
    """
    with translated(f"find the trials of the study run {study_run_id}", store.uri):
        experiment = store.client.get_run(study_run_id).info.experiment_id
        wanted = {Tag.PARENT: study_run_id, Tag.KIND: RunKind.TRIAL.value}
        rows = [_row(run) for run in runs_with_tags(store, [experiment], wanted)]
    return sorted(rows, key=lambda row: (row.number, row.start, row.run_id))


def study_status(store: TrackingStore, run_id: str) -> RunStatus:
    """MLflow's status of a study's own run.

    Raises:
        TrackingError: the store failed, or it has no such run.
    """
    with translated(f"read the run {run_id}", store.uri):
        return RunStatus(store.calls.get_run(run_id).info.status)


def delete_run(store: TrackingStore, run_id: str) -> None:
    """Mark a run as deleted; `mlflow runs restore` brings it back.

    Raises:
        TrackingError: the store failed, or it has no such run.
    """
    with translated(f"delete the run {run_id}", store.uri):
        store.calls.delete_run(run_id)


def _row(run: Run) -> TrialRunRow:
    tags, info = run.data.tags, run.info
    number = tags.get(Tag.TRIAL_NUMBER, "")
    if not number.isdigit():
        raise TrackingError(f"the tag {Tag.TRIAL_NUMBER} of run {info.run_id} is {number!r}, not a trial's number")
    params = {path: decode_param(text) for path, text in run.data.params.items() if not path.startswith(LOG10_PREFIX)}
    return TrialRunRow(
        run_id=str(info.run_id),
        number=int(number),
        key=tags.get(Tag.TRIAL_KEY, ""),
        status=str(info.status),
        state=tags.get(Tag.TRIAL_STATE, ""),
        reason=tags.get(Tag.TRIAL_REASON, ""),
        params=params,
        metrics=dict(run.data.metrics),
        start=_time(info.start_time),
        end=_time(info.end_time) if info.end_time else None,
    )


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
