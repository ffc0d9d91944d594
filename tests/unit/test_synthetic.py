"""The synthetic study of the benchmarks is what the normal path would have written."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy

from tracking_support import database_template, end_idle_artifact_threads, store, uri  # noqa: F401
from tunetrack.spec.records import TrialState
from tunetrack.tracking import TrackingStore, read_history, read_study

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from synthetic import Size, open_study, plans, write_in_bulk, write_normally

SMALL = Size(trials=60, metrics=22, epochs=3)


@pytest.fixture
def both(store: TrackingStore, tmp_path: Path) -> TrackingStore:  # noqa: F811
    for name, write in (("normal", write_normally), ("bulk", write_in_bulk)):
        study = open_study(store, SMALL, tmp_path / name, name)
        write(store, study, plans(SMALL))  # type: ignore[operator]
        study.flush()
    return store


def test_both_ways_of_writing_read_the_same(both: TrackingStore) -> None:
    normal, bulk = read_study(both, "normal"), read_study(both, "bulk")
    assert {trial.state for trial in bulk.trials} == set(TrialState) - {TrialState.RUNNING, TrialState.KILLED}
    same = {"run_id": "", "start": bulk.trials[0].start, "end": None}
    assert [replace(trial, **same) for trial in bulk.trials] == [replace(trial, **same) for trial in normal.trials]
    for one, other in zip(bulk.trials[:10], normal.trials[:10], strict=True):
        curves = [read_history(both, [trial.run_id]).drop(columns="run_id") for trial in (one, other)]
        pd.testing.assert_frame_equal(*curves)


def test_the_tables_hold_the_same_kinds_of_rows(both: TrackingStore, uri: str) -> None:  # noqa: F811
    def rows(study: str, statement: str) -> list[tuple[Any, ...]]:
        with sqlalchemy.create_engine(uri).connect() as connection:
            number = read_study(both, study).study.experiment_id
            return [tuple(row) for row in connection.exec_driver_sql(statement, (number,))]

    of_runs = "FROM {} JOIN runs USING (run_uuid) WHERE experiment_id = ? AND runs.name LIKE '#%'"
    for table in ("tags", "params", "metrics", "latest_metrics"):
        statement = f"SELECT {table}.key, count(*) {of_runs.format(table)} GROUP BY {table}.key ORDER BY 1"
        assert rows("normal", statement) == rows("bulk", statement), table
    columns = "source_type, source_name, entry_point_name, user_id, status, source_version, lifecycle_stage"
    statement = f"SELECT name, {columns} FROM runs WHERE experiment_id = ? AND name LIKE '#%' ORDER BY 1"
    assert rows("normal", statement) == rows("bulk", statement)
