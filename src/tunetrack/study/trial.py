"""Runs one trial: whether it can be built, its training, and how it ended in numbers and words."""

from __future__ import annotations

import itertools
import math
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

from tunetrack import training
from tunetrack.errors import (
    CheckpointError,
    InfeasibleConfigError,
    LeaseLostError,
    LedgerError,
    TrackingError,
    TrainingDivergedError,
    TunetrackError,
)
from tunetrack.spec import (
    EpochRecord,
    Evaluation,
    Finding,
    ModelSummary,
    Objective,
    Predictions,
    TrialConditions,
    TrialConfig,
    TrialOutcome,
    TrialState,
)
from tunetrack.spec.constraints import Constraint, violations
from tunetrack.spec.records import LATENCY, pruned_reason
from tunetrack.study.health import HealthJudge
from tunetrack.study.objectives import excesses, final_metrics, measures_latency, running_value

__all__ = ["TrialResult", "TrialWatch", "run_trial"]

#: Most of a trial's time that its checkpoints may take; where writing one takes more, some epochs go without.
CHECKPOINT_SHARE = 0.01
#: What the first one is taken to cost, seconds: that of a small network. A trial shorter than a hundred times that has
#: none, and begins anew.
FIRST_COST = 0.01


@dataclass(frozen=True)
class TrialWatch:
    """What accompanies a running trial.

    Attributes:
        epoch: called with every record, the first objective's running value, and whether the epoch would be trained
            again after a crash, since the checkpoint does not hold it yet; True stops the trial as pruned.
        interruptible: entered with the seconds that it will probably take (infinity: unknown) while the trainer
            computes, left while anything is written.
        stopping: whether the study is about to be stopped.
        conditions: called before the first epoch, and again when memory has forced smaller micro-batches.
        finding: called with everything that a rule of `weights.health` finds, once a rule.
        checkpoint: where the trial's state is kept after its epochs, and gone on from where it is; None: nowhere.
        note: told what the user should know, as a sentence.
        control: whether it is of the control sample: it is not stopped then, and when it would have been is noted.
        constraints: limits that the trial's numbers are judged by.
    """

    epoch: Callable[[EpochRecord, float, bool], bool] = lambda record, value, unsaved: False
    interruptible: Callable[[float], AbstractContextManager[object]] = lambda seconds: nullcontext()
    stopping: Callable[[], bool] = lambda: False
    conditions: Callable[[TrialConditions], None] = lambda conditions: None
    finding: Callable[[Finding], None] = lambda finding: None
    checkpoint: Path | None = None
    note: Callable[[str], None] = lambda text: None
    control: bool = False
    constraints: Sequence[Constraint] = ()


@dataclass(frozen=True)
class TrialResult:
    """All that a finished trial leaves.

    Attributes:
        outcome: its state, values and final numbers.
        records: its epochs in order.
        evaluation: its answers on the validation images; None where it was not trained to the end.
        weights: its state dict as a file's content, also of a pruned trial; None where it has none.
        traceback: of the exception that ended it; empty otherwise.
        findings: what the rules of `weights.health` have found, in the order in which it was found.
        predictions: its answer to every validation image, also of a pruned trial; None of one without an end.
        model: its layers; None where it cannot be built.
    """

    outcome: TrialOutcome
    records: tuple[EpochRecord, ...] = ()
    evaluation: Evaluation | None = None
    weights: bytes | None = field(default=None, repr=False)
    traceback: str = ""
    findings: tuple[Finding, ...] = ()
    predictions: Predictions | None = field(default=None, repr=False)
    model: ModelSummary | None = field(default=None, repr=False)


def run_trial(
    config: TrialConfig, objectives: Sequence[Objective], data: training.ResidentData, watch: TrialWatch
) -> TrialResult:
    """Trains one configuration and never raises for what is wrong with it.

    A configuration that cannot be built gives INFEASIBLE, and so does one that breaks a constraint on a number that is
    known before it is trained. Other constraints are judged at its end, and it stays COMPLETE. An exception in
    training, a loss that is not finite included, gives FAILED with its reason. A rule of `weights.health` that says so
    ends it as PRUNED, unless all epochs are done: there is nothing to be saved then, and the result is known.

    What has diverged stays FAILED also where `health.non_finite` says `prune`: a pruned trial counts for samplers with
    its last value, which would be that of an epoch before it fell apart; a failed one has none.

    Raises:
        KeyboardInterrupt: the user, or a signal, stopped it.
        LedgerError: `watch` could not report.
        LeaseLostError: another worker has taken over the trial.
        TrackingError: `watch` could not log.
    """
    model = None
    try:
        model = training.summarise(config, data.input_shape, len(data.classes))
        if broken := _broken_before(watch.constraints, model):
            return TrialResult(broken, model=model)
        fit = training.fit(config, data)
    except InfeasibleConfigError as error:
        metrics = {} if model is None else model.metrics()
        return TrialResult(TrialOutcome(TrialState.INFEASIBLE, reason=str(error), metrics=metrics), model=model)
    except Exception as error:
        return TrialResult(TrialOutcome(TrialState.FAILED, reason=_reason(error)), traceback=traceback.format_exc())
    try:
        return replace(_Run(fit, objectives, watch, model.metrics()).result(), model=model)
    finally:
        del fit
        training.release_memory()


def _broken_before(constraints: Sequence[Constraint], model: ModelSummary) -> TrialOutcome | None:
    """The end of a trial whose model breaks a constraint before it is trained; None where it does not."""
    found = excesses(constraints, model.metrics())
    broken = violations(constraints, found)
    if not broken:
        return None
    reason = f"breaks the constraint {' and '.join(broken)}; not trained"
    return TrialOutcome(TrialState.INFEASIBLE, None, reason, model.metrics(), constraints=found, violates=broken)


class _Run:
    """One trial while it runs."""

    def __init__(
        self, fit: training.Fit, objectives: Sequence[Objective], watch: TrialWatch, model: dict[str, float]
    ) -> None:
        self._fit, self._objectives, self._watch, self._model = fit, objectives, watch, model
        self._records: list[EpochRecord] = []
        self._told: TrialConditions | None = None
        self._told_unsaved = False
        self._would_prune_at: int | None = None
        self._judge = HealthJudge(fit.config.weights.health)

    def result(self) -> TrialResult:
        """Trains, and says how that ended."""
        result = self._trained()
        return replace(result, outcome=replace(result.outcome, would_prune_at=self._would_prune_at))

    def _trained(self) -> TrialResult:
        fit, watch = self._fit, self._watch
        try:
            kept = self._resumed()
            self._tell_conditions()
            epochs = _interruptibly(iter(fit), watch, kept[-1].epoch_seconds if kept else math.inf)
            for record, unsaved in itertools.chain(((record, False) for record in kept), self._saved(epochs, kept)):
                self._records.append(record)
                self._tell_conditions()
                stop = watch.epoch(record, running_value(self._objectives[0], self._records, self._model), unsaved)
                found = self._tell(self._judge.see(record))
                if stop and watch.control:
                    self._would_prune_at = self._would_prune_at or record.epoch
                elif stop:
                    return self._pruned()
                if not fit.finished and (sick := next((finding for finding in found if finding.prune), None)):
                    return self._pruned(sick)
            with watch.interruptible(math.inf):
                evaluation = fit.validated or fit.evaluate("validation")
                if measures_latency(self._objectives, watch.constraints):
                    self._model[LATENCY] = training.latency_ms(fit.model, fit.data, fit.config.trainer)
                weights = training.weights_to_bytes(fit.state_dict())
        except (LeaseLostError, LedgerError, TrackingError):  # of those who watch, not of the trial
            raise
        except Exception as error:  # whatever the trainer or a model of the user's own raises ends this trial alone
            reason, text = _reason(error), traceback.format_exc()
            if isinstance(error, TrainingDivergedError):
                self._tell(self._judge.diverged(error, len(self._records) + 1))
        else:
            values = (running_value(goal, self._records, self._model) for goal in self._objectives)
            metrics = self._metrics() | evaluation.group_metrics("final/validation")
            limits = excesses(watch.constraints, self._records[-1].metrics() | metrics)
            broken = violations(watch.constraints, limits)
            outcome = TrialOutcome(
                TrialState.COMPLETE, tuple(values), metrics=metrics, constraints=limits, violates=broken
            )
            records, found = tuple(self._records), self._judge.findings
            return TrialResult(outcome, records, evaluation, weights, "", found, evaluation.predictions)
        self._tell_conditions()
        outcome = TrialOutcome(TrialState.FAILED, reason=reason, metrics=self._metrics())
        return TrialResult(outcome, tuple(self._records), traceback=text, findings=self._judge.findings)

    def _resumed(self) -> tuple[EpochRecord, ...]:
        """Goes on from the checkpoint, where there is one; the epochs that it holds."""
        path = self._watch.checkpoint
        if path is None or not path.exists():
            return ()
        try:
            with self._watch.interruptible(math.inf):
                return self._fit.resume(path)
        except CheckpointError as error:
            self._watch.note(f"This trial begins anew: {error}")
            return ()

    def _saved(self, epochs: Iterator[EpochRecord], kept: Sequence[EpochRecord]) -> Iterator[tuple[EpochRecord, bool]]:
        """The epochs, each with whether it is missing in a checkpoint; very short ones are not saved every time."""
        path, so_far = self._watch.checkpoint, list(kept)
        began, spent, cost = time.perf_counter(), 0.0, FIRST_COST
        for record in epochs:
            so_far.append(record)
            now = time.perf_counter()
            due = (now - began) * CHECKPOINT_SHARE >= spent + cost or self._watch.stopping()
            saved = False
            if path is not None and due:
                saved = self._save(path, so_far)
                cost = time.perf_counter() - now
                spent += cost
            yield record, path is not None and not saved

    def _save(self, path: Path, so_far: Sequence[EpochRecord]) -> bool:
        """Whether a checkpoint could be written; the first one that could not be is told."""
        try:
            self._fit.save(path, so_far)
        except CheckpointError as error:
            if not self._told_unsaved:
                self._watch.note(
                    f"{error}. Training goes on; should it be interrupted, the epochs since the last checkpoint are "
                    "trained again."
                )
            self._told_unsaved = True
            return False
        return True

    def _tell(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        for finding in findings:
            self._watch.finding(finding)
        return findings

    def _tell_conditions(self) -> None:
        if self._told != self._fit.conditions:
            self._told = self._fit.conditions
            self._watch.conditions(self._told)

    def _metrics(self) -> dict[str, float]:
        return final_metrics(self._records, self._model, self._fit.peak_memory_mb)

    def _pruned(self, cause: Finding | None = None) -> TrialResult:
        reason = pruned_reason(self._records[-1].epoch, self._fit.config.trainer.epochs, cause)
        outcome = TrialOutcome(TrialState.PRUNED, reason=reason, metrics=self._metrics())
        with self._watch.interruptible(math.inf):  # the last epoch may have been trained before this process began
            looked = self._fit.validated or self._fit.evaluate("validation")
        weights = training.weights_to_bytes(self._fit.state_dict())
        return TrialResult(outcome, tuple(self._records), None, weights, "", self._judge.findings, looked.predictions)


def _reason(error: Exception) -> str:
    return str(error) if isinstance(error, TunetrackError) else f"{type(error).__name__}: {error}"


def _interruptibly(epochs: Iterator[EpochRecord], watch: TrialWatch, seconds: float) -> Iterator[EpochRecord]:
    while True:
        with watch.interruptible(seconds):
            record = next(epochs, None)
        if record is None:
            return
        seconds = record.epoch_seconds
        yield record
