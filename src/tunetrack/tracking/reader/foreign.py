"""Knows how runs that tunetrack has not written are read: params, metrics, tags, curves, sizes of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from tunetrack.errors import TrackingError, masked
from tunetrack.tracking.failures import translated
from tunetrack.tracking.lookups import RUNS_PAGE
from tunetrack.tracking.names import Tag
from tunetrack.tracking.queries import experiment_names
from tunetrack.tracking.reader.reader import StudyReader
from tunetrack.tracking.rows import StoredRun, stored_run
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.values import ParamValue, decode_param

__all__ = ["ForeignRun", "read_experiment"]

#: Runs that are read at most, the newest; those of which curves and files are read.
RUNS, CURVES, FILES = 5000, 200, 60
_LISTED = 200
_PYTHON_WORDS: Mapping[str, ParamValue] = {"None": None, "True": True, "False": False}


@dataclass(frozen=True)
class ForeignRun:
    """One run.

    Attributes:
        run_id: MLflow's id.
        name: the run's name.
        status: MLflow's own.
        start, end: ms since 1970; `end` is None until the run has ended.
        params: values; what reads as a number, true, false or null is one.
        metrics: last values.
        tags: all of them.
        curves: values by metric in the order of their steps; empty where they were not read.
        files: size in bytes by path; empty where they were not listed.
    """

    run_id: str
    name: str
    status: str
    start: int
    end: int | None
    params: Mapping[str, ParamValue]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)


def read_experiment(store: TrackingStore, experiment: str) -> tuple[ForeignRun, ...]:
    """The runs of an experiment that are none of ours, the oldest first; runs that only group others are left out.

    Args:
        store: where they are; nothing is written to it.
        experiment: its name, or its id.

    Raises:
        TrackingError: the store failed, there is no such experiment, or it has no such runs.
    """
    with translated(f"read the experiment {experiment!r}", store.uri):
        names = experiment_names(store)
        found = next((key for key, name in names.items() if experiment in (name, key)), None)
        if found is None:
            known = ", ".join(sorted(names.values())) or "none"
            raise TrackingError(f"there is no experiment {experiment!r} in {masked(store.uri)}; known: {known}")
        runs = [run for run in _runs(store, found) if Tag.KIND not in run.tags]
    parents = {run.tags.get(Tag.PARENT) for run in runs}
    kept = [_foreign(run) for run in runs if run.run_id not in parents or run.metrics]
    if not kept:
        raise TrackingError(
            f"the experiment {experiment!r} has no runs but those of tunetrack; `tunetrack review STUDY` reviews these"
            if names
            else f"the experiment {experiment!r} has no runs"
        )
    kept.sort(key=lambda run: (run.start, run.run_id))
    return tuple(_with_curves(store, kept))


def _runs(store: TrackingStore, experiment: str) -> list[StoredRun]:
    runs: list[StoredRun] = []
    token = None
    while len(runs) < RUNS:
        found = store.client.search_runs([experiment], max_results=RUNS_PAGE, page_token=token)
        runs += [stored_run(run) for run in found]
        token = found.token
        if not token:
            break
    return runs


def _foreign(run: StoredRun) -> ForeignRun:
    params = {path: _PYTHON_WORDS.get(text, decode_param(text)) for path, text in run.params.items()}
    return ForeignRun(run.run_id, run.name, run.status, run.start, run.end, params, run.metrics, run.tags)


def _with_curves(store: TrackingStore, runs: Sequence[ForeignRun]) -> list[ForeignRun]:
    """The same, with curves and files of the newest."""
    newest = [run.run_id for run in runs[-CURVES:]]
    with closing(StudyReader(store)) as reader:
        history = reader.history(newest, None)
    curves: dict[str, dict[str, tuple[float, ...]]] = {}
    for (run_id, metric), rows in history.sort_values("step", kind="stable").groupby(["run_id", "metric"]):
        curves.setdefault(str(run_id), {})[str(metric)] = tuple(float(value) for value in rows["value"])
    listed = {run.run_id for run in runs[-FILES:]}
    return [
        replace(
            run,
            curves=curves.get(run.run_id, {}),
            files=_sizes(store, run.run_id) if run.run_id in listed else {},
        )
        for run in runs
    ]


def _sizes(store: TrackingStore, run_id: str) -> dict[str, int]:
    found: dict[str, int] = {}
    folders: list[str | None] = [None]
    with translated(f"list the artifacts of run {run_id}", store.uri):
        while folders and len(found) < _LISTED:
            for file in store.client.list_artifacts(run_id, folders.pop()):
                if file.is_dir:
                    folders.append(file.path)
                else:
                    found[file.path] = int(file.file_size or 0)
    return found
