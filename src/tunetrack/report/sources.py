"""Knows where the report's facts are stored: the study's runs, its file, and its data sets among the run's inputs."""

from __future__ import annotations

from tunetrack.report.curves import curve_metric, curve_trials
from tunetrack.report.leaderboard import leaderboard_trials
from tunetrack.report.page import Context, render_report
from tunetrack.tracking.queries import TrackingStore, image_counts, read_history, read_study, study_file

__all__ = ["build_report"]


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
    shown = {trial.run_id: None for trial in (*curve_trials(table), *leaderboard_trials(table))}
    history = read_history(store, list(shown), [curve_metric(table)])
    images = image_counts(store, table.study)
    context = Context(study_file(store, table.study), images.get("validation"), images.get("test"))
    return render_report(table, history, context)
