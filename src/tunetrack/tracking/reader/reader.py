"""Knows how to have whole studies at hand: read once, and after that only what may have changed."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tunetrack.errors import TrackingError, masked
from tunetrack.tracking.failures import translated
from tunetrack.tracking.queries import image_counts
from tunetrack.tracking.reader.artifacts import read_file, stored_names
from tunetrack.tracking.reader.database import DatabaseSource
from tunetrack.tracking.reader.overview import StudyOverview, overview
from tunetrack.tracking.reader.server import ServerSource
from tunetrack.tracking.reader.source import Head, Source
from tunetrack.tracking.rows import StoredRun, StudyRow, StudyTable, TrialRow, chosen_study, study_table, trial_row
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.views import view_id

__all__ = ["StudyReader", "Versioned"]

#: Seconds after which a study is read whole once more. What is written on a trial long after its end, such as tags by
#: hand or what `tunetrack doctor` mends, shows in nothing that is looked at before.
REREAD_SECONDS = 600.0
#: Trials that are remembered, of the studies asked for last; the very last one is remembered whatever its size.
REMEMBERED_TRIALS = 50_000


@dataclass(frozen=True)
class Versioned:
    """A study as it is now.

    Attributes:
        version: another text whenever anything in `table` has changed; good for one reader alone.
        table: the study and its trials.
    """

    version: str
    table: StudyTable = field(repr=False)


@dataclass
class _Known:
    """What a reader has of one study; `lock` is held while it is looked at."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    runs: dict[str, tuple[Head, TrialRow]] = field(default_factory=dict)
    now: Versioned | None = None
    pulse: int | None = None
    looked: int = 0  # ms since 1970
    read_whole: float = 0.0  # seconds, of the monotonic clock


class StudyReader:
    """Reads a store's studies, and remembers them. All methods may be called by several threads.

    A study is read whole at first, then once more when its own state has changed (at its end the best trial, which
    ended long ago, is measured on the test images), and when `REREAD_SECONDS` have passed. In between, new runs are
    read, and those that had not ended at the last look, or not a minute before it.

    Args:
        store: a database, which is read by SQL, or a server.
        repository: gives MLflow's artifact repository of a location; for a server process, whose own locations
            (``mlflow-artifacts:/…``) cannot be opened from its database alone. Default: MLflow's registry.
    """

    def __init__(self, store: TrackingStore, repository: Callable[[str], Any] | None = None) -> None:
        self._store = store
        self._repository = repository or (lambda location: get_artifact_repository(location, tracking_uri=store.uri))
        self._source: Source = ServerSource(store) if store.is_server else self._database()
        self._opening = threading.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._token = secrets.token_hex(4)
        self._versions = 0
        self._listing = threading.Lock()
        self._listed: tuple[int, tuple[StudyOverview, ...]] | None = None

    def studies(self) -> tuple[StudyOverview, ...]:
        """All studies of all experiments, newest first; of a study with several parent runs, the newest.

        Raises:
            TrackingError: the store failed.
        """
        with self._listing, translated("list the studies", self._store.uri):
            pulse = self._source.pulse()
            if pulse is not None and self._listed is not None and self._listed[0] == pulse:
                return self._listed[1]
            studies = self._source.studies()
            views = self._source.views(list(dict.fromkeys(study.experiment_id for study in studies)))
            with self._opening:
                unread = [study for study in studies if study.run_id not in self._known]
            runs = self._source.overviews(unread) or {}
            found = []
            for study in studies:
                if study.run_id in runs:
                    trials: Sequence[TrialRow] = [trial_row(run, study.info) for run in runs[study.run_id]]
                elif (whole := self._look(study.run_id)) is not None:
                    trials = whole.table.trials
                else:
                    continue
                key = view_id(study.experiment_id, study.info.name)
                found.append(overview(study, trials, key if (study.experiment_id, key) in views else None))
            if pulse is not None:
                self._listed = (pulse, tuple(found))
            return tuple(found)

    def table(self, study: str, reload: bool = False) -> Versioned:
        """One study with all its trials, as `tunetrack.tracking.queries.read_study` reads it.

        Args:
            study: its run's id, or its name where only one study is called so.
            reload: read everything again.

        Raises:
            TrackingError: the store failed; there is no study of this name, or more than one.
        """
        with translated(f"read the study {study!r}", self._store.uri):
            with self._opening:
                run_id = study if study in self._known else None
            if run_id is None:
                run_id = chosen_study(self._source.studies(), study, None, self._store.uri).run_id
            found = self._look(run_id, reload)
            if found is None:  # it was there before, and was deleted
                raise TrackingError(f"the study {study!r} in {masked(self._store.uri)} was deleted")
            self._forget_others(run_id)
            return found

    def history(self, run_ids: Sequence[str], metrics: Sequence[str] | None = None) -> pd.DataFrame:
        """Metrics over their steps, as `tunetrack.tracking.queries.read_history` reads them.

        Args:
            run_ids: trials' runs, up to some hundreds.
            metrics: names; None: all that the run has, by name.

        Raises:
            TrackingError: the store failed.
        """
        with translated("read the metrics", self._store.uri):
            return self._source.history(run_ids, metrics)

    def tags(self, run_id: str) -> dict[str, str]:
        """All tags of a run.

        Raises:
            TrackingError: the store failed.
        """
        with translated(f"read the tags of run {run_id}", self._store.uri):
            return self._source.tags(run_id)

    def image_counts(self, study: StudyRow) -> dict[str, int]:
        """Number of images by data context, as `tunetrack.tracking.queries.image_counts` reads them.

        Raises:
            TrackingError: the store failed.
        """
        return image_counts(self._store, study)

    def saved_view(self, study: StudyRow) -> str | None:
        """The id of the study's saved view in MLflow's UI; None where none was written.

        Raises:
            TrackingError: the store failed.
        """
        key = view_id(study.experiment_id, study.info.name)
        with translated(f"look for the saved view of {study.info.name!r}", self._store.uri):
            return key if (study.experiment_id, key) in self._source.views([study.experiment_id]) else None

    def artifacts(self, run_id: str) -> tuple[str, ...]:
        """Names of a run's artifacts, those in folders by their path; in order.

        Raises:
            TrackingError: the store failed.
        """
        with translated(f"list the artifacts of run {run_id}", self._store.uri):
            location = self._source.artifact_location(run_id)
            return () if location is None else stored_names(self._repository(location))

    def artifact(self, run_id: str, name: str) -> bytes | None:
        """The content of one artifact; None where the run has no such file.

        Raises:
            TrackingError: the store failed.
        """
        with translated(f"read {name!r} of run {run_id}", self._store.uri):
            location = self._source.artifact_location(run_id)
            return None if location is None else read_file(self._repository(location), name, self._store.scratch)

    def close(self) -> None:
        """Let go of connections; the store stays open."""
        self._source.close()

    def _database(self) -> DatabaseSource:
        self._store.client  # noqa: B018 - makes the tables where there are none yet
        return DatabaseSource(self._store.uri)

    def _look(self, run_id: str, reload: bool = False) -> Versioned | None:
        """The study of this run as it is now; None where it is not there any more."""
        with self._opening:
            known = self._known.setdefault(run_id, _Known())
        with known.lock:
            pulse, now = self._source.pulse(), known.now
            if now is not None and not reload and pulse is not None and pulse == known.pulse:
                return now
            study = self._source.study(run_id)
            if study is None:
                with self._opening:
                    self._known.pop(run_id, None)
                return None
            looked = time.time_ns() // 1_000_000
            if reload or now is None or self._is_due(known, now.table.study, study):
                known.read_whole = time.monotonic()
                changed = _keep(known, study, self._source.trials(study), whole=True)
            else:
                changes = self._source.changes(
                    study, {key: head for key, (head, _) in known.runs.items()}, known.looked
                )
                for gone in changes.gone:
                    del known.runs[gone]
                changed = _keep(known, study, changes.runs) or bool(changes.gone)
            known.looked, known.pulse = looked, pulse
            if now is None or changed:
                now = Versioned(self._next_version(), study_table(study, (row for _, row in known.runs.values())))
            elif study != now.table.study:
                now = Versioned(self._next_version(), replace(now.table, study=study))
            known.now = now
            return now

    def _forget_others(self, run_id: str) -> None:
        """Forgets the studies that nobody has asked for since this one and many others were."""
        with self._opening:
            if run_id in self._known:
                self._known.move_to_end(run_id)
            count = sum(len(known.runs) for known in self._known.values())
            while count > REMEMBERED_TRIALS and len(self._known) > 1:
                count -= len(self._known.popitem(last=False)[1].runs)

    def _is_due(self, known: _Known, before: StudyRow, study: StudyRow) -> bool:
        if (before.state, before.end, before.info) != (study.state, study.end, study.info):
            return True
        return time.monotonic() - known.read_whole > REREAD_SECONDS

    def _next_version(self) -> str:
        with self._opening:
            self._versions += 1
            return f"{self._token}-{self._versions}"


def _keep(known: _Known, study: StudyRow, runs: Sequence[StoredRun], whole: bool = False) -> bool:
    """Take over what was read; whether anything is different now."""
    found = {run.run_id: (Head(run.name, run.status, run.start, run.end), trial_row(run, study.info)) for run in runs}
    kept = {
        key: known.runs[key] if key in known.runs and known.runs[key] == pair else pair for key, pair in found.items()
    }
    changed = any(known.runs.get(key) is not pair for key, pair in kept.items())
    if whole:
        changed = changed or known.runs.keys() != kept.keys()
        known.runs = kept
    else:
        known.runs |= kept
    return changed
