"""Runs one trial: whether it can be built, its training, and how it ended in numbers and words."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from tunetrack import training
from tunetrack.errors import InfeasibleConfigError, LedgerError, TrackingError, TunetrackError
from tunetrack.spec import EpochRecord, Evaluation, Objective, TrialConfig, TrialOutcome, TrialState
from tunetrack.study.objectives import final_metrics, running_value

__all__ = ["TrialResult", "TrialWatch", "run_trial"]


@dataclass(frozen=True)
class TrialWatch:
    """What accompanies a running trial.

    Attributes:
        epoch: called with every record and the first objective's running value; True stops the trial as pruned.
        interruptible: entered while the trainer computes, left while anything is written.
    """

    epoch: Callable[[EpochRecord, float], bool] = lambda record, value: False
    interruptible: Callable[[], AbstractContextManager[object]] = nullcontext


@dataclass(frozen=True)
class TrialResult:
    """All that a finished trial leaves.

    Attributes:
        outcome: its state, values and final numbers.
        records: its epochs in order.
        evaluation: its answers on the validation images; None where it was not trained to the end.
        weights: its state dict as a file's content, also of a pruned trial; None where it has none.
        traceback: of the exception that ended it; empty otherwise.
    """

    outcome: TrialOutcome
    records: tuple[EpochRecord, ...] = ()
    evaluation: Evaluation | None = None
    weights: bytes | None = field(default=None, repr=False)
    traceback: str = ""


def run_trial(
    config: TrialConfig, objectives: Sequence[Objective], data: training.ResidentData, watch: TrialWatch
) -> TrialResult:
    """Trains one configuration and never raises for what is wrong with it.

    A configuration that cannot be built gives INFEASIBLE; an exception in training, a loss that is not finite
    included, gives FAILED with its reason.

    Raises:
        KeyboardInterrupt: the user, or a signal, stopped it.
        LedgerError: `watch` could not report.
        TrackingError: `watch` could not log.
    """
    records: list[EpochRecord] = []
    model: dict[str, float] = {}
    try:
        model = training.summarise(config, data.input_shape, len(data.classes)).metrics()
        fit = training.fit(config, data)
        for record in _interruptibly(iter(fit), watch):
            records.append(record)
            if watch.epoch(record, running_value(objectives[0], records, model)):
                return _pruned(fit, records, model)
        with watch.interruptible():
            evaluation = fit.evaluate("validation")
            weights = training.weights_to_bytes(fit.state_dict())
    except InfeasibleConfigError as error:
        return TrialResult(TrialOutcome(TrialState.INFEASIBLE, reason=str(error), metrics=model))
    except (LedgerError, TrackingError):  # of those who watch, not of the trial
        raise
    except Exception as error:  # whatever the trainer or a model of the user's own raises ends this trial alone
        reason = str(error) if isinstance(error, TunetrackError) else f"{type(error).__name__}: {error}"
        outcome = TrialOutcome(TrialState.FAILED, reason=reason, metrics=final_metrics(records, model))
        return TrialResult(outcome, tuple(records), traceback=traceback.format_exc())
    outcome = TrialOutcome(
        TrialState.COMPLETE,
        values=tuple(running_value(objective, records, model) for objective in objectives),
        metrics=final_metrics(records, model) | evaluation.group_metrics("final/validation"),
    )
    return TrialResult(outcome, tuple(records), evaluation, weights)


def _interruptibly(epochs: Iterator[EpochRecord], watch: TrialWatch) -> Iterator[EpochRecord]:
    while True:
        with watch.interruptible():
            record = next(epochs, None)
        if record is None:
            return
        yield record


def _pruned(fit: training.Fit, records: list[EpochRecord], model: dict[str, float]) -> TrialResult:
    reason = f"pruned after epoch {records[-1].epoch} of {fit.config.trainer.epochs}"
    outcome = TrialOutcome(TrialState.PRUNED, reason=reason, metrics=final_metrics(records, model))
    return TrialResult(outcome, tuple(records), weights=training.weights_to_bytes(fit.state_dict()))
