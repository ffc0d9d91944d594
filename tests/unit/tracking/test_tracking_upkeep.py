"""Analysing an SQLite store: plans change, also for connections that were open before; nothing else does."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tunetrack.errors import TrackingError
from tunetrack.tracking import TrackingStore, connect
from tunetrack.tracking.upkeep import analyze

RUNS = 400
#: What MLflow asks for when it sorts runs by a metric.
BEST = (
    "SELECT runs.run_uuid FROM runs LEFT OUTER JOIN (SELECT * FROM latest_metrics WHERE key = 'objective') AS found "
    "ON runs.run_uuid = found.run_uuid WHERE runs.experiment_id = 1 ORDER BY found.is_nan, found.value DESC LIMIT 1"
)


def path_of(uri: str) -> Path:
    return Path(uri.removeprefix("sqlite:///"))


def fill(uri: str, runs: int) -> None:
    with closing(sqlite3.connect(path_of(uri))) as database:
        database.execute(
            "INSERT OR IGNORE INTO experiments (experiment_id, name, lifecycle_stage) VALUES (1, 'x', 'active')"
        )
        first = database.execute("SELECT count(*) FROM runs").fetchone()[0]
        ids = [f"run{number:05d}" for number in range(first, first + runs)]
        database.executemany("INSERT INTO runs (run_uuid, experiment_id) VALUES (?, 1)", [(run,) for run in ids])
        database.executemany(
            "INSERT INTO latest_metrics (key, value, step, is_nan, run_uuid) VALUES (?, 0.5, 1, 0, ?)",
            [(key, run) for run in ids for key in ("objective", *(f"m{index}" for index in range(9)))],
        )
        database.commit()


def rows_known(uri: str) -> int:
    with closing(sqlite3.connect(path_of(uri))) as database:
        statistics = database.execute("SELECT stat FROM sqlite_stat1 WHERE tbl = 'runs'").fetchone()
        return int(statistics[0].split()[0])


def test_the_planner_learns_the_sizes_of_the_tables(store: TrackingStore, uri: str) -> None:
    fill(uri, RUNS)
    done = analyze(store)
    assert (done.skipped, done.seconds > 0) == ("", True)
    assert rows_known(uri) == RUNS


def test_open_connections_see_a_later_analysis(store: TrackingStore, uri: str) -> None:
    fill(uri, 2)
    analyze(store)
    with closing(sqlite3.connect(path_of(uri))) as open_before:
        before = open_before.execute("PRAGMA schema_version").fetchone()[0]
        open_before.execute(BEST).fetchone()
        fill(uri, RUNS)
        analyze(store)
        assert open_before.execute("PRAGMA schema_version").fetchone()[0] > before
        assert rows_known(uri) == RUNS + 2
        names = {row[0] for row in open_before.execute("SELECT name FROM sqlite_master")}
    assert not {name for name in names if name.startswith("tunetrack")}


def test_a_database_that_is_being_written_is_left_alone(store: TrackingStore, uri: str) -> None:
    with closing(sqlite3.connect(path_of(uri), isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        skipped = analyze(store, wait=0.05).skipped
        writer.execute("ROLLBACK")
    assert "another process is writing" in skipped
    assert analyze(store).skipped == ""


def test_a_server_is_not_asked() -> None:
    for address in ("http://127.0.0.1:1", "postgresql://h/n"):
        skipped = analyze(TrackingStore(lambda: pytest.fail("opened"), address)).skipped
        assert skipped.startswith("only SQLite needs it")


def test_a_broken_database_is_said(uri: str) -> None:
    with connect(uri) as store:
        path_of(uri).write_text("no database " * 1000)
        with pytest.raises(TrackingError, match="not an SQLite database"):
            analyze(store)
