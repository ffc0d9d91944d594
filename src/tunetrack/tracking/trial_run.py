"""Knows how one trial becomes an MLflow run: its epochs, its states and tags, and an ending that counts or does not."""

from __future__ import annotations

import math
import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from tunetrack.spec.records import EpochRecord, TrialConditions, TrialOutcome, TrialState
from tunetrack.spec.weight_records import Finding
from tunetrack.tracking.artifacts import TrialArtifacts, texts_among, trial_files
from tunetrack.tracking.commands import Decision, End, Files, Group, Log, Point, RunRef, Texts
from tunetrack.tracking.names import HEALTHY, RUN_STATUS, File, Tag
from tunetrack.tracking.sending.writer import BackgroundWriter
from tunetrack.tracking.study_info import StudyInfo

__all__ = ["Ending", "TrialRun", "now", "points"]

#: Seconds that somebody who needs a run's id waits for it.
_RUN_ID_SECONDS = 60.0


class Ending:
    """How a trial has ended, written down but not sent. `send` it once the search state knows the outcome too.

    Should the process die before it has said either, whoever takes up its spool sends the ending if the search state
    knows the trial as finished, and forgets it else.

    Attributes:
        on_disk: whether all of it is on the disk itself, and not in memory, or nowhere, because that is full.
    """

    def __init__(
        self, writer: BackgroundWriter, number: int, parts: Sequence[Log | Texts], end: End, files: Mapping[str, bytes]
    ) -> None:
        self._writer = writer
        self._number = number
        self._parts, self._end = parts, end
        self._files = files
        self._group, self._decided = "", True
        self._whole = self.on_disk = False
        self.write()

    def write(self) -> bool:
        """Write it down, in place of what was written before where that is not on the disk; gives `on_disk`.

        Raises:
            TrackingError: the writer is closed, or belongs to the parent process.
        """
        if self._group and (self.on_disk or not self._writer.settle()):
            return self.on_disk
        with self._writer.on_callers_account():
            self._decide(False)
            self._group, self._decided = uuid.uuid4().hex, False
            parts: list[Log | Texts | Files | End] = [*self._parts]
            folder = self._writer.put(self._files) if self._files else None
            if folder is not None:
                parts.append(Files(self._end.run, folder))
            self._whole = folder is not None or not self._files
            group = Group(self._group, self._number, self._end.at, (*parts, self._end))
            self.on_disk = self._writer.submit(group, durable=True) and self._whole
        return self.on_disk

    def send(self) -> None:
        """Release it; returns at once. A second decision has no effect.

        Raises:
            TrackingError: the writer is closed, or belongs to the parent process.
        """
        if not self._whole:
            self._writer.count_lost()
        with self._writer.on_callers_account():
            self._decide(True)

    def drop(self) -> None:
        """Forget it: the trial is run again, or another worker has it now. A second decision has no effect.

        Raises:
            TrackingError: the writer is closed, or belongs to the parent process.
        """
        with self._writer.on_callers_account():
            self._decide(False)

    def _decide(self, send: bool) -> None:
        if not self._decided:
            self._decided = True
            self._writer.submit(Decision(self._group, send))


class TrialRun:
    """One trial as an MLflow run. Every method returns at once; the sending happens in the background.

    All methods raise TrackingError where the writer is closed or belongs to the parent process, and never for trouble
    of the store.
    """

    def __init__(
        self,
        writer: BackgroundWriter,
        study: StudyInfo,
        run: RunRef,
        number: int,
        name: str,
        forget: Callable[[TrialRun], None],
    ) -> None:
        self._writer = writer
        self._study = study
        self._run = run
        self._forget = forget
        self._epochs: list[EpochRecord] = []
        self._held: list[EpochRecord] = []
        self._notes: tuple[str, ...] = ()
        self.number = number
        self.name = name

    @property
    def run(self) -> RunRef:
        """Which run this is, whether or not it has been created."""
        return self._run

    @property
    def run_id(self) -> str:
        """MLflow's id of this run; waits until the background thread has found or created it.

        Raises:
            TrackingError: that has not happened within a minute.
        """
        return self._writer.run_id(self._run, _RUN_ID_SECONDS)

    def log_epoch(self, record: EpochRecord, held: bool = False) -> None:
        """Queue an epoch's metrics at step = epoch.

        Args:
            record: the epoch.
            held: whether it may be trained again after a crash, because no checkpoint has it yet. It is then kept in
                memory and queued with the next one that is not held, or with the trial's ending.
        """
        with self._writer.on_callers_account():
            self._epochs.append(record)
            self._held.append(record)
            if not held:
                self._writer.submit(Log(self._run, self._held_points()))

    def log_conditions(self, conditions: TrialConditions) -> None:
        """Queue what the trial really uses, as tags: a trial that is run again may find other conditions."""
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
        with self._writer.on_callers_account():
            self._writer.submit(Log(self._run, tags=tags))

    def log_metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Queue further metrics, such as the summary of an epoch's weight statistics."""
        with self._writer.on_callers_account():
            self._writer.submit(Log(self._run, points(metrics, step, now())))

    def finish(self, outcome: TrialOutcome, artifacts: TrialArtifacts | None = None) -> None:
        """Queue all that ends the trial: `ending`, sent at once."""
        self.ending(outcome, artifacts).send()

    def abandon(self) -> None:
        """Say nothing more about this trial: another worker has it now, and goes on in the same run."""
        self._held.clear()
        self._forget(self)

    def ending(self, outcome: TrialOutcome, artifacts: TrialArtifacts | None = None) -> Ending:
        """Write down the final metrics, the artifacts, the state and the end of the run, all of it or nothing.

        It is on the disk itself when this returns, unless that is full (`Ending.on_disk`), and not sent before
        `Ending.send`. Epochs that were held are part of it, unless the trial was KILLED: they will be trained again.

        Args:
            outcome: how the trial ended; its values become the metric ``objective`` (``objective/<metric>`` where
                the study has several objectives).
            artifacts: files to leave, and what was found in the weights; default: the figures of the epochs alone.
        """
        with self._writer.on_callers_account():
            if outcome.state is TrialState.KILLED:
                self._epochs = self._epochs[: len(self._epochs) - len(self._held)]
                self._held.clear()
            end = now()
            leaves = artifacts or TrialArtifacts()
            log = Log(
                self._run, self._held_points() + self._final_points(outcome, end), tags=self._tags(outcome, leaves)
            )
            title = f"{self._study.name}  trial {self.number}"
            if outcome.state is not TrialState.COMPLETE:
                title += f"  ({outcome.state.value})"
            files = trial_files(title, self._epochs, leaves)
            texts = texts_among(files)
            documents = {} if leaves.config is None else {File.CONFIG: dict(leaves.config)}
            parts: list[Log | Texts] = [log]
            if texts or documents:
                parts.append(Texts(self._run, texts, documents))
            rest = {path: content for path, content in files.items() if path not in texts}
            self._forget(self)
        return Ending(self._writer, self.number, parts, End(self._run, RUN_STATUS[outcome.state], end), rest)

    def _held_points(self) -> tuple[Point, ...]:
        # Under the epoch's own time: a trial that goes on from a checkpoint gives the same points again, and MLflow
        # keeps equal points once.
        held, self._held = self._held, []
        return sum((points(record.metrics(), record.epoch, _ended(record)) for record in held), ())

    def _final_points(self, outcome: TrialOutcome, end: int) -> tuple[Point, ...]:
        metrics = dict(outcome.metrics)
        if outcome.values is not None:
            metrics |= dict(zip(self._study.objective_metrics, outcome.values, strict=True))
        return points(metrics, 0, _ended(self._epochs[-1]) if self._epochs else end)

    def _tags(self, outcome: TrialOutcome, leaves: TrialArtifacts) -> dict[str, str]:
        tags: dict[str, str] = {Tag.TRIAL_STATE: outcome.state.value, Tag.TRIAL_REASON: outcome.reason}
        if outcome.duplicate_of is not None:
            tags[Tag.TRIAL_DUPLICATE_OF] = str(outcome.duplicate_of)
        if outcome.would_prune_at is not None:
            tags[Tag.TRIAL_WOULD_PRUNE_AT] = str(outcome.would_prune_at)
        if outcome.violates:
            tags[Tag.TRIAL_VIOLATES] = "; ".join(outcome.violates)
        judged = bool(leaves.findings) or any(epoch.weights is not None for epoch in self._epochs)
        # A trial that was interrupted will be run again, and may then be found to be healthier.
        if outcome.state is not TrialState.KILLED and judged:
            tags |= _health_tags(leaves.findings, self._notes)
        return tags


def points(metrics: Mapping[str, float], step: int, at: int) -> tuple[Point, ...]:
    """Metrics of one step, at one time in ms since 1970."""
    # MLflow stores infinity as 1.8e308, which ruins every axis; NaN says as much and is left out of plots.
    return tuple([(name, math.nan if math.isinf(value) else float(value), at, step) for name, value in metrics.items()])


def now() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _ended(record: EpochRecord) -> int:
    return round(1000 * record.ended) or now()


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
