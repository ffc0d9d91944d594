"""Knows how a study is read from a tracking server, by MLflow's client: more slowly than from a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from mlflow.exceptions import MlflowException

from tunetrack.tracking.lookups import runs_with_tags
from tunetrack.tracking.names import RunKind, Tag
from tunetrack.tracking.queries import experiment_names, list_studies, read_history
from tunetrack.tracking.reader.source import Changes, Head, Source, must_read
from tunetrack.tracking.rows import StoredRun, StudyRow, stored_run, study_row
from tunetrack.tracking.store import TrackingStore
from tunetrack.tracking.views import VIEW_TAG_PREFIX

__all__ = ["ServerSource"]

#: Clocks of machines differ, and a run may have waited on a worker's disk before the server heard of it: what began or
#: ended no longer than this before the last look is asked for again. What is older comes with the next full reading.
_SLACK_MS = 600_000


class ServerSource(Source):
    """Reads by HTTP."""

    def __init__(self, store: TrackingStore) -> None:
        self._store = store

    def pulse(self) -> int | None:
        """There is none."""
        return None

    def studies(self) -> tuple[StudyRow, ...]:
        """All studies, newest first."""
        return list_studies(self._store)

    def overviews(self, studies: Sequence[StudyRow]) -> None:
        """A server gives runs whole, or not at all."""
        return

    def study(self, run_id: str) -> StudyRow | None:
        """A study by its run."""
        try:
            run = self._store.client.get_run(run_id)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise
        experiment = experiment_names(self._store).get(run.info.experiment_id)
        wanted = run.info.lifecycle_stage == "active" and run.data.tags.get(Tag.KIND) == RunKind.STUDY
        return study_row(stored_run(run), experiment) if wanted and experiment is not None else None

    def trials(self, study: StudyRow) -> list[StoredRun]:
        """All runs of its trials."""
        return self._search(study, "")

    def changes(self, study: StudyRow, known: Mapping[str, Head], since: int) -> Changes:
        """Asks for what runs, and for what began or ended lately; then for known runs that should be among these."""
        after = since - _SLACK_MS
        filters = ("status = 'RUNNING'", f"start_time >= {after}", f"end_time >= {after}")
        found = {run.run_id: run for which in filters for run in self._search(study, f"attributes.{which}")}
        gone = set()
        for run_id, head in known.items():
            if run_id not in found and must_read(head, None, since):
                run = self._store.client.get_run(run_id)
                if run.info.lifecycle_stage == "active":
                    found[run_id] = stored_run(run)
                else:
                    gone.add(run_id)
        return Changes(frozenset(gone), tuple(found.values()))

    def history(self, run_ids: Sequence[str], metrics: Sequence[str] | None) -> pd.DataFrame:
        """A request a run and metric."""
        return read_history(self._store, run_ids, metrics)

    def artifact_location(self, run_id: str) -> str | None:
        """From the run."""
        try:
            return str(self._store.client.get_run(run_id).info.artifact_uri)
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                return None
            raise

    def tags(self, run_id: str) -> dict[str, str]:
        """All tags of one run."""
        return dict(self._store.client.get_run(run_id).data.tags)

    def views(self, experiments: Sequence[str]) -> set[tuple[str, str]]:
        """From the experiments' tags."""
        return {
            (number, key.removeprefix(VIEW_TAG_PREFIX))
            for number in experiments
            for key in self._store.client.get_experiment(number).tags
            if key.startswith(VIEW_TAG_PREFIX)
        }

    def close(self) -> None:
        """The client is the store's."""

    def _search(self, study: StudyRow, more: str) -> list[StoredRun]:
        tags = {Tag.PARENT: study.run_id, Tag.KIND: RunKind.TRIAL.value}
        return [stored_run(run) for run in runs_with_tags(self._store, [study.experiment_id], tags, more=more)]
