"""Reads a study's result from ledger and tracking store, and says it in words."""

from __future__ import annotations

from tunetrack.ledger import Ledger
from tunetrack.spec import TrialState
from tunetrack.study.place import Place
from tunetrack.study.result import StudyResult, StudyTrial
from tunetrack.tracking import TrackingStore

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
    run_id = ledger.attribute("mlflow_run_id")
    found = store.find_study(run_id) if store is not None and run_id else None
    return StudyResult(
        name=ledger.name,
        objectives=ledger.spec.objectives,
        searched=tuple(dict.fromkeys(parameter.path for parameter in ledger.spec.space.parameters)),
        trials=tuple(
            StudyTrial(record, found.trials.get(record.number) if found else None) for record in ledger.trials()
        ),
        run_id=run_id,
        experiment_id=found.experiment_id if found else None,
        tracking_uri=place.tracking,
        validation_images=ledger.attribute("validation_images"),
        test=ledger.attribute("test"),
    )


def in_words(result: StudyResult) -> str:
    """The outcome as a paragraph of Markdown: the winner, how sure one can be, and what became of the others."""
    best = result.best
    if best is None or best.value is None:
        return "No trial gave a value."
    metric = str(result.objectives[0].metric)
    error = result.standard_error
    exact = f" ± {error:.4f} (standard error from {result.validation_images} images)" if error else ""
    lines = [f"**Best: trial {best.record.number}** with {metric} {best.value:.4f}{exact}."]
    if error:
        near = result.within_standard_error()
        if near:
            lines.append(f"{near} other trial{'s lie' if near > 1 else ' lies'} within one standard error of it.")
    if result.test:
        lines.append(f"Its accuracy on the test images, looked at once: {result.test['test/accuracy']:.4f}.")
    counts = result.counts()
    lines.append("Trials: " + ", ".join(f"{counts[state]} {state.value}" for state in TrialState if state in counts) + ".")
    return " ".join(lines)
