"""Gives a run of MLflow its last status, once nobody else will."""

from __future__ import annotations

from collections.abc import Callable

from tunetrack.study.place import Place
from tunetrack.tracking import connect
from tunetrack.tracking.failures import translated
from tunetrack.tracking.names import RunStatus

__all__ = ["mark_killed"]


def mark_killed(run_id: str, place: Place, wait: Callable[[], object]) -> None:
    """Marks a run as KILLED.

    Args:
        run_id: the run.
        place: names the tracking store.
        wait: called when the store is open, returns when it is time.

    Raises:
        TrackingError: the tracking store cannot be written, or has no such run.
    """
    with connect(place.tracking) as store, translated(f"end run {run_id}", store.uri):
        wait()
        if store.client.get_run(run_id).info.status != RunStatus.KILLED:
            store.client.set_terminated(run_id, RunStatus.KILLED.value)
