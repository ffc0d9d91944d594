"""Knows how a study and its trials become MLflow runs: parent and children, states, tags, and their order of writes."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

import numpy as np

from tunetrack._version import __version__
from tunetrack.spec.records import EpochRecord, TrialConditions, TrialOutcome, TrialState
from tunetrack.spec.weight_records import Finding
from tunetrack.tracking.artifacts import TrialArtifacts, trial_files
from tunetrack.tracking.datasets import DatasetInfo, dataset_inputs
from tunetrack.tracking.mlflow_calls import MlflowCalls, RunAddress
from tunetrack.tracking.models import ModelRequest, NeuralNetwork, log_model
from tunetrack.tracking.names import (
    FROM_TEST_IMAGES,
    HEALTHY,
    RUN_STATUS,
    STUDY_STATUS,
    RunKind,
    RunStatus,
    StudyState,
    Tag,
)
from tunetrack.tracking.study_info import StudyInfo, describe_study
from tunetrack.tracking.values import ParamValue, encode_params
from tunetrack.tracking.writer import Action, BackgroundWriter, Batch, RunSlot

__all__ = ["StudyRun", "TrialRun"]


class TrialRun:
    """One trial as an MLflow run. Every method returns at once; the writing happens in the background."""

    def __init__(self, study: StudyRun, number: int, name: str, slot: RunSlot) -> None:
        self._study = study
        self._slot = slot
        self._epochs: list[EpochRecord] = []
        self._notes: tuple[str, ...] = ()
        self.number = number
        self.name = name

    @property
    def run_id(self) -> str:
        """MLflow's id of this run; waits until the background thread has created it.

        Raises:
            TrackingError: the run could not be created.
        """
        if self._slot.run_id is None:
            self._study.flush()
        return self._slot.known()

    def log_epoch(self, record: EpochRecord) -> None:
        """Queue an epoch's metrics at step = epoch.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        with self._study.writer.on_callers_account():
            self._epochs.append(record)
            # Under the epoch's own time: a trial that goes on from a checkpoint gives the same points again, and MLflow
            # keeps equal points once.
            ended = round(1000 * record.ended) or None
            self._study.writer.submit(_metrics_batch(self._slot, record.metrics(), record.epoch, ended))

    def log_conditions(self, conditions: TrialConditions) -> None:
        """Queue what the trial really uses, as tags: a trial that is run again may find other conditions.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        tags = {f"{Tag.SEED_PREFIX}{stream}": str(seed) for stream, seed in conditions.seeds.items()} | {
            Tag.USED_DEVICE: conditions.device,
            Tag.USED_PRECISION: conditions.precision,
            Tag.USED_THREADS: str(conditions.threads),
        }
        if conditions.micro_batch is not None:
            tags[Tag.USED_MICRO_BATCH] = str(conditions.micro_batch)
        if conditions.notes:
            self._notes = conditions.notes
            tags[Tag.NOTE] = "\n\n".join(conditions.notes)
        with self._study.writer.on_callers_account():
            self._study.writer.submit(Batch(self._slot, tags=tags))

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Queue further metrics, such as the summary of an epoch's weight statistics.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        with self._study.writer.on_callers_account():
            self._study.writer.submit(_metrics_batch(self._slot, metrics, step))

    def finish(self, outcome: TrialOutcome, artifacts: TrialArtifacts | None = None) -> None:
        """Queue the final metrics, the artifacts, the state and the end of the run.

        Args:
            outcome: how the trial ended; its values become the metric ``objective`` (``objective/<metric>`` where
                the study has several objectives).
            artifacts: files to leave, and what was found in the weights; default: the figures of the epochs alone.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        with self._study.writer.on_callers_account():
            metrics = dict(outcome.metrics)
            if outcome.values is not None:
                metrics |= dict(zip(self._study.info.objective_metrics, outcome.values, strict=True))
            last = _metrics_batch(self._slot, metrics, step=0)
            last.tags = {Tag.TRIAL_STATE: outcome.state.value, Tag.TRIAL_REASON: outcome.reason}
            if outcome.duplicate_of is not None:
                last.tags[Tag.TRIAL_DUPLICATE_OF] = str(outcome.duplicate_of)
            leaves = artifacts or TrialArtifacts()
            judged = bool(leaves.findings) or any(epoch.weights is not None for epoch in self._epochs)
            # A trial that was interrupted will be run again, and may then be found to be healthier.
            if outcome.state is not TrialState.KILLED and judged:
                last.tags |= _health_tags(leaves.findings, self._notes)
            end = _now()
            self._study.writer.submit(
                last,
                Action(self._slot, lambda: self._write_files(outcome.state, leaves)),
                Action(self._slot, lambda: self._end(RUN_STATUS[outcome.state], end)),
            )
            self._study.forget(self)

    def _write_files(self, state: TrialState, artifacts: TrialArtifacts) -> None:
        title = f"{self._study.info.name}  {self.name}" + ("" if state is TrialState.COMPLETE else f"  ({state.value})")
        files = trial_files(title, self._epochs, artifacts)
        if files:
            self._study.calls.write_files(self._slot.known(), files)

    def _end(self, status: RunStatus, end: int) -> None:
        self._study.calls.set_status(self._slot.known(), status, end)


class StudyRun:
    """A study as an MLflow run, the parent of its trials' runs."""

    def __init__(self, calls: MlflowCalls, writer: BackgroundWriter, info: StudyInfo, address: RunAddress) -> None:
        self.calls = calls
        self.writer = writer
        self.info = info
        self.run_id = address.run_id
        self.experiment_id = address.experiment_id
        self.resumed = address.resumed
        self._slot = RunSlot(address.run_id)
        self._running: dict[int, TrialRun] = {}

    def open_trial(
        self, number: int, params: Mapping[str, ParamValue], name: str | None = None, existing: bool = False
    ) -> TrialRun:
        """Queue the creation of a trial's run and return at once.

        Args:
            number: the trial's number, from 0.
            params: every concrete value by dotted path.
            name: the run's name; default ``trial-007``.
            existing: whether a run of this trial may be there already (a retry, or the study was resumed). It is then
                looked up and set to RUNNING again instead of being created twice.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        with self.writer.on_callers_account():
            slot = RunSlot()
            trial = TrialRun(self, number, name or f"trial-{number:03d}", slot)
            start = _now()
            self.writer.submit(
                Action(slot, lambda: slot.resolve(self._create(trial, start, existing))),
                Batch(slot, params=encode_params(params, self.info.log_scaled), tags=_protocol_tags(params)),
            )
            self._running[number] = trial
            return trial

    def log_files(self, files: Mapping[str, bytes]) -> None:
        """Queue artifacts for the study's own run, content by relative path, such as the report.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        with self.writer.on_callers_account():
            self.writer.submit(Action(self._slot, lambda: self.calls.write_files(self.run_id, files)))

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Queue metrics of the study as a whole, such as the best value so far.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        with self.writer.on_callers_account():
            self.writer.submit(_metrics_batch(self._slot, metrics, step))

    def log_machine(self, machine: str) -> None:
        """Queue the description of the machine that the study runs on.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        with self.writer.on_callers_account():
            self.writer.submit(Batch(self._slot, tags={Tag.MACHINE: machine}))

    def log_dataset(self, dataset: DatasetInfo, trial: TrialRun | None = None) -> None:
        """Queue the data set as MLflow's dataset input of the study, or of one trial.

        Raises:
            TrackingError: something queued earlier could not be written.
        """
        slot = trial._slot if trial else self._slot
        self.writer.submit(Action(slot, lambda: self.calls.log_inputs(slot.known(), dataset_inputs(dataset))))

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
        self.flush()
        return log_model(self.calls, self.experiment_id, module, example, request)

    def flush(self) -> None:
        """Wait until everything queued is written.

        Raises:
            TrackingError: something could not be written.
        """
        self.writer.flush()

    def finish(self, state: StudyState, markdown: str = "", best_trial: int | None = None) -> None:
        """Write what is queued, then the study's state and its outcome in words, and end the run.

        Args:
            state: a final state.
            markdown: the outcome in words, the best trial included; comes first in the run's description.
            best_trial: number of the best trial, where there is one.

        Raises:
            TrackingError: something could not be written.
        """
        tags = {Tag.STUDY_STATE: state.value, Tag.NOTE: describe_study(self.info, markdown)}
        if best_trial is not None:
            tags[Tag.STUDY_BEST_TRIAL] = str(best_trial)
        end = _now()
        self.writer.submit(
            Batch(self._slot, tags=tags),
            Action(self._slot, lambda: self.calls.set_status(self.run_id, STUDY_STATUS[state], end)),
        )
        self.flush()

    def killed(self, reason: str = "interrupted") -> None:
        """End the study and every trial that is still running in this process as KILLED.

        Raises:
            TrackingError: something could not be written.
        """
        for trial in list(self._running.values()):
            trial.finish(TrialOutcome(TrialState.KILLED, reason=reason))
        self.finish(
            StudyState.KILLED, f"The study was stopped: {reason}. The same command with --resume goes on with it."
        )

    def forget(self, trial: TrialRun) -> None:
        """Take a finished trial off the list of those that `killed` ends."""
        self._running.pop(trial.number, None)

    def _create(self, trial: TrialRun, start: int, existing: bool) -> str:
        key = f"{self.info.identity}/{trial.number}"
        if existing and (found := self.calls.find_run(self.experiment_id, {Tag.TRIAL_KEY: key})):
            self.calls.reopen(found, {Tag.TRIAL_STATE: TrialState.RUNNING.value, Tag.TRIAL_REASON: ""})
            return found
        tags = {
            Tag.KIND: RunKind.TRIAL.value,
            Tag.VERSION: __version__,
            Tag.STUDY_NAME: self.info.name,
            Tag.TRIAL_KEY: key,
            Tag.TRIAL_NUMBER: str(trial.number),
            Tag.TRIAL_STATE: TrialState.RUNNING.value,
            Tag.PARENT: self.run_id,
            Tag.SOURCE_NAME: "tunetrack",
        }
        return self.calls.create_run(self.experiment_id, trial.name, tags, start)


def _protocol_tags(params: Mapping[str, ParamValue]) -> dict[str, str]:
    return {Tag.VALIDATION: FROM_TEST_IMAGES} if params.get("data.faithful") is True else {}


def _health_tags(findings: Sequence[Finding], notes: Sequence[str]) -> dict[str, str]:
    """What was found in a trial's weights, as tags, and in its description under the notes that stand there."""
    if not findings:
        return {Tag.WEIGHT_HEALTH: HEALTHY}
    by_rule: dict[str, list[str]] = {}
    for finding in findings:
        by_rule.setdefault(finding.rule, []).append(finding.text)
    lines = [f"- **{finding.rule}** (epoch {finding.epoch}): {finding.text}" for finding in findings]
    return {
        Tag.WEIGHT_HEALTH: ",".join(by_rule),
        **{f"{Tag.WEIGHT_HEALTH_PREFIX}{rule}": "; ".join(texts) for rule, texts in by_rule.items()},
        Tag.NOTE: "\n\n".join([*notes, "Found in the weights:", "\n".join(lines)]),
    }


def _metrics_batch(slot: RunSlot, metrics: Mapping[str, float], step: int, at: int | None = None) -> Batch:
    now = at or _now()
    # MLflow stores infinity as 1.8e308, which ruins every axis; NaN says as much and is left out of plots.
    finite = {name: (math.nan if math.isinf(value) else float(value)) for name, value in metrics.items()}
    return Batch(slot, metrics=[(name, value, now, step) for name, value in finite.items()])


def _now() -> int:
    return time.time_ns() // 1_000_000
