"""Knows how a study becomes an MLflow run, the parent of its trials' runs, and in which order things are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from tunetrack._version import __version__
from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking.commands import End, Files, Inputs, Log, OpenTrial, RunRef, View
from tunetrack.tracking.datasets import DatasetInfo
from tunetrack.tracking.mlflow_calls import MlflowCalls, RunAddress
from tunetrack.tracking.models import ModelRequest, NeuralNetwork, log_model
from tunetrack.tracking.names import FROM_TEST_IMAGES, STUDY_STATUS, File, RunKind, StudyState, Tag
from tunetrack.tracking.sending.writer import BackgroundWriter
from tunetrack.tracking.sprites import sprite_files
from tunetrack.tracking.study_info import StudyInfo, describe_study, important_tags
from tunetrack.tracking.trial_names import trial_name
from tunetrack.tracking.trial_run import Ending, TrialRun, now, points
from tunetrack.tracking.values import ParamValue, encode_params
from tunetrack.tracking.views import view_id, view_tag, view_url

__all__ = ["Ending", "StudyRun", "TrialRun"]


class StudyRun:
    """A study as an MLflow run, the parent of its trials' runs.

    Methods that queue return at once, and raise TrackingError where the writer is closed or belongs to the parent
    process, but never for trouble of the store.
    """

    def __init__(
        self, calls: Callable[[], MlflowCalls], writer: BackgroundWriter, info: StudyInfo, address: RunAddress
    ) -> None:
        self._calls = calls
        self.writer = writer
        self.info = info
        self.run_id = address.run_id
        self.experiment_id = address.experiment_id
        self.resumed = address.resumed
        self._run = RunRef(address.experiment_id, run_id=address.run_id)
        self._running: dict[int, TrialRun] = {}
        writer.count_lost_on(self._run)

    @property
    def calls(self) -> MlflowCalls:
        """MLflow's client, reduced to what is used."""
        return self._calls()

    def open_trial(
        self, number: int, params: Mapping[str, ParamValue], existing: bool = False, worker: str = ""
    ) -> TrialRun:
        """Queue the creation of a trial's run and return at once.

        Args:
            number: the trial's number, from 0.
            params: every concrete value by dotted path.
            existing: whether a run of this trial may be there already (a retry, or the study was resumed). It is then
                looked up and set to RUNNING again instead of being created twice.
            worker: which process trains it; empty: none, somebody else's trial is put in order.
        """
        with self.writer.on_callers_account():
            run = RunRef(self.experiment_id, key=f"{self.info.identity}/{number}")
            name = trial_name(number, params, self.info.searched)
            trial = TrialRun(self.writer, self.info, run, number, name, self._forget)
            tags: dict[str, str] = {
                Tag.KIND: RunKind.TRIAL.value,
                Tag.VERSION: __version__,
                Tag.STUDY_NAME: self.info.name,
                Tag.TRIAL_KEY: run.key,
                Tag.TRIAL_NUMBER: str(number),
                Tag.TRIAL_STATE: TrialState.RUNNING.value,
                Tag.PARENT: self.run_id,
                Tag.SOURCE_NAME: "tunetrack",
            }
            if self.info.confirms is not None:
                tags[Tag.TRIAL_CONFIRMS] = str(self.info.confirms.original(number))
            self.writer.submit(
                OpenTrial(run, name, tags, now(), existing),
                Log(
                    run, params=encode_params(params, self.info.log_scaled(params)), tags=_further_tags(params, worker)
                ),
            )
            self._running[number] = trial
            return trial

    def log_files(self, files: Mapping[str, bytes]) -> None:
        """Queue artifacts for the study's own run, content by relative path, such as the report."""
        with self.writer.on_callers_account():
            if folder := self.writer.put(files):
                self.writer.submit(Files(self._run, folder))
            else:
                self.writer.count_lost()

    def log_images(self, tiles: NDArray[np.uint8], digest: str) -> None:
        """Queue the validation images that all trials share, as one picture; see `tunetrack.tracking.sprites`."""
        self.log_files(sprite_files(tiles, digest))

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Queue metrics of the study as a whole, such as the best value so far."""
        with self.writer.on_callers_account():
            self.writer.submit(Log(self._run, points(metrics, step, now())))

    def log_machine(self, machine: str) -> None:
        """Queue the description of the machine that the study runs on."""
        with self.writer.on_callers_account():
            self.writer.submit(Log(self._run, tags={Tag.MACHINE: machine}))

    def log_dataset(self, dataset: DatasetInfo, trial: TrialRun | None = None) -> None:
        """Queue the data set as MLflow's dataset input of the study, or of one trial."""
        with self.writer.on_callers_account():
            self.writer.submit(Inputs(trial.run if trial else self._run, dataset))

    def log_model(self, module: NeuralNetwork, example: np.ndarray, request: ModelRequest) -> str:
        """Log a finished model on its trial's run and wait until it is there.

        Args:
            module: the trained model, in eval mode or not; it is exported in eval mode, on the CPU.
            example: float32 images as the model takes them, shape (n >= 2, channels, height, width); of
                volumes (n >= 2, channels, depth, height, width).
            request: the trial's run, and what to write beside the model.

        Returns:
            The model's URI, ``models:/m-…``.

        Raises:
            TrackingError: the store failed, or the example does not fit.
        """
        if not self.flush():
            why = self.writer.status.trouble or "what was queued before it is not sent yet"
            raise TrackingError(f"the model of run {request.run_id} cannot be logged: {why}")
        return log_model(self.calls, self.experiment_id, module, example, request)

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until everything queued is sent.

        Args:
            timeout: seconds; None: until nothing could be sent for half a minute.

        Returns:
            Whether everything was sent in time; what the store refused for good counts as sent.
        """
        return self.writer.flush(timeout)

    def describe(self, markdown: str, report: bool = False) -> None:
        """Queue a description of the study as it now stands.

        Args:
            markdown: the outcome so far, in words.
            report: whether the report is, or will be, among the run's files.
        """
        with self.writer.on_callers_account():
            note = describe_study(self.info, markdown, self._links(report))
            self.writer.submit(Log(self._run, tags={Tag.NOTE: note}))

    def rank_params(self, important: Sequence[str]) -> None:
        """Queue the saved view once more, with the searched parameters in another order.

        Args:
            important: their paths, the most important first.
        """
        with self.writer.on_callers_account():
            self.info = replace(self.info, important=tuple(important))
            self.writer.submit(Log(self._run, tags=important_tags(self.info)))
            if tag := view_tag(self.info, self.experiment_id):
                self.writer.submit(View(self._run, *tag))

    def finish(
        self,
        state: StudyState,
        markdown: str = "",
        best_trial: int | None = None,
        report: bool = False,
        stopped: str = "",
    ) -> None:
        """Queue the study's state, its outcome in words, and the end of the run; `flush` says whether it was sent.

        Args:
            state: a final state.
            markdown: the outcome in words, the best trial included; comes first in the run's description.
            best_trial: number of the best trial, where there is one.
            report: whether the report is, or will be, among the run's files.
            stopped: why it gets no further trial, in words.
        """
        note = describe_study(self.info, markdown, self._links(report))
        tags: dict[str, str] = {Tag.STUDY_STATE: state.value, Tag.NOTE: note}
        if best_trial is not None:
            tags[Tag.STUDY_BEST_TRIAL] = str(best_trial)
        if stopped:
            tags[Tag.STUDY_STOPPED] = stopped
        self.writer.submit(Log(self._run, tags=tags), End(self._run, STUDY_STATUS[state], now()), durable=True)

    def killed(self, reason: str = "interrupted") -> None:
        """Queue the end of the study, and of every trial that is still running in this process, as KILLED."""
        for trial in list(self._running.values()):
            trial.finish(TrialOutcome(TrialState.KILLED, reason=reason))
        self.finish(
            StudyState.KILLED, f"The study was stopped: {reason}. `tunetrack resume {self.info.name}` goes on with it."
        )

    def _links(self, report: bool = False) -> dict[str, str]:
        """Address by title, relative to the page of MLflow's UI that shows them."""
        charts = view_url("", self.experiment_id, view_id(self.experiment_id, self.info.name)).removeprefix("/")
        links = {"Compare the trials": f"tunetrack/studies/{self.run_id}", "Charts in MLflow": charts}
        if report:
            place = f"#/experiments/{self.experiment_id}/runs/{self.run_id}/artifacts/{File.REPORT}"
            links["Report"] = f"{place}?workflowType=machine_learning"
        return links

    def _forget(self, trial: TrialRun) -> None:
        """Take a trial that has ended off the list of those that `killed` ends."""
        self._running.pop(trial.number, None)


def _further_tags(params: Mapping[str, ParamValue], worker: str) -> dict[str, str]:
    tags: dict[str, str] = {Tag.TRIAL_WORKER: worker} if worker else {}
    return tags | ({Tag.VALIDATION: FROM_TEST_IMAGES} if params.get("data.faithful") is True else {})
