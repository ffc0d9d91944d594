"""Ends a run of MLflow that never became a study's."""

from __future__ import annotations

from tunetrack.study.place import Place
from tunetrack.tracking import connect
from tunetrack.tracking.failures import translated
from tunetrack.tracking.names import RunStatus

__all__ = ["end_run"]


def end_run(run_id: str, place: Place) -> None:
    """Marks a run as KILLED.

    Raises:
        TrackingError: the tracking store cannot be written, or has no such run.
    """
    with connect(place.tracking) as store, translated(f"end run {run_id}", store.uri):
        store.client.set_terminated(run_id, RunStatus.KILLED.value)
