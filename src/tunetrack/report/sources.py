"""Knows where the report's facts are stored: the study's runs, its file, and its data sets among the run's inputs."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from tunetrack.report.curves import curve_metric, curve_trials
from tunetrack.report.leaderboard import leaderboard_trials
from tunetrack.report.page import Context, render_report

# The stair opens the queries to this folder; the store's type and its failures come along with them.
from tunetrack.tracking.queries import (  # type: ignore[attr-defined]
    StudyRow,
    TrackingStore,
    read_history,
    read_study,
    translated,
)

__all__ = ["build_report"]

_STUDY_FILE = "study.yaml"


def build_report(store: TrackingStore, study_name: str, experiment: str | None = None) -> str:
    """Read a study from its stored runs and write its report.

    Args:
        store: where the study's runs are; nothing is written to it.
        study_name: the study's name.
        experiment: the experiment's name; needed only where several experiments have a study of this name.

    Returns:
        A self-contained HTML page.

    Raises:
        TrackingError: the store failed, or there is no such study, or more than one.
    """
    table = read_study(store, study_name, experiment)
    shown = {trial.run_id: None for trial in (*curve_trials(table), *leaderboard_trials(table))}
    history = read_history(store, list(shown), [curve_metric(table)])
    images = _images(store, table.study)
    context = Context(_study_file(store, table.study), images.get("validation"), images.get("test"))
    return render_report(table, history, context)


def _images(store: TrackingStore, study: StudyRow) -> dict[str, int]:
    """Number of images by MLflow's data context (training, validation, test), as tracking logged them."""
    with translated(f"read the data sets of {study.info.name!r}", store.uri):
        run = store.client.get_run(study.run_id)
    found = {}
    for given in run.inputs.dataset_inputs if run.inputs else ():
        part = next((tag.value for tag in given.tags if tag.key == "mlflow.data.context"), "")
        images = json.loads(given.dataset.profile or "{}").get("images")
        if part and isinstance(images, int) and images > 0:
            found[part] = images
    return found


def _study_file(store: TrackingStore, study: StudyRow) -> str:
    """The stored study file's text; empty where the run has none."""
    with (
        translated(f"read the study file of {study.info.name!r}", store.uri),
        tempfile.TemporaryDirectory(prefix="tunetrack-") as folder,
    ):
        if all(artifact.path != _STUDY_FILE for artifact in store.client.list_artifacts(study.run_id)):
            return ""
        return Path(store.client.download_artifacts(study.run_id, _STUDY_FILE, folder)).read_text(encoding="utf-8")
