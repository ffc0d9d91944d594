"""Knows where the report's facts are stored: the study's runs, its file, and its data sets among the run's inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import ValidationError

from tunetrack.errors import TrackingError
from tunetrack.report.compared_curves import compared_curves, shown_metrics
from tunetrack.report.curves import curve_metric, curve_trials
from tunetrack.report.derived import history_metrics
from tunetrack.report.draw_compared import draw_compared
from tunetrack.report.evidence import Evidence, read_evidence
from tunetrack.report.leaderboard import leaderboard_trials
from tunetrack.report.markdown_page import PageSource, render_markdown
from tunetrack.report.page import Context, render_report
from tunetrack.report.reference import Compared, reference_info
from tunetrack.report.style import to_svg
from tunetrack.report.understanding.pruning import audited_trials
from tunetrack.spec.reading import read_yaml
from tunetrack.spec.records import TrialState
from tunetrack.spec.reference import Reference, row_matches
from tunetrack.tracking.queries import (
    StudyTable,
    TrackingStore,
    image_counts,
    read_history,
    read_study,
    study_artifact,
    study_file,
)

__all__ = ["MarkdownReport", "build_markdown", "build_report", "stored_document", "stored_evidence", "stored_reference"]


@dataclass(frozen=True)
class MarkdownReport:
    """A page and its figure.

    Attributes:
        text: Markdown; its image is called as `build_markdown` was told.
        figure: the learning curves as SVG; empty where no trial has any.
    """

    text: str
    figure: str


def build_report(store: TrackingStore, study: str, experiment: str | None = None) -> str:
    """Read a study from its stored runs and write its report.

    Args:
        store: where the study's runs are; nothing is written to it.
        study: its name, or its run's id.
        experiment: the experiment's name; needed only where several studies have this name.

    Returns:
        A self-contained HTML page.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    table = read_study(store, study, experiment)
    shown = {one.run_id: None for one in (*curve_trials(table), *leaderboard_trials(table), *audited_trials(table))}
    history = read_history(store, list(shown), [curve_metric(table)])
    images = image_counts(store, table.study)
    context = Context(
        study_file(store, table.study),
        images.get("validation"),
        images.get("test"),
        evidence=stored_evidence(store, table.study.run_id),
    )
    return render_report(table, history, context)


def stored_evidence(store: TrackingStore, run_id: str) -> Evidence:
    """What was confirmed and reviewed, as the study's run has it.

    Raises:
        TrackingError: the store failed.
    """
    return read_evidence(lambda name: study_artifact(store, run_id, name))


def build_markdown(
    store: TrackingStore, study: str, figure: str, beside: Sequence[str] = (), experiment: str | None = None
) -> MarkdownReport:
    """Read a study from its stored runs and write its Markdown page.

    Args:
        store: where the runs are; nothing is written to it.
        study: its name, or its run's id.
        figure: name of the file, beside the page, that the figure will be written to.
        beside: further studies that are compared with the same reference.
        experiment: the experiment's name; needed only where several studies have this name.

    Raises:
        TrackingError: the store failed, there is no such study or more than one, or the reference in the stored study
            file is not what this version reads.
    """
    table = read_study(store, study, experiment)
    reference = stored_reference(stored_document(store, table), study)
    own = _compared(store, table, reference)
    others = tuple(_compared(store, read_study(store, name), reference) for name in beside)
    curves = compared_curves(own, None if reference is None else reference_info(reference, (own,)))
    drawn = to_svg(draw_compared(curves)) if any(row.curve for row in curves.rows) else ""
    evidence = stored_evidence(store, table.study.run_id)
    source = PageSource(own, reference, others, figure if drawn else "", evidence)
    return MarkdownReport(render_markdown(source), drawn)


def stored_document(store: TrackingStore, table: StudyTable) -> dict[str, Any]:
    """The stored study file; empty where there is none."""
    read = read_yaml(study_file(store, table.study), "study.yaml")
    return dict(read) if isinstance(read, Mapping) else {}


def stored_reference(document: Mapping[str, Any], study: str) -> Reference | None:
    """The reference of a stored study file; None where it has none.

    Raises:
        TrackingError: this version does not read it.
    """
    if document.get("reference") is None:
        return None
    try:
        return Reference.model_validate(document["reference"])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("reference", *first["loc"])))
        raise TrackingError(
            f"the study file stored with {study} has a reference that this version does not read: {where}: "
            f"{first['msg']}; mend the study file and run it with --resume, which stores it again"
        ) from error


def _compared(store: TrackingStore, table: StudyTable, reference: Reference | None) -> Compared:
    """A study with all that its comparison and its figure need of the history."""
    study = Compared(
        table, read_history(store, (), ()), image_counts(store, table.study), stored_document(store, table)
    )
    info = None if reference is None else reference_info(reference, (study,))
    curve, _ = shown_metrics(study, info)
    if reference is None:
        trials, metrics = leaderboard_trials(table), {curve}
    else:
        complete = (trial for trial in table.trials if trial.state is TrialState.COMPLETE)
        trials = tuple(
            trial for trial in complete if any(row_matches(row.when, trial.trained_with) for row in reference.rows)
        )
        metrics = {curve, *history_metrics(reference.metrics)}
    return replace(study, history=read_history(store, [trial.run_id for trial in trials], sorted(metrics)))
