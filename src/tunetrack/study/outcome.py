"""Reads a study's result from ledger and tracking store, and says it in words."""

from __future__ import annotations

from tunetrack.ledger import Ledger
from tunetrack.spec import TrialState
from tunetrack.spec.records import pruning_rule
from tunetrack.study.place import Place
from tunetrack.study.result import HeldOut, StudyResult, StudyTrial
from tunetrack.tracking import TrackingStore, trial_runs

__all__ = ["in_words", "read_result"]


def read_result(ledger: Ledger, store: TrackingStore | None, place: Place) -> StudyResult:
    """A study as it stands.

    Args:
        ledger: the study's search state.
        store: where its runs are; None leaves the run ids out.
        place: names the tracking store in the result.

    Raises:
        LedgerError: the search state cannot be read.
        TrackingError: the tracking store cannot be read.
    """
    attributes = ledger.attributes()
    run_id = attributes.get("mlflow_run_id")
    runs = trial_runs(store, run_id) if store is not None and run_id else {}
    searched = ledger.spec.searched_paths
    return StudyResult(
        name=ledger.name,
        objectives=ledger.spec.objectives,
        searched=searched,
        trials=tuple(
            StudyTrial(record, runs.get(record.number), searched, place.tracking) for record in ledger.trials()
        ),
        run_id=run_id,
        experiment_id=attributes.get("mlflow_experiment_id"),
        tracking_uri=place.tracking,
        validation_images=attributes.get("validation_images"),
        looks=tuple(HeldOut(**look) for look in attributes.get("test_looks", ())),
        validates_on_test_images=ledger.spec.validates_on_test_images,
    )


def in_words(result: StudyResult) -> str:
    """The outcome as a paragraph of Markdown: the winner, how sure one can be, and what became of the others."""
    best = result.best
    if best is None or best.value is None:
        reasons = sorted({trial.record.reason for trial in result.trials if trial.record.reason})
        return f"no trial of {result.name} gave a value" + (f": {'; '.join(reasons[:3])}" if reasons else "")
    metric = str(result.objectives[0].metric)
    error = result.standard_error
    exact = f" ± {error:.4f} (standard error from {result.validation_images} images)" if error else ""
    lines = [f"**Best: trial {best.number}** with {metric} {best.value:.4f}{exact}."]
    if len(result.objectives) > 1:
        lines = [result.front_in_words()]
    if error:
        near = result.within_standard_error()
        if near:
            lines.append(f"{near} other trial{'s lie' if near > 1 else ' lies'} within one standard error of it.")
    if result.test is not None:
        lines.append(f"{result.test_in_words()}.")
    if result.validates_on_test_images:
        lines.append(f"{result.protocol_in_words()}.")
    counts = result.counts()
    sick = sum(pruning_rule(trial.record.reason) is not None for trial in result.trials)
    by_health = {TrialState.PRUNED: f" ({sick} by health rules)" if sick else ""}
    states = (f"{counts[s]} {s.value}{by_health.get(s, '')}" for s in TrialState if s in counts)
    lines.append(f"Trials: {', '.join(states)}.")
    return " ".join(lines)
