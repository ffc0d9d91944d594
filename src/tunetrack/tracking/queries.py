"""Knows how to read studies, trials and their curves back from MLflow as frozen tables; it never writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

import pandas as pd
from mlflow.entities import Run

from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialState
from tunetrack.tracking.failures import translated
from tunetrack.tracking.lookups import RUNS_PAGE, read_artifact, runs_with_tags
from tunetrack.tracking.names import HEALTHY, File, RunKind, StudyState, Tag
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.study_info import StudyInfo, info_from_tags
from tunetrack.tracking.values import LOG10_PREFIX, ParamValue, decode_param
from tunetrack.tracking.weight_table import weight_frame

__all__ = [
    "ParamValue",
    "StudyRow",
    "StudyTable",
    "TrackingStore",
    "TrialRow",
    "image_counts",
    "list_studies",
    "read_history",
    "read_study",
    "read_weight_stats",
    "study_file",
]

State = TypeVar("State", StudyState, TrialState)


@dataclass(frozen=True)
class StudyRow:
    """One study's parent run.

    Attributes:
        info: name, what is searched, objectives; the document is empty here (`study_file`).
        state: where it stands.
        run_id, experiment_id: MLflow's ids.
        experiment: the experiment's name.
        start, end: UTC; `end` is None while it runs.
        tags: all of the run's tags.
    """

    info: StudyInfo
    state: StudyState
    run_id: str
    experiment_id: str
    experiment: str
    start: datetime
    end: datetime | None
    tags: Mapping[str, str] = field(repr=False, default_factory=dict)


@dataclass(frozen=True)
class TrialRow:
    """One trial.

    Attributes:
        number: from 0.
        state: where it stands; RUNNING also where its process was killed and nobody has noticed.
        reason: why it was not completed, in words.
        run_id: MLflow's id.
        params: value by dotted path, with the type that was logged.
        metrics: latest value by name.
        values: one value an objective; None where the trial has no result.
        duplicate_of: number of the trial whose result was reused.
        start, end: UTC; `end` is None while it runs.
        health: what was found in its weights, a sentence a rule; empty where nothing was, None where it was not judged.
    """

    number: int
    state: TrialState
    reason: str
    run_id: str
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    values: tuple[float, ...] | None
    duplicate_of: int | None
    start: datetime
    end: datetime | None
    health: Mapping[str, str] | None = None


@dataclass(frozen=True)
class StudyTable:
    """A study with its trials in the order of their numbers."""

    study: StudyRow
    trials: tuple[TrialRow, ...]

    def frame(self) -> pd.DataFrame:
        """One row a trial: number, state, reason, run_id, start, end, ``params.*``, ``metrics.*``."""
        return pd.DataFrame(
            [
                {
                    "number": trial.number,
                    "state": trial.state.value,
                    "reason": trial.reason,
                    "run_id": trial.run_id,
                    "start": trial.start,
                    "end": trial.end,
                    **{f"params.{path}": value for path, value in trial.params.items()},
                    **{f"metrics.{name}": value for name, value in trial.metrics.items()},
                }
                for trial in self.trials
            ]
        )


def list_studies(store: TrackingStore, page: int = RUNS_PAGE) -> tuple[StudyRow, ...]:
    """All studies of all experiments, newest first; of a study with several parent runs, the newest.

    Args:
        store: where to look.
        page: runs per request, 1 to 1000.

    Raises:
        TrackingError: the store failed.
    """
    with translated("list the studies", store.uri):
        experiments = _experiments(store)
        tags = {Tag.KIND: RunKind.STUDY.value}
        runs = list(runs_with_tags(store, list(experiments), tags, page)) if experiments else []
    rows: dict[tuple[str, str], StudyRow] = {}
    for run in sorted(runs, key=lambda run: int(run.info.start_time), reverse=True):
        row = _study_row(run, experiments[run.info.experiment_id])
        rows.setdefault((row.experiment_id, row.info.identity), row)
    return tuple(rows.values())


def read_study(store: TrackingStore, study: str, experiment: str | None = None, page: int = RUNS_PAGE) -> StudyTable:
    """One study with all its trials, finished or not.

    Args:
        store: where to look.
        study: its name, or its run's id.
        experiment: the experiment's name; needed only where several studies have this name.
        page: runs per request, 1 to 1000.

    Raises:
        TrackingError: the store failed; there is no study of this name, or more than one.
    """
    studies = list_studies(store, page)
    found = [row for row in studies if study in (row.info.name, row.run_id) and experiment in (None, row.experiment)]
    if len(found) != 1:
        known = ", ".join(sorted(f"{row.info.name} (experiment {row.experiment})" for row in studies))
        problem = "more than one study is called" if found else "there is no study"
        hint = "; name it by its run's id instead" if found else ""
        raise TrackingError(f"{problem} {study!r} in {store.uri}{hint}; known: {known or 'none'}")
    parent = found[0]
    tags = {Tag.PARENT: parent.run_id, Tag.KIND: RunKind.TRIAL.value}
    with translated(f"read the trials of {study!r}", store.uri):
        runs = list(runs_with_tags(store, [parent.experiment_id], tags, page))
    rows = sorted((_trial_row(run, parent.info) for run in runs), key=lambda row: row.start)
    latest = {row.number: row for row in rows}  # a trial has two runs only where a crash hid the first one
    return StudyTable(parent, tuple(latest[number] for number in sorted(latest)))


def read_history(store: TrackingStore, run_ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Metrics over their steps: columns run_id, metric, step, value, in this order of rows too.

    Where a step was logged twice (a trial that was run again), the later value counts.

    Args:
        store: where to look.
        run_ids: trials' runs.
        metrics: names such as ``validation/accuracy``.

    Raises:
        TrackingError: the store failed, or a run is not there.
    """
    rows: list[tuple[str, str, int, float]] = []
    with translated("read the metrics", store.uri):
        for run_id in run_ids:
            for metric in metrics:
                points = store.client.get_metric_history(run_id, metric)
                latest = {point.step: point.value for point in sorted(points, key=lambda point: int(point.timestamp))}
                rows += [(run_id, metric, step, latest[step]) for step in sorted(latest)]
    return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])


def image_counts(store: TrackingStore, study: StudyRow) -> dict[str, int]:
    """Number of images by MLflow's data context (training, validation, test), as the study's run has them as inputs.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"read the data sets of {study.info.name!r}", store.uri):
        run = store.client.get_run(study.run_id)
    found = {}
    for given in run.inputs.dataset_inputs if run.inputs else ():
        part = next((tag.value for tag in given.tags if tag.key == "mlflow.data.context"), "")
        images = json.loads(given.dataset.profile or "{}").get("images")
        if part and isinstance(images, int) and images > 0:
            found[part] = images
    return found


def study_file(store: TrackingStore, study: StudyRow) -> str:
    """The text of the study file that is stored with a study's run; empty where there is none.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"read the study file of {study.info.name!r}", store.uri):
        names = [artifact.path for artifact in store.client.list_artifacts(study.run_id)]
    return read_artifact(store, study.run_id, File.STUDY).decode() if File.STUDY in names else ""


def read_weight_stats(store: TrackingStore, run_id: str) -> pd.DataFrame:
    """A trial's weight statistics: one row a tensor, activation layer or block at one moment.

    Returns:
        The columns that `tunetrack.spec.weight_records` names, in its order. Where a row has no such value stands NaN,
        and None among texts and histograms; a histogram is an int32 array of `BINS` + 2 counts.

    Raises:
        TrackingError: the store failed, or the run has no weight statistics.
    """
    with translated(f"read the weight statistics of run {run_id}", store.uri):
        tags = store.client.get_run(run_id).data.tags
        found = any(file.path == File.WEIGHT_STATS for file in store.client.list_artifacts(run_id))
    if not found:
        raise TrackingError(_no_weight_stats(run_id, tags))
    return weight_frame(read_artifact(store, run_id, File.WEIGHT_STATS))


def _no_weight_stats(run_id: str, tags: Mapping[str, str]) -> str:
    """Why a run lacks them."""
    if tags.get(Tag.KIND) != RunKind.TRIAL:
        return f"run {run_id} is no trial of a study, and only trials have weight statistics"
    trial = f"trial {tags.get(Tag.TRIAL_NUMBER)} ({tags.get(Tag.TRIAL_STATE)}, run {run_id})"
    if twin := tags.get(Tag.TRIAL_DUPLICATE_OF):
        return f"{trial} was not trained and has no weight statistics; those of trial {twin}, its twin, are the same"
    if tags.get(Tag.TRIAL_STATE) == TrialState.RUNNING:
        return f"{trial} has no weight statistics yet; they are written when it ends"
    return (
        f"{trial} has no weight statistics: they are written for trials that have trained an epoch or more, unless the "
        f"study file says weights.record: false or the study was run by an older tunetrack (this one by "
        f"{tags.get(Tag.VERSION, 'an unknown version')})"
    )


def _experiments(store: TrackingStore) -> dict[str, str]:
    """Names of all active experiments by id."""
    names: dict[str, str] = {}
    token = None
    while True:
        found = store.client.search_experiments(max_results=RUNS_PAGE, page_token=token)
        names |= {str(experiment.experiment_id): str(experiment.name) for experiment in found}
        token = found.token
        if not token:
            return names


def _study_row(run: Run, experiment: str) -> StudyRow:
    tags = dict(run.data.tags)
    info = info_from_tags(tags, run.info.run_id)
    state = _enum(StudyState, tags.get(Tag.STUDY_STATE, ""), run.info.run_id)
    start, end = _times(run)
    return StudyRow(info, state, run.info.run_id, run.info.experiment_id, experiment, start, end, tags)


def _trial_row(run: Run, info: StudyInfo) -> TrialRow:
    tags, metrics = run.data.tags, dict(run.data.metrics)
    start, end = _times(run)
    duplicate = tags.get(Tag.TRIAL_DUPLICATE_OF)
    values = [metrics.get(name) for name in info.objective_metrics]
    known = tuple(value for value in values if value is not None)
    return TrialRow(
        number=int(tags[Tag.TRIAL_NUMBER]),
        state=_enum(TrialState, tags.get(Tag.TRIAL_STATE, ""), run.info.run_id),
        reason=tags.get(Tag.TRIAL_REASON, ""),
        run_id=run.info.run_id,
        params={
            path: decode_param(text) for path, text in run.data.params.items() if not path.startswith(LOG10_PREFIX)
        },
        metrics=metrics,
        values=known if known and len(known) == len(values) else None,
        duplicate_of=int(duplicate) if duplicate else None,
        start=start,
        end=end,
        health=_health(tags),
    )


def _health(tags: Mapping[str, str]) -> dict[str, str] | None:
    rules = tags.get(Tag.WEIGHT_HEALTH)
    if rules is None or rules == HEALTHY:
        return None if rules is None else {}
    return {rule: tags.get(f"{Tag.WEIGHT_HEALTH_PREFIX}{rule}", "") for rule in rules.split(",")}


def _times(run: Run) -> tuple[datetime, datetime | None]:
    end = run.info.end_time
    return _utc(run.info.start_time), _utc(end) if end else None


def _utc(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _enum(kind: type[State], text: str, run_id: str) -> State:
    try:
        return kind(text)
    except ValueError as error:
        raise TrackingError(f"run {run_id} has the unknown state {text!r}; allowed: {', '.join(kind)}") from error
