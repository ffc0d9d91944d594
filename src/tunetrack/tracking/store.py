"""Knows how to find or create a study's run in a tracking store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from tunetrack._version import __version__
from tunetrack.errors import TrackingError, masked
from tunetrack.tracking.artifacts import to_yaml
from tunetrack.tracking.commands import Reopen, RunRef
from tunetrack.tracking.failures import translated
from tunetrack.tracking.mlflow_calls import MlflowCalls, RunAddress
from tunetrack.tracking.names import File, RunKind, StudyState, Tag
from tunetrack.tracking.runs import StudyRun
from tunetrack.tracking.sending.performer import Performer
from tunetrack.tracking.sending.writer import BackgroundWriter, Place, WriterLimits, WriterStatus
from tunetrack.tracking.study_info import StudyInfo, describe_study, info_from_tags, info_tags
from tunetrack.tracking.trial_run import now
from tunetrack.tracking.views import SavedView, write_view

__all__ = ["SCRATCH", "TrackingStore"]

#: Folder of temporary files within that of the spools; what a killed process has left there is in nobody's way.
SCRATCH = "scratch"


#: Seconds that opening a study waits for its tags and its study file to be stored.
_OPEN_SECONDS = 10.0


class TrackingStore(AbstractContextManager["TrackingStore"]):
    """A tracking store that was checked by `connect`. Use it as a context manager, or call `close`."""

    def __init__(self, open_client: Callable[[], MlflowClient], uri: str, limits: WriterLimits | None = None) -> None:
        self.uri = uri
        self._open_client = open_client
        self._limits = limits
        self._place = Place()
        self._client: MlflowClient | None = None
        self._opening = threading.Lock()
        self._writer: BackgroundWriter | None = None

    @property
    def client(self) -> MlflowClient:
        """MLflow's client, made on first use: that of a database reads its tables, or creates them."""
        with self._opening:
            if self._client is None:
                self._client = self._open_client()
            return self._client

    @property
    def calls(self) -> MlflowCalls:
        """The client, reduced to what is used."""
        return MlflowCalls(self.client, self.scratch)

    @property
    def scratch(self) -> Path | None:
        """Where temporary folders are made, for the next start to clear away; None: among the system's."""
        return None if self._place.folder is None else self._place.folder / SCRATCH

    @property
    def is_server(self) -> bool:
        """Whether the store is behind HTTP; then the server says where artifacts go."""
        return self.uri.startswith(("http://", "https://"))

    @property
    def writer(self) -> BackgroundWriter:
        """The way in for entries, with a temporary spool unless `use_spool` has given it another."""
        if self._writer is None:
            performer = Performer(lambda: self.calls, self.is_server)
            self._writer = BackgroundWriter(performer, masked(self.uri), self._place, self._limits)
        return self._writer

    @property
    def status(self) -> WriterStatus:
        """Counts and times of the background writer."""
        return self._writer.status if self._writer else WriterStatus()

    def use_spool(
        self,
        folder: Path,
        ended: Callable[[int], bool] | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """Have entries wait in a folder that outlives this process; what dead processes have left there is sent first.

        Without this call a temporary folder is used, from which nobody sends after a crash.

        Args:
            folder: shared by the processes of one study; created where it is missing. One that cannot be written is
                told, and entries wait in memory.
            ended: whether the search state knows the trial of this number as finished; asked here and now about every
                ending that a dead process has written down without saying whether it counts. Default: of none.
            told: given sentences for the user, by any thread. Default: a warning in the log.

        Raises:
            TrackingError: something was written already.
        """
        if self._writer is not None:
            raise TrackingError(f"the spool {folder} must be named before anything is written")
        plain = Place(folder)
        self._place = Place(folder, ended or plain.ended, told or plain.told)
        self.writer  # noqa: B018 - starts it: what dead processes have left is not to wait for the first entry

    def open_study(
        self,
        info: StudyInfo,
        experiment: str,
        artifact_root: Path | str | None = None,
        run_id: str | None = None,
        experiment_id: str | None = None,
    ) -> StudyRun:
        """Find or create the parent run of a study, set it RUNNING, and store the study file with it.

        Args:
            info: the study; its key finds the run again when the study is resumed.
            experiment: name of the experiment, created where it is missing.
            artifact_root: folder, or an address such as ``s3://bucket/path``, for the artifacts of a newly created
                experiment; not used where a server decides.
            run_id: a run to adopt, as ``mlflow run`` opened it; its experiment is then the study's. Params on it stay
                as they are: tunetrack writes none on the parent.
            experiment_id: that run's experiment. With both ids the store is not asked for anything, and a study can be
                resumed while it is away.

        Raises:
            TrackingError: the store failed, the experiment was deleted, or the run to adopt is not there.
        """
        with translated(f"open the study {info.name!r}", self.uri):
            try:
                if run_id and experiment_id:
                    address = RunAddress(run_id, experiment_id, resumed=True)
                elif run_id:
                    run = self.calls.get_run(run_id)
                    address = RunAddress(run_id, run.info.experiment_id, resumed=Tag.STUDY_KEY in run.data.tags)
                else:
                    address = self._find_or_create(info, experiment, artifact_root)
            except ValueError as error:
                raise TrackingError(f"the study name {info.name!r} cannot be used: {error}") from error
        tags: dict[str, str] = {
            Tag.KIND: RunKind.STUDY.value,
            Tag.VERSION: __version__,
            Tag.STUDY_STATE: StudyState.RUNNING.value,
            Tag.NOTE: describe_study(info),
            **info_tags(info),
        }
        study = StudyRun(lambda: self.calls, self.writer, info, address)
        self.writer.submit(Reopen(RunRef(address.experiment_id, run_id=address.run_id), info.name, tags, now()))
        study.log_files({File.STUDY: to_yaml(info.document).encode()})
        if not experiment_id:
            study.flush(_OPEN_SECONDS)
        return study

    def attach_study(self, run_id: str, info: StudyInfo | None = None, experiment_id: str | None = None) -> StudyRun:
        """The study of an existing parent run, without writing anything: for a further worker process.

        Args:
            run_id: of the parent run.
            info: what the run says of the study.
            experiment_id: the run's experiment. With `info` and this one the store is not asked for anything, and may
                be away.

        Raises:
            TrackingError: the store failed, or the run is not a study.
        """
        if info is not None and experiment_id is not None:
            address = RunAddress(run_id, experiment_id, resumed=True)
            return StudyRun(lambda: self.calls, self.writer, info, address)
        with translated(f"read the study run {run_id}", self.uri):
            run = self.calls.get_run(run_id)
        info = info_from_tags(run.data.tags, run_id)
        address = RunAddress(run_id, run.info.experiment_id, resumed=True)
        return StudyRun(lambda: self.calls, self.writer, info, address)

    def write_view(self, info: StudyInfo, experiment_id: str) -> SavedView:
        """Write, or write again, the saved view of one study; see `tunetrack.tracking.views.write_view`.

        Raises:
            TrackingError: the store failed.
        """
        return write_view(self, info, experiment_id)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything is sent, also what dead processes have left; see `StudyRun.flush`."""
        return self._writer.flush(timeout) if self._writer is not None else True

    def close(self, timeout: float | None = None) -> None:
        """Send what can be sent in time, and end the background thread.

        What is left stays in the folder of `use_spool` for the next process; from a temporary one it is lost, and said
        to be.

        Args:
            timeout: seconds; None: until nothing could be sent for half a minute.
        """
        if self._writer is not None:
            self._writer.close(timeout)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.close()

    def experiment_id(self, name: str, artifact_root: Path | str | None = None) -> str:
        """The id of the experiment called `name`, which is created where it is missing.

        Raises:
            TrackingError: the experiment was deleted, or the store failed.
        """
        with translated(f"open the experiment {name!r}", self.uri):
            found = self.client.get_experiment_by_name(name)
            if found is None:
                location = None
                if artifact_root is not None and not self.is_server:
                    location = _location(artifact_root)
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

    def _find_or_create(self, info: StudyInfo, experiment: str, artifact_root: Path | str | None) -> RunAddress:
        experiment_id = self.experiment_id(experiment, artifact_root)
        if found := self.calls.find_run(experiment_id, {Tag.STUDY_KEY: info.identity}):
            return RunAddress(found, experiment_id, resumed=True)
        tags = {Tag.STUDY_KEY: info.identity, Tag.SOURCE_NAME: "tunetrack"}
        run_id = self.calls.create_run(experiment_id, info.name, tags, time.time_ns() // 1_000_000).run_id
        return RunAddress(run_id, experiment_id)


def _location(artifact_root: Path | str) -> str:
    """The address of a folder, which is made, or the one that was given."""
    if isinstance(artifact_root, str) and "://" in artifact_root:
        return artifact_root
    folder = Path(artifact_root)
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve().as_uri()
