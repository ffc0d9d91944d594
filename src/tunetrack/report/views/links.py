"""Knows addresses on the tracking server, from its root on."""

from __future__ import annotations

from urllib.parse import quote

from tunetrack.tracking.queries import StudyRow

__all__ = ["artifact_link", "run_link", "study_links"]


def run_link(experiment_id: str, run_id: str) -> str:
    """A run's page in MLflow's UI."""
    return f"/#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}?workflowType=machine_learning"


def study_links(study: StudyRow, saved_view: str | None) -> dict[str, str | None]:
    """A study's pages in MLflow's UI.

    Args:
        study: whose.
        saved_view: its id; None where there is none.
    """
    view = None
    if saved_view is not None:
        page = f"/#/experiments/{quote(study.experiment_id)}/runs"
        view = f"{page}?workflowType=machine_learning&compareRunsMode=CHART&viewStateShareKey={quote(saved_view)}"
    return {"mlflow_run": run_link(study.experiment_id, study.run_id), "saved_view": view}


def artifact_link(run_id: str, name: str) -> str:
    """Where the server gives an artifact's content."""
    return f"/get-artifact?path={quote(name, safe='')}&run_uuid={quote(run_id)}"
