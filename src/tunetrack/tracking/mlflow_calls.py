"""Knows the few MLflow client calls that tunetrack makes, always with explicit run ids and never the fluent API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunInfo, RunTag
from mlflow.entities import RunStatus as MlflowRunStatus
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tunetrack.tracking.artifacts import written
from tunetrack.tracking.commands import Log
from tunetrack.tracking.names import RunStatus
from tunetrack.tracking.values import quote_filter_value

__all__ = ["MlflowCalls", "RunAddress", "equals"]


@dataclass(frozen=True)
class RunAddress:
    """Where a run is.

    Attributes:
        run_id: MLflow's id.
        experiment_id: the experiment that it belongs to.
        resumed: whether it was there before.
    """

    run_id: str
    experiment_id: str
    resumed: bool = False


def equals(tags: Mapping[str, str]) -> str:
    """The search filter for runs that carry all of `tags`.

    Raises:
        ValueError: a value holds both kinds of quotes.
    """
    return " and ".join(f"tags.`{key}` = {quote_filter_value(value)}" for key, value in tags.items())


class MlflowCalls:
    """The client, reduced to what is used. Raises whatever MLflow raises; callers translate.

    Attributes:
        client: MLflow's own.
        scratch: where temporary folders are made; None: among the system's.
    """

    def __init__(self, client: MlflowClient, scratch: Path | None = None) -> None:
        self.client = client
        self.scratch = scratch

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str], start: int) -> RunInfo:
        """Create a run; `start` in ms since 1970."""
        return self.client.create_run(experiment_id, start_time=start, tags=dict(tags), run_name=name).info

    def find_run(self, experiment_id: str, tags: Mapping[str, str]) -> str | None:
        """The id of the newest active run that carries all of `tags`."""
        runs = self.find_runs(experiment_id, tags, most=1)
        return str(runs[0].info.run_id) if runs else None

    def find_runs(self, experiment_id: str, tags: Mapping[str, str], most: int = 100) -> list[Run]:
        """The active runs that carry all of `tags`, the newest first."""
        return list(
            self.client.search_runs(
                [experiment_id], equals(tags), max_results=most, order_by=["attributes.start_time DESC"]
            )
        )

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted."""
        self.client.delete_run(run_id)

    def get_run(self, run_id: str) -> Run:
        """One run with its tags, params and latest metrics."""
        return self.client.get_run(run_id)

    def reopen(self, run_id: str, tags: Mapping[str, str], name: str | None = None) -> None:
        """Set a run to RUNNING again, with new values of some tags."""
        self.client.update_run(run_id, status=RunStatus.RUNNING.value, name=name)
        self.set_tags(run_id, tags)

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """Set tags in one request."""
        self.client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()], synchronous=True)

    def write(self, run_id: str, log: Log) -> None:
        """Write metrics, params and tags; the client splits them where they are over MLflow's limits per request."""
        self.client.log_batch(
            run_id,
            metrics=[Metric(name, value, when, step) for name, value, when, step in log.metrics],
            params=[Param(path, value) for path, value in log.params.items()],
            tags=[RunTag(key, value) for key, value in log.tags.items()],
            synchronous=True,
        )

    def write_files(self, run_id: str, files: Mapping[str, bytes]) -> None:
        """Store artifacts, content by relative path."""
        with written(files, self.scratch) as folder:
            self.write_folder(run_id, Path(folder))

    def write_folder(self, run_id: str, folder: Path, location: str = "") -> None:
        """Store the files of a folder as artifacts, under their paths in it.

        Args:
            run_id: MLflow's id.
            folder: holds the files.
            location: address of the run's artifacts, where that is known; empty: MLflow is asked for the run, which
                reads all that it has and takes longer than storing a small file.
        """
        if location:
            repository = get_artifact_repository(location, tracking_uri=self.client.tracking_uri)
            repository.log_artifacts(str(folder))  # type: ignore[no-untyped-call]
        else:
            self.client.log_artifacts(run_id, str(folder))

    def set_status(self, run_id: str, status: RunStatus, end: int) -> None:
        """End a run; `end` in ms since 1970."""
        # MlflowClient.set_terminated prints two lines a run and reads the run back for them when the store is a
        # server. This is what it does besides.
        store = self.client._tracking_client.store
        store.update_run_info(run_id, MlflowRunStatus.from_string(status.value), end, None)

    def log_inputs(self, run_id: str, inputs: Sequence[DatasetInput]) -> None:
        """Store data sets as inputs of a run."""
        self.client.log_inputs(run_id, datasets=list(inputs))
