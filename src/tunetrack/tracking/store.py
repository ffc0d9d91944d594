"""Knows how to find or create a study's run in a tracking store."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tunetrack._version import __version__
from tunetrack.errors import TrackingError
from tunetrack.tracking.artifacts import to_yaml
from tunetrack.tracking.failures import translated
from tunetrack.tracking.mlflow_calls import MlflowCalls, RunAddress
from tunetrack.tracking.names import File, RunKind, StudyState, Tag
from tunetrack.tracking.runs import StudyRun
from tunetrack.tracking.study_info import StudyInfo, describe_study, info_from_tags, info_tags
from tunetrack.tracking.views import SavedView, write_view
from tunetrack.tracking.writer import BackgroundWriter, WriterLimits, WriterStatus

__all__ = ["TrackingStore"]


class TrackingStore:
    """A tracking store that was checked by `connect`. Use it as a context manager, or call `close`."""

    def __init__(self, client: MlflowClient, uri: str, limits: WriterLimits | None = None) -> None:
        self.client = client
        self.uri = uri
        self.calls = MlflowCalls(client)
        self._limits = limits
        self._writer: BackgroundWriter | None = None

    @property
    def is_server(self) -> bool:
        """Whether the store is behind HTTP; then the server says where artifacts go."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def writer(self) -> BackgroundWriter:
        """The background writer, started on first use."""
        if self._writer is None:
            self._writer = BackgroundWriter(self.calls.write_batch, self.uri, self._limits)
        return self._writer

    @property
    def status(self) -> WriterStatus:
        """Counts and times of the background writer."""
        return self._writer.status if self._writer else WriterStatus(0, 0, 0.0, 0.0)

    def open_study(
        self, info: StudyInfo, experiment: str, artifact_root: Path | None = None, run_id: str | None = None
    ) -> StudyRun:
        """Find or create the parent run of a study, set it RUNNING, and store the study file with it.

        Args:
            info: the study; its key finds the run again when the study is resumed.
            experiment: name of the experiment, created where it is missing.
            artifact_root: folder for the artifacts of a newly created experiment; not used where a server decides.
            run_id: a run to adopt, as ``mlflow run`` opened it; its experiment is then the study's. Params on it stay
                as they are: tunetrack writes none on the parent.

        Raises:
            TrackingError: the store failed, the experiment was deleted, or the run to adopt is not there.
        """
        with translated(f"open the study {info.name!r}", self.uri):
            try:
                address = self._adopt(run_id) if run_id else self._find_or_create(info, experiment, artifact_root)
            except ValueError as error:
                raise TrackingError(f"the study name {info.name!r} cannot be used: {error}") from error
            tags = {
                Tag.KIND: RunKind.STUDY.value,
                Tag.VERSION: __version__,
                Tag.STUDY_STATE: StudyState.RUNNING.value,
                Tag.NOTE: describe_study(info),
                **info_tags(info),
            }
            self.calls.reopen(address.run_id, tags, name=info.name)
            self.calls.write_files(address.run_id, {File.STUDY: to_yaml(info.document).encode()})
        return StudyRun(self.calls, self.writer, info, address)

    def attach_study(self, run_id: str) -> StudyRun:
        """The study of an existing parent run, without writing anything: for a further worker process.

        Raises:
            TrackingError: the store failed, or the run is not a study.
        """
        with translated(f"read the study run {run_id}", self.uri):
            run = self.calls.get_run(run_id)
        info = info_from_tags(run.data.tags, run_id)
        return StudyRun(self.calls, self.writer, info, RunAddress(run_id, run.info.experiment_id, resumed=True))

    def write_view(self, info: StudyInfo, experiment_id: str) -> SavedView:
        """Write, or write again, the saved view of one study; see `tunetrack.tracking.views.write_view`.

        Raises:
            TrackingError: the store failed.
        """
        return write_view(self, info, experiment_id)

    def close(self) -> None:
        """Write what is queued and end the background thread.

        Raises:
            TrackingError: something could not be written.
        """
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> TrackingStore:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def experiment_id(self, name: str, artifact_root: Path | None = None) -> str:
        """The id of the experiment called `name`, which is created where it is missing.

        Raises:
            TrackingError: the experiment was deleted, or the store failed.
        """
        with translated(f"open the experiment {name!r}", self.uri):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                location = None
                if artifact_root is not None and not self.is_server:
                    artifact_root.mkdir(parents=True, exist_ok=True)
                    location = artifact_root.resolve().as_uri()
                try:
                    return str(self.client.create_experiment(name, artifact_location=location))
                except MlflowException:
                    found = self.client.get_experiment_by_name(name)  # another process was quicker
                    if found is None:
                        raise
        if found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"the experiment {name!r} was deleted; restore it with `mlflow experiments restore "
                f"-x {found.experiment_id}` or choose another name"
            )
        return str(found.experiment_id)

    def _adopt(self, run_id: str) -> RunAddress:
        run = self.calls.get_run(run_id)
        return RunAddress(run_id, run.info.experiment_id, resumed=Tag.STUDY_KEY in run.data.tags)

    def _find_or_create(self, info: StudyInfo, experiment: str, artifact_root: Path | None) -> RunAddress:
        experiment_id = self.experiment_id(experiment, artifact_root)
        if found := self.calls.find_run(experiment_id, {Tag.STUDY_KEY: info.identity}):
            return RunAddress(found, experiment_id, resumed=True)
        tags = {Tag.STUDY_KEY: info.identity, Tag.SOURCE_NAME: "tunetrack"}
        run_id = self.calls.create_run(experiment_id, info.name, tags, time.time_ns() // 1_000_000)
        return RunAddress(run_id, experiment_id)
