"""Knows how a race of samplers is kept in MLflow: a run above those of its studies, with the page and the numbers."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tunetrack._version import __version__
from tunetrack.tracking.failures import translated
from tunetrack.tracking.names import RunKind, RunStatus, Tag
from tunetrack.tracking.store import TrackingStore

__all__ = ["RaceNote", "write_race"]


@dataclass(frozen=True)
class RaceNote:
    """What is kept of a race.

    Attributes:
        name: of the race; the same name finds the same run again.
        markdown: what is said of it in the run's description.
        files: content by relative path.
        studies: ids of the runs of its studies.
    """

    name: str
    markdown: str
    files: Mapping[str, bytes]
    studies: Sequence[str]


def write_race(store: TrackingStore, experiment_id: str, note: RaceNote) -> str:
    """Writes a race, or writes it again, and puts the runs of its studies below it.

    Args:
        store: where the studies are.
        experiment_id: of the studies.
        note: what is kept.

    Returns:
        The id of the race's run.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"write the race {note.name!r}", store.uri):
        known: dict[str, str] = {Tag.KIND: RunKind.RACE.value, Tag.RACE_NAME: note.name}
        now = time.time_ns() // 1_000_000
        run_id = store.calls.find_run(experiment_id, known)
        if run_id is None:
            tags = known | {Tag.VERSION: __version__, Tag.SOURCE_NAME: "tunetrack"}
            run_id = store.calls.create_run(experiment_id, note.name, tags, now).run_id
        store.calls.set_tags(run_id, {Tag.NOTE: note.markdown})
        store.calls.write_files(run_id, note.files)
        for study in note.studies:
            store.calls.set_tags(study, {Tag.PARENT: run_id})
        store.calls.set_status(run_id, RunStatus.FINISHED, now)
    return run_id
