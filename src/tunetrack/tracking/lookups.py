"""Knows how to find things of a study again: all runs with certain tags, the runs of its trials, a file of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Run
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tunetrack.tracking.artifacts import scratch
from tunetrack.tracking.failures import translated
from tunetrack.tracking.mlflow_calls import equals
from tunetrack.tracking.names import RunKind, Tag
from tunetrack.tracking.store import TrackingStore

__all__ = [
    "RUNS_PAGE",
    "download",
    "has_artifact",
    "log_run_metrics",
    "read_artifact",
    "runs_with_tags",
    "tag_run",
    "trial_runs",
    "write_artifact",
]

#: MLflow gives at most this many runs at a time, and without a page token silently no more.
RUNS_PAGE = 1000


def runs_with_tags(
    store: TrackingStore, experiments: Sequence[str], tags: Mapping[str, str], page: int = RUNS_PAGE, more: str = ""
) -> Iterator[Run]:
    """All active runs of these experiments that have all these tags, the oldest first.

    Args:
        store: where to look.
        experiments: their ids.
        tags: value by key.
        page: runs per request, 1 to 1000.
        more: what else holds for them, in MLflow's search language.

    Raises:
        MlflowException: the store failed.
    """
    token = None
    wanted = f"{equals(tags)} and {more}" if more else equals(tags)
    while True:
        found = store.client.search_runs(
            list(experiments), wanted, max_results=page, order_by=["attributes.start_time ASC"], page_token=token
        )
        yield from found
        token = found.token
        if not token:
            return


def trial_runs(store: TrackingStore, study_run_id: str) -> dict[int, str]:
    """Number -> run id of all trials of a study; of a trial with two runs, the newer one.

    Raises:
        TrackingError: the store failed, or it has no such study run.
    """
    with translated(f"find the trials of the study run {study_run_id}", store.uri):
        experiment = store.client.get_run(study_run_id).info.experiment_id
        wanted = {Tag.PARENT: study_run_id, Tag.KIND: RunKind.TRIAL.value}
        found = runs_with_tags(store, [experiment], wanted)
        return {int(run.data.tags[Tag.TRIAL_NUMBER]): str(run.info.run_id) for run in found}


def read_artifact(store: TrackingStore, run_id: str, name: str) -> bytes:
    """The content of one artifact.

    Raises:
        TrackingError: the store failed, or the run has no such file.
    """
    with translated(f"read {name} of run {run_id}", store.uri):
        location = store.client.get_run(run_id).info.artifact_uri
        return download(get_artifact_repository(location, tracking_uri=store.uri), name, store.calls.scratch)


def has_artifact(store: TrackingStore, run_id: str, name: str) -> bool:
    """Whether a run has a file of this name at the top of its artifacts.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"list the artifacts of run {run_id}", store.uri):
        location = store.client.get_run(run_id).info.artifact_uri
        found = get_artifact_repository(location, tracking_uri=store.uri).list_artifacts()
        return name in {file.path for file in found}


def download(repository: Any, name: str, scratch_root: Path | None = None) -> bytes:
    """The content of one file of MLflow's artifact repository; `scratch_root` as for `scratch`.

    Raises:
        MlflowException, OSError: there is no such file, or the store failed.
    """
    with scratch(scratch_root) as folder:
        target = Path(folder) / "file"
        # The client's own download starts a thread pool and draws a progress bar, for a single file too.
        repository._download_file(name, str(target))
        return target.read_bytes()


def write_artifact(store: TrackingStore, run_id: str, name: str, content: bytes) -> None:
    """Writes one artifact, also on a run that has ended already.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"write {name} of run {run_id}", store.uri):
        store.calls.write_files(run_id, {name: content})


def tag_run(store: TrackingStore, run_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags on a run that may have ended already.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"tag run {run_id}", store.uri):
        store.calls.set_tags(run_id, tags)


def log_run_metrics(store: TrackingStore, run_id: str, metrics: Mapping[str, float], at: float) -> None:
    """Writes metrics on a run that has ended already, at step 0, as of `at` (seconds since 1970).

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"log metrics on run {run_id}", store.uri):
        points = [Metric(name, value, round(1000 * at), 0) for name, value in metrics.items()]
        store.client.log_batch(run_id, metrics=points, synchronous=True)
