"""Knows how a command becomes calls of MLflow, so that executing it twice has the effect of executing it once.

Equal metric points are stored once by MLflow itself; params, tags and files overwrite themselves. A run is the one
thing that could come twice: its creation may have been executed though nobody heard the answer, even long afterwards,
when a server that stood still goes on. So after an uncertain creation all runs with the trial's key are looked for, one
is kept and the others are deleted; and that is repeated at the end of the trial.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from mlflow.entities import LifecycleStage, Run
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES
from mlflow.exceptions import MlflowException

from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialState
from tunetrack.tracking.artifacts import to_yaml
from tunetrack.tracking.commands import End, Files, Group, Inputs, Log, OpenTrial, Reopen, RunRef, Texts, View, Work
from tunetrack.tracking.datasets import dataset_inputs
from tunetrack.tracking.mlflow_calls import MlflowCalls
from tunetrack.tracking.names import RunStatus, Tag
from tunetrack.tracking.sending.sources import Source
from tunetrack.tracking.views import ui_version, unverified

__all__ = ["Performer"]

#: Seconds after an uncertain creation within which a second run may still appear.
_TWIN_SECONDS = 60.0

#: The tags of a trial's run that is open.
_OPEN = {Tag.TRIAL_STATE: TrialState.RUNNING.value, Tag.TRIAL_REASON: ""}


class Performer:
    """Executes commands, and knows the runs of the trials that it has opened. For one thread.

    Attributes:
        run_ids: MLflow's id by a trial's key.
    """

    def __init__(self, calls: Callable[[], MlflowCalls], over_http: bool) -> None:
        self._calls = calls
        self._over_http = over_http
        self._uncertain: dict[str, tuple[RunRef, float]] = {}
        self._views: bool | None = None
        self._locations: dict[str, str] = {}
        self.run_ids: dict[str, str] = {}

    def perform(self, step: Sequence[Work | Group], source: Source, careful: bool) -> None:
        """Execute one command, or several `Log`s about the same run.

        Args:
            step: one or more commands.
            source: where their files are.
            careful: whether they may have been executed before.

        Raises:
            TrackingError: the run is not there.
            Exception: whatever MLflow, its database, disk or network raises.
        """
        calls, command = self._calls(), step[0]
        if isinstance(command, OpenTrial):
            self._open(command, careful)
            return
        run_id = self.run_id(command.run)
        match command:
            case Log():
                calls.write(run_id, Log.joined([log for log in step if isinstance(log, Log)]))
            case Texts():
                made = {path: to_yaml(document) for path, document in command.documents.items()}
                files = {path: text.encode() for path, text in {**made, **command.texts}.items()}
                with source.written(files) as folder:
                    calls.write_folder(run_id, folder, self._locations.get(run_id, ""))
            case Files():
                with source.folder(command.folder) as folder:
                    if folder is not None:
                        calls.write_folder(run_id, folder, self._locations.get(run_id, ""))
            case View():
                if self._knows_views(calls):
                    calls.client.set_experiment_tag(command.run.experiment, command.key, command.value)
            case Inputs():
                calls.log_inputs(run_id, dataset_inputs(command.dataset))
            case Reopen():
                if not (careful and _ended_after(calls.get_run(run_id), command.at)):
                    calls.reopen(run_id, command.tags, command.name)
            case End():
                calls.set_status(run_id, command.status, command.at)
                self._locations.pop(run_id, None)
                self._delete_twins(command.run)
            case Group():
                # Another process may have trained this trial again, and ended it; then that is what counts.
                if not _ended_after(calls.get_run(run_id), command.at):
                    for part in command.parts:
                        self.perform([part], source, careful)

    def run_id(self, run: RunRef) -> str:
        """MLflow's id of a run.

        Raises:
            TrackingError: it was never created, or has been deleted.
        """
        if run.run_id:
            return run.run_id
        if run.key not in self.run_ids:
            found = self._find(run)
            if not found:
                raise TrackingError(f"there is no run of the trial {run.key}")
            self.run_ids[run.key] = found[0].info.run_id
        return self.run_ids[run.key]

    def is_gone(self, run: RunRef) -> bool:
        """Whether somebody has deleted the run, or it was never created."""
        try:
            found = self._calls().get_run(self.run_id(run))
        except TrackingError:
            return True
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return True
            raise
        return bool(found.info.lifecycle_stage != LifecycleStage.ACTIVE)

    def delete_twins(self) -> None:
        """Look once more for trials whose run was created twice."""
        for run, _ in list(self._uncertain.values()):
            self._delete_twins(run)

    def lost_before(self, run_id: str) -> int:
        """How many entries the study's run says were lost."""
        text = self._calls().get_run(run_id).data.tags.get(Tag.LOST, "0")
        return int(text) if text.isdigit() else 0

    def _knows_views(self, calls: MlflowCalls) -> bool:
        """Whether the UI is one that the format of saved views was tested with; the user was told at the start."""
        if self._views is None:
            self._views = not unverified(ui_version(str(calls.client.tracking_uri), self._over_http))
        return self._views

    def _open(self, command: OpenTrial, careful: bool) -> None:
        calls, run = self._calls(), command.run
        found = self._find(run) if careful or command.existing else []
        if found:
            kept = found[0]
            info = kept.info
            for twin in found[1:]:
                calls.delete_run(twin.info.run_id)
            if not (_is_open(kept) or (careful and _ended_after(kept, command.start))):
                calls.reopen(info.run_id, _OPEN)
        else:
            info = calls.create_run(run.experiment, command.name, command.tags, command.start)
        # MLflow's own client may have sent the request several times without a word.
        retries: int = MLFLOW_HTTP_REQUEST_MAX_RETRIES.get()  # type: ignore[no-untyped-call]
        if careful or (self._over_http and retries):
            self._uncertain[run.key] = (run, time.monotonic())
        self.run_ids[run.key] = info.run_id
        self._locations[info.run_id] = info.artifact_uri

    def _find(self, run: RunRef) -> list[Run]:
        """All runs with this key, the one to keep first: that with content, else the oldest."""
        found = self._calls().find_runs(run.experiment, {Tag.TRIAL_KEY: run.key})
        return sorted(
            found,
            key=lambda run: (
                -len(run.data.params) - len(run.data.metrics),
                run.info.start_time,
                run.info.run_id,
            ),
        )

    def _delete_twins(self, run: RunRef) -> None:
        _, since = self._uncertain.get(run.key, (run, 0.0))
        if not since:
            return
        if time.monotonic() - since > _TWIN_SECONDS:
            del self._uncertain[run.key]
        kept, found = self.run_ids[run.key], {each.info.run_id for each in self._find(run)}
        for twin in found - {kept} if kept in found else ():
            self._calls().delete_run(twin)


def _is_open(run: Run) -> bool:
    """Whether a trial's run need not be opened again.

    What need not be sent must not be: the request of a process that is killed may be executed long afterwards, and
    would open a run that its successor has ended.
    """
    tags = run.data.tags
    return run.info.status == RunStatus.RUNNING and all(tags.get(key, "") == value for key, value in _OPEN.items())


def _ended_after(run: Run, at: int) -> bool:
    """Whether somebody has ended a run later than `at`, ms since 1970."""
    return run.info.status != RunStatus.RUNNING and run.info.end_time is not None and run.info.end_time > at
