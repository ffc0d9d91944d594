"""Knows which answers a study's one file holds: the study, and the best trials with all that their comparison shows."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Any

from tunetrack.report.curves import curve_metric, curve_trials
from tunetrack.report.single import LIMIT, Answer, SingleFile, render_single
from tunetrack.report.sources import stored_document
from tunetrack.report.values import ranked
from tunetrack.report.views.compare import COMPARED_CURVES, FEWEST_COMPARED, compare_payload
from tunetrack.report.views.confusion import compare_confusion, confusion_payload
from tunetrack.report.views.images import answers, compare_images, sprite
from tunetrack.report.views.plain import history_payload
from tunetrack.report.views.rows import row
from tunetrack.report.views.study import StudyFacts, study_payload
from tunetrack.report.views.weights import compare_weights
from tunetrack.spec.records import TrialState
from tunetrack.tracking.queries import TrackingStore, TrialRow, image_counts
from tunetrack.tracking.reader import StudyReader, Versioned

__all__ = ["build_document", "build_single"]

#: Trials that are compared in the file.
BEST = 5


def build_single(store: TrackingStore, study: str, limit: int = LIMIT) -> SingleFile:
    """Read a study from its stored runs and write all its pages into one file.

    Args:
        store: where the study's runs are; nothing is written to it.
        study: its name, where only one study is called so, or its run's id.
        limit: bytes; the least important parts are left out where all would be more.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    reader = StudyReader(store)
    try:
        now = reader.table(study)
        main = _study(store, reader, now)
        best = _best(now)
        found = [Answer(_path(now), main), *_comparison(reader, now, best)]
    finally:
        reader.close()
    facts = {"made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "compared": [trial.number for trial in best]}
    start = f"/tunetrack/studies/{now.table.study.run_id}"
    return render_single(now.table.study.info.name, start, found, main["headline"], facts, limit)


def build_document(store: TrackingStore, study: str) -> dict[str, Any]:
    """A study as plain data for scripts: what its page shows, and every trial with all its parameters and metrics.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    reader = StudyReader(store)
    try:
        now = reader.table(study)
        rows = [row(now.table, trial, every_param=True) for trial in now.table.trials]
        return _study(store, reader, now) | {"trials": rows}
    finally:
        reader.close()


def _path(now: Versioned) -> str:
    return f"/studies/{now.table.study.run_id}"


def _study(store: TrackingStore, reader: StudyReader, now: Versioned) -> dict[str, Any]:
    shown = [trial.run_id for trial in curve_trials(now.table)]
    history = reader.history(shown, [curve_metric(now.table)])
    facts = StudyFacts(stored_document(store, now.table), image_counts(store, now.table.study))
    return study_payload(now, history, facts)


def _best(now: Versioned) -> list[TrialRow]:
    """The best trials that were trained to their end; all those that were trained where these are too few."""
    complete = [trial for trial in ranked(now.table) if trial.state is TrialState.COMPLETE]
    if len(complete) < FEWEST_COMPARED:
        others = (TrialState.COMPLETE, TrialState.PRUNED)
        complete += [trial for trial in now.table.trials if trial.state in others and trial not in complete]
    return complete[:BEST]


def _comparison(reader: StudyReader, now: Versioned, best: Sequence[TrialRow]) -> Iterator[Answer]:
    """What the page of a comparison asks for, the most important first."""
    table, start = now.table, _path(now)
    shown = {trial.run_id: None for trial in (*best, *curve_trials(table))}
    history = reader.history(list(shown), COMPARED_CURVES)
    if len(best) >= FEWEST_COMPARED:
        yield Answer(f"{start}/compare", compare_payload(table, best, history), "the comparison of the best trials")
    yield Answer(f"{start}/history", history_payload(table, history), "learning curves")
    if len(best) < FEWEST_COMPARED:
        return
    matrices = {trial.number: reader.artifact(trial.run_id, "confusion_matrix.csv") for trial in best}
    yield Answer(f"{start}/compare/confusion", compare_confusion(matrices), "confusion matrices")
    weights = {trial.number: reader.artifact(trial.run_id, "weight_stats.parquet") for trial in best}
    yield Answer(f"{start}/compare/weights", _without_histograms(compare_weights(weights)), "weight statistics")
    yield from _images(reader, now, best, matrices)


def _without_histograms(found: dict[str, Any]) -> dict[str, Any]:
    trials = {number: one and one | {"histogram": None} for number, one in found["trials"].items()}
    return found | {"trials": trials}


def _images(
    reader: StudyReader, now: Versioned, best: Sequence[TrialRow], matrices: dict[int, bytes | None]
) -> Iterator[Answer]:
    """Which images one of two gets right and the other wrong, for every two of the best, and the pictures."""
    start, run = _path(now), now.table.study.run_id
    given = {trial.number: answers(reader.artifact(trial.run_id, "predictions.parquet")) for trial in best}
    picture = sprite(reader.artifact(run, "validation_images.json"))
    for a, b in combinations(sorted(given), 2):
        matrix = confusion_payload(matrices[a])
        classes = [] if matrix is None else matrix["classes"]
        found = compare_images((a, b), (given[a], given[b]), classes, picture, "")
        yield Answer(f"{start}/compare/images?a={a}&b={b}", found, f"the images of trials {a} and {b}")
    content = reader.artifact(run, "validation_images.png")
    if content is not None:
        url = f"data:image/png;base64,{b64encode(content).decode()}"
        yield Answer(f"{start}/images.png", url, "the pictures of validation images")
