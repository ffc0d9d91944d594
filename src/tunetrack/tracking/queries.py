"""Knows how to read studies, trials and their curves back from MLflow as frozen tables; it never writes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pandas as pd

from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialState
from tunetrack.tracking.failures import translated
from tunetrack.tracking.lookups import RUNS_PAGE, has_artifact, read_artifact, runs_with_tags
from tunetrack.tracking.names import File, RunKind, StudyState, Tag
from tunetrack.tracking.rows import (
    StudyRow,
    StudyTable,
    TrialRow,
    chosen_study,
    newest_studies,
    stored_run,
    study_table,
    trial_row,
)
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.study_info import SearchedParam
from tunetrack.tracking.values import ParamValue
from tunetrack.tracking.weight_table import weight_frame

__all__ = [
    "ParamValue",
    "SearchedParam",
    "StudyRow",
    "StudyState",
    "StudyTable",
    "TrackingStore",
    "TrialRow",
    "experiment_names",
    "image_counts",
    "list_studies",
    "read_history",
    "read_study",
    "read_weight_stats",
    "study_artifact",
    "study_file",
    "weight_frame",
]


def list_studies(store: TrackingStore, page: int = RUNS_PAGE) -> tuple[StudyRow, ...]:
    """All studies of all experiments, newest first; of a study with several parent runs, the newest.

    Args:
        store: where to look.
        page: runs per request, 1 to 1000.

    Raises:
        TrackingError: the store failed.
    """
    with translated("list the studies", store.uri):
        experiments = experiment_names(store)
        tags = {Tag.KIND: RunKind.STUDY.value}
        runs = list(runs_with_tags(store, list(experiments), tags, page)) if experiments else []
    return newest_studies(map(stored_run, runs), experiments)


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
    parent = chosen_study(list_studies(store, page), study, experiment, store.uri)
    tags = {Tag.PARENT: parent.run_id, Tag.KIND: RunKind.TRIAL.value}
    with translated(f"read the trials of {study!r}", store.uri):
        runs = list(runs_with_tags(store, [parent.experiment_id], tags, page))
    return study_table(parent, (trial_row(stored_run(run), parent.info) for run in runs))


def read_history(store: TrackingStore, run_ids: Sequence[str], metrics: Sequence[str] | None = None) -> pd.DataFrame:
    """Metrics over their steps: columns run_id, metric, step, value, in this order of rows too.

    Where a step was logged twice (a trial that was run again), the later value counts.

    Args:
        store: where to look.
        run_ids: trials' runs.
        metrics: names such as ``validation/accuracy``; None: all that the run has, by name.

    Raises:
        TrackingError: the store failed, or a run is not there.
    """
    rows: list[tuple[str, str, int, float]] = []
    with translated("read the metrics", store.uri):
        for run_id in run_ids:
            for metric in sorted(store.client.get_run(run_id).data.metrics) if metrics is None else metrics:
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
    return (study_artifact(store, study.run_id, File.STUDY) or b"").decode()


def study_artifact(store: TrackingStore, run_id: str, name: str) -> bytes | None:
    """A file at the top of a run's artifacts; None where there is no such file.

    Raises:
        TrackingError: the store failed.
    """
    return read_artifact(store, run_id, name) if has_artifact(store, run_id, name) else None


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


def experiment_names(store: TrackingStore) -> dict[str, str]:
    """Names of all active experiments by id.

    Raises:
        MlflowException: the store failed.
    """
    names: dict[str, str] = {}
    token = None
    while True:
        found = store.client.search_experiments(max_results=RUNS_PAGE, page_token=token)
        names |= {str(experiment.experiment_id): str(experiment.name) for experiment in found}
        token = found.token
        if not token:
            return names
