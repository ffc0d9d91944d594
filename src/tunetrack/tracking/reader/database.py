"""Knows MLflow's tables, and how a whole study is read from them in a few SQL statements."""

from __future__ import annotations

import math
import sys
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import pandas as pd
import sqlalchemy
from mlflow.store.tracking.dbmodels.models import (
    SqlExperiment,
    SqlExperimentTag,
    SqlLatestMetric,
    SqlMetric,
    SqlParam,
    SqlRun,
    SqlTag,
)
from sqlalchemy import Connection, Select, Table, and_, or_, select

from tunetrack.tracking.names import RunKind, Tag
from tunetrack.tracking.reader.source import Changes, Head, Source, must_read
from tunetrack.tracking.rows import EPOCH_METRIC, StoredRun, StudyRow, newest_studies, study_row
from tunetrack.tracking.views import VIEW_TAG_PREFIX

__all__ = ["DatabaseSource"]

#: Ids bound in one statement; databases allow some thousands at most.
_BOUND = 500
#: Seconds to wait for another process that is writing to an SQLite file.
_PATIENCE = 30.0
#: What an overview needs to know of a trial.
_OVERVIEW_TAGS = (Tag.TRIAL_NUMBER, Tag.TRIAL_STATE, Tag.TRIAL_DUPLICATE_OF, Tag.TRIAL_VIOLATES)
_ENDED_TAGS = (Tag.TRIAL_REASON, Tag.TRIAL_WOULD_PRUNE_AT, Tag.WEIGHT_HEALTH)
_TRIAL_TAGS = (*_OVERVIEW_TAGS, *_ENDED_TAGS, Tag.TRIAL_WORKER, Tag.USED_DEVICE, Tag.USED_THREADS)
_SECONDS = "train_seconds"

RUNS: Table = SqlRun.__table__
TAGS: Table = SqlTag.__table__
PARAMS: Table = SqlParam.__table__
LATEST: Table = SqlLatestMetric.__table__
METRICS: Table = SqlMetric.__table__
EXPERIMENTS: Table = SqlExperiment.__table__
EXPERIMENT_TAGS: Table = SqlExperimentTag.__table__

Ids = Select[Any] | Sequence[str]


class DatabaseSource(Source):
    """Reads MLflow's tables by SQL, with connections of its own that cannot write.

    Statements stand alone, each with what was committed before it. A run that changes between two of them is running,
    or has just ended, and so is read again at the next look.

    Args:
        uri: of the database; its tables must be there.
    """

    def __init__(self, uri: str) -> None:
        url = sqlalchemy.make_url(uri)
        self._sqlite = url.get_backend_name() == "sqlite"
        self._engine = sqlalchemy.create_engine(
            url, pool_pre_ping=not self._sqlite, connect_args={"timeout": _PATIENCE} if self._sqlite else {}
        )
        if self._sqlite:
            # A connection that is opened read-only could not roll back what a killed writer has left half done.
            sqlalchemy.event.listen(self._engine, "connect", _forbid_writing)
        elif url.get_backend_name() == "postgresql":
            self._engine = self._engine.execution_options(postgresql_readonly=True)
        self._feeling = threading.Lock()
        self._pulse: Connection | None = None

    def pulse(self) -> int | None:
        """SQLite's count of commits by others, as one connection sees it; see https://sqlite.org/pragma.html."""
        if not self._sqlite:
            return None
        with self._feeling:
            if self._pulse is None:
                self._pulse = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            return int(self._pulse.exec_driver_sql("PRAGMA data_version").scalar_one())

    def studies(self) -> tuple[StudyRow, ...]:
        """All studies, newest first."""
        kind = _tagged(Tag.KIND, RunKind.STUDY.value)
        found = (
            select(RUNS.c.run_uuid)
            .join(kind, kind.c.run_uuid == RUNS.c.run_uuid)
            .join(EXPERIMENTS, EXPERIMENTS.c.experiment_id == RUNS.c.experiment_id)
            .where(_active(RUNS), _active(EXPERIMENTS))
        )
        with self._connected() as connection:
            runs = _runs(connection, found, tags=None, params=False, metrics=())
            return newest_studies(runs, _experiments(connection))

    def overviews(self, studies: Sequence[StudyRow]) -> dict[str, list[StoredRun]]:
        """Three statements for the trials of all studies."""
        by_id = {study.run_id: study for study in studies}
        wanted = {name for study in studies for name in study.info.objective_metrics} | {_SECONDS}
        parent, kind = TAGS.alias(), _tagged(Tag.KIND, RunKind.TRIAL.value)
        children = (
            select(RUNS.c.run_uuid, RUNS.c.experiment_id, parent.c.value)
            .join(parent, and_(parent.c.run_uuid == RUNS.c.run_uuid, parent.c.key == Tag.PARENT))
            .join(kind, kind.c.run_uuid == RUNS.c.run_uuid)
            .where(_active(RUNS))
        )
        if len(by_id) <= _BOUND:
            children = children.where(parent.c.value.in_(list(by_id)))
        found: dict[str, list[StoredRun]] = {run_id: [] for run_id in by_id}
        if not found:
            return found
        with self._connected() as connection:
            parents = {row[0]: (str(row[1]), row[2]) for row in connection.execute(children)}
            ids = children.with_only_columns(RUNS.c.run_uuid)
            for run in _runs(connection, ids, _OVERVIEW_TAGS, params=False, metrics=sorted(wanted)):
                experiment, parent_id = parents.get(run.run_id, ("", ""))
                if parent_id in by_id and by_id[parent_id].experiment_id == experiment:
                    found[parent_id].append(run)
        return found

    def study(self, run_id: str) -> StudyRow | None:
        """A study by its run."""
        found = (
            select(RUNS.c.run_uuid)
            .join(EXPERIMENTS, EXPERIMENTS.c.experiment_id == RUNS.c.experiment_id)
            .where(_active(RUNS), _active(EXPERIMENTS), RUNS.c.run_uuid == run_id)
        )
        with self._connected() as connection:
            runs = _runs(connection, found, tags=None, params=False, metrics=())
            if not runs or runs[0].tags.get(Tag.KIND) != RunKind.STUDY:
                return None
            return study_row(runs[0], _experiments(connection)[runs[0].experiment_id])

    def trials(self, study: StudyRow) -> list[StoredRun]:
        """All runs of its trials, in four statements."""
        with self._connected() as connection:
            return _runs(connection, _trial_ids(study), _TRIAL_TAGS)

    def changes(self, study: StudyRow, known: Mapping[str, Head], since: int) -> Changes:
        """Looks at the heads of all runs, and reads those that may have changed."""
        with self._connected() as connection:
            heads = {run_id: head for run_id, _, head in _heads(connection, _trial_ids(study))}
            wanted = [run_id for run_id, head in heads.items() if must_read(known.get(run_id), head, since)]
            runs = [
                run
                for start in range(0, len(wanted), _BOUND)
                for run in _runs(connection, wanted[start : start + _BOUND], _TRIAL_TAGS)
            ]
        return Changes(frozenset(known.keys() - heads.keys()), tuple(runs))

    def history(self, run_ids: Sequence[str], metrics: Sequence[str] | None) -> pd.DataFrame:
        """One statement for every so many runs."""
        statement = select(
            METRICS.c.run_uuid, METRICS.c.key, METRICS.c.step, METRICS.c.value, METRICS.c.is_nan
        ).order_by(METRICS.c.timestamp, METRICS.c.step, METRICS.c.value)
        if metrics is not None:
            statement = statement.where(METRICS.c.key.in_(list(metrics)))
        curves: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
        with self._connected() as connection:
            for some in _bound(list(dict.fromkeys(run_ids))):
                for run_id, key, step, value, is_nan in connection.execute(
                    statement.where(METRICS.c.run_uuid.in_(some))
                ):
                    curves[run_id, key][step] = math.nan if is_nan else value
        names: dict[str, list[str]] = defaultdict(list)
        for run_id, key in sorted(curves):
            names[run_id].append(key)
        rows = [
            (run_id, metric, step, value)
            for run_id in run_ids
            for metric in (names[run_id] if metrics is None else metrics)
            for step, value in sorted(curves.get((run_id, metric), {}).items(), key=lambda point: point[0])
        ]
        return pd.DataFrame(rows, columns=["run_id", "metric", "step", "value"])

    def artifact_location(self, run_id: str) -> str | None:
        """From the run's row."""
        with self._connected() as connection:
            found = connection.execute(select(RUNS.c.artifact_uri).where(RUNS.c.run_uuid == run_id)).scalar()
        return None if found is None else str(found)

    def tags(self, run_id: str) -> dict[str, str]:
        """All tags of one run."""
        with self._connected() as connection:
            rows = connection.execute(select(TAGS.c.key, TAGS.c.value).where(TAGS.c.run_uuid == run_id))
            return {row.key: row.value for row in rows}

    def views(self, experiments: Sequence[str]) -> set[tuple[str, str]]:
        """From the experiments' tags, without their content."""
        statement = select(EXPERIMENT_TAGS.c.experiment_id, EXPERIMENT_TAGS.c.key).where(
            EXPERIMENT_TAGS.c.key.like(f"{VIEW_TAG_PREFIX}%")
        )
        with self._connected() as connection:
            found = {(str(row[0]), row[1].removeprefix(VIEW_TAG_PREFIX)) for row in connection.execute(statement)}
        return {pair for pair in found if pair[0] in set(experiments)}

    def close(self) -> None:
        """Close all connections."""
        with self._feeling:
            if self._pulse is not None:
                self._pulse.close()
                self._pulse = None
        self._engine.dispose()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with closing(self._engine.connect()) as connection:
            yield connection


def _forbid_writing(connection: Any, _: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _active(table: Table) -> sqlalchemy.ColumnElement[bool]:
    return table.c.lifecycle_stage == "active"


def _tagged(key: str, value: str) -> Any:
    """The runs that have this tag."""
    return select(TAGS.c.run_uuid).where(TAGS.c.key == key, TAGS.c.value == value).subquery()


def _trial_ids(study: StudyRow) -> Select[Any]:
    """Ids of the active runs of a study's trials."""
    parent, kind = _tagged(Tag.PARENT, study.run_id), _tagged(Tag.KIND, RunKind.TRIAL.value)
    return (
        select(RUNS.c.run_uuid)
        .join(parent, parent.c.run_uuid == RUNS.c.run_uuid)
        .join(kind, kind.c.run_uuid == RUNS.c.run_uuid)
        .where(_active(RUNS), RUNS.c.experiment_id == int(study.experiment_id))
    )


def _bound(ids: Sequence[str]) -> Iterable[Sequence[str]]:
    return (ids[start : start + _BOUND] for start in range(0, len(ids), _BOUND))


def _experiments(connection: Connection) -> dict[str, str]:
    rows = connection.execute(select(EXPERIMENTS.c.experiment_id, EXPERIMENTS.c.name).where(_active(EXPERIMENTS)))
    return {str(number): name for number, name in rows}


def _heads(connection: Connection, ids: Ids) -> Iterator[tuple[str, str, Head]]:
    """(run id, experiment id, head) of these runs."""
    columns = (RUNS.c.run_uuid, RUNS.c.experiment_id, RUNS.c.name, RUNS.c.status, RUNS.c.start_time, RUNS.c.end_time)
    for run_id, experiment, name, status, start, end in connection.execute(
        select(*columns).where(RUNS.c.run_uuid.in_(ids))
    ):
        yield run_id, str(experiment), Head(name or "", status, int(start), end or None)


def _runs(
    connection: Connection,
    ids: Ids,
    tags: Sequence[str] | None,
    params: bool = True,
    metrics: Sequence[str] | None = None,
) -> list[StoredRun]:
    """The runs of these ids.

    Args:
        connection: to the database.
        ids: given, or a statement that finds them.
        tags: which of them are wanted, beside the health rules' sentences; None: all.
        params: whether they are wanted.
        metrics: the latest values that are wanted; None: all.
    """
    heads = list(_heads(connection, ids))
    of_params: dict[str, dict[str, str]] = {run_id: {} for run_id, _, _ in heads}
    of_tags: dict[str, dict[str, str]] = {run_id: {} for run_id, _, _ in heads}
    of_metrics: dict[str, dict[str, float]] = {run_id: {} for run_id, _, _ in heads}
    epochs: dict[str, int] = {}
    named = select(TAGS.c.run_uuid, TAGS.c.key, TAGS.c.value).where(TAGS.c.run_uuid.in_(ids))
    if tags is not None:
        named = named.where(or_(TAGS.c.key.in_(list(tags)), TAGS.c.key.like(f"{Tag.WEIGHT_HEALTH_PREFIX}%")))
    _gather(connection, named, of_tags)
    if params:
        _gather(
            connection,
            select(PARAMS.c.run_uuid, PARAMS.c.key, PARAMS.c.value).where(PARAMS.c.run_uuid.in_(ids)),
            of_params,
        )
    if metrics is None or metrics:
        latest = select(LATEST.c.run_uuid, LATEST.c.key, LATEST.c.value, LATEST.c.is_nan, LATEST.c.step)
        latest = latest.where(LATEST.c.run_uuid.in_(ids))
        if metrics is not None:
            latest = latest.where(LATEST.c.key.in_(list(metrics)))
        intern = sys.intern
        for run_id, key, value, is_nan, step in connection.execute(latest):
            if run_id in of_metrics:
                of_metrics[run_id][intern(key)] = math.nan if is_nan else value
                if key == EPOCH_METRIC:
                    epochs[run_id] = step
    return [
        StoredRun(
            run_id,
            experiment,
            head.name,
            head.status,
            head.start,
            head.end,
            of_tags[run_id],
            of_params[run_id],
            of_metrics[run_id],
            epochs.get(run_id),
        )
        for run_id, experiment, head in heads
    ]


def _gather(connection: Connection, statement: Select[Any], into: Mapping[str, dict[str, str]]) -> None:
    """Rows of (run id, key, value); equal keys are kept once. Runs that came up since are left for the next look."""
    intern = sys.intern
    for run_id, key, value in connection.execute(statement):
        if run_id in into:
            into[run_id][intern(key)] = value
