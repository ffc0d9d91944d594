"""Knows which answers a study's one file holds: the study, and the best trials with all that their pages show."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from typing import Any

from tunetrack.report.curves import curve_trials
from tunetrack.report.single.columns import fitted_study
from tunetrack.report.single.file import LIMIT, Answer, SingleFile, render_single
from tunetrack.report.values import ranked
from tunetrack.report.views import Views
from tunetrack.report.views.compare import COMPARED_CURVES, FEWEST_COMPARED
from tunetrack.report.views.rows import row
from tunetrack.spec.records import TrialState
from tunetrack.spec.winner import Winner
from tunetrack.tracking.queries import StudyTable, TrackingStore
from tunetrack.tracking.reader import StudyReader, Versioned

__all__ = ["build_document", "build_single"]

#: Trials that are compared in the file, and have a page of their own in it.
BEST = 5
_PICTURES = "validation_images.png"
_NO_FILES: Mapping[str, bytes] = {}


def build_single(
    store: TrackingStore,
    study: str,
    limit: int = LIMIT,
    files: Mapping[str, bytes] = _NO_FILES,
    reader: StudyReader | None = None,
) -> SingleFile:
    """Read a study from its stored runs and write its pages into one file.

    Args:
        store: where the study's runs are; nothing is written to it.
        study: its name, where only one study is called so, or its run's id.
        limit: bytes; the least important parts are left out where all would be more.
        files: artifacts of the study's run that are about to be written, content by name.
        reader: of this store, which may have the study at hand; default: one of its own.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    with closing(StudyReader(store)) if reader is None else nullcontext(reader) as reader:
        now, views = reader.table(study), Views(reader, files)
        path = f"/studies/{now.table.study.run_id}"
        best = _best(now.table, views.evidence(now).winner)
        main = views.study(now)
        study_data, left = fitted_study(main, limit // 2)
        answers = [Answer(path, study_data)]
        answers += [Answer(path + below, data, about) for below, data, about in _others(reader, views, now, best)]
    facts = {"made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC", "compared": best, "left_out": left}
    return render_single(now.table.study.info.name, f"/tunetrack{path}", answers, main["headline"], facts, limit)


def build_document(store: TrackingStore, study: str) -> dict[str, Any]:
    """A study as plain data for scripts: what its page shows, and every trial with all its parameters and metrics.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    with closing(StudyReader(store)) as reader:
        now = reader.table(study)
        rows = [row(now.table, trial, every_param=True) for trial in now.table.trials]
        return Views(reader).study(now) | {"trials": rows}


def _best(table: StudyTable, winner: Winner | None) -> list[int]:
    """The confirmed winner and the best trials; pruned ones too where these are too few to be compared."""
    complete = [trial.number for trial in ranked(table) if trial.state is TrialState.COMPLETE]
    if len(complete) < FEWEST_COMPARED:
        complete += [trial.number for trial in table.trials if trial.state is TrialState.PRUNED]
    chosen = [winner.chosen] if winner is not None and winner.study_run == table.study.run_id else []
    return list(dict.fromkeys([*chosen, *complete]))[:BEST]


def _others(reader: StudyReader, views: Views, now: Versioned, best: Sequence[int]) -> Iterator[tuple[str, Any, str]]:
    """Path below the study, answer, and what it is; the most important first."""
    if len(best) >= FEWEST_COMPARED:
        yield "/compare", views.compare(now, best), "the comparison of the best trials"
    curves = list(dict.fromkeys([*best, *(trial.number for trial in curve_trials(now.table))]))
    yield "/history", views.history(now, curves, COMPARED_CURVES), "learning curves"
    if len(best) >= FEWEST_COMPARED:
        yield "/compare/confusion", views.confusion(now, best), "confusion matrices"
        yield "/compare/models", views.models(now, best), "the models side by side"
        yield "/compare/weights", _without_histograms(views.weights(now, best)), "weight statistics"
    for number in best:
        yield f"/trials/{number}", views.trial(now, number), f"the page of trial {number}"
    for other in best[1:]:
        low, high = sorted((best[0], other))
        about = f"the images that trials {low} and {high} answer differently"
        yield f"/compare/images?a={low}&b={high}", views.images(now, low, high, ""), about
    if len(best) >= FEWEST_COMPARED and (content := reader.artifact(now.table.study.run_id, _PICTURES)) is not None:
        yield "/images.png", f"data:image/png;base64,{b64encode(content).decode()}", "the pictures of validation images"


def _without_histograms(found: dict[str, Any]) -> dict[str, Any]:
    """A comparison draws none, and they are most of its size."""
    trials = {number: None if one is None else one | {"histogram": None} for number, one in found["trials"].items()}
    return {"trials": trials}
