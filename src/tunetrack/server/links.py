"""Knows the links that open the studies of a tracking store, on our pages and in MLflow's UI."""

from __future__ import annotations

from dataclasses import dataclass

from tunetrack.tracking.queries import TrackingStore, list_studies

__all__ = ["StudyLink", "studies_url", "study_links", "study_url"]


@dataclass(frozen=True)
class StudyLink:
    """Where one study is seen.

    Attributes:
        study: its name.
        page_url: our page of the study.
        url: its saved view in MLflow's UI, or its experiment where no view could be written.
        run_url: its own run, with description and report.
        note: why there is no saved view; empty where there is one.
    """

    study: str
    page_url: str
    url: str
    run_url: str
    note: str = ""


def study_links(store: TrackingStore, base_url: str) -> tuple[StudyLink, ...]:
    """Links to all studies of a store, newest first; missing saved views are written.

    Args:
        store: the server's store, or the server itself.
        base_url: where the server answers, such as ``http://127.0.0.1:5000``.

    Raises:
        TrackingError: the store failed.
    """
    base = base_url.rstrip("/")
    links = []
    for row in list_studies(store):
        view = store.write_view(row.info, row.experiment_id)
        run_url = f"{base}/#/experiments/{row.experiment_id}/runs/{row.run_id}?workflowType=machine_learning"
        links.append(StudyLink(row.info.name, study_url(base, row.run_id), view.url(base), run_url, view.skipped))
    return tuple(links)


def studies_url(base_url: str) -> str:
    """Our page of all studies."""
    return f"{base_url.rstrip('/')}/tunetrack/"


def study_url(base_url: str, run_id: str) -> str:
    """Our page of one study, by the id of its run."""
    return f"{studies_url(base_url)}studies/{run_id}"
