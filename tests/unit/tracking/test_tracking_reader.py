"""The fast reader: equal to the plain reading in everything, and it reads only what has changed."""

from __future__ import annotations

import math
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from sqlalchemy.dialects import postgresql

from tracking_support import epoch, study_info
from tunetrack.errors import TrackingError
from tunetrack.server import TrackingServer
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.weight_records import Finding
from tunetrack.tracking import (
    Objective,
    StudyInfo,
    StudyRun,
    StudyState,
    Tag,
    TrackingStore,
    TrialArtifacts,
    connect,
    list_studies,
    log_run_metrics,
    read_history,
    read_study,
)
from tunetrack.tracking.reader import StudyReader, database, source
from tunetrack.tracking.reader import reader as reader_module
from tunetrack.tracking.reader.database import DatabaseSource

PARAMS = {"optimizer.lr": 1e-3, "model.filters": 32, "optimizer.name": "3", "model.batch_norm": True, "x": None}


def busy_study(store: TrackingStore, artifacts: Path, experiment: str = "images") -> StudyRun:
    """A study with trials in every state, one that was run twice, one of two runs, and a deleted one."""
    study = store.open_study(study_info(), experiment, artifacts)
    for number, state in enumerate(state for state in TrialState if state is not TrialState.RUNNING):
        trial = study.open_trial(number, PARAMS | {"model.head": [1, 2]})
        trial.log_epoch(epoch(1))
        trial.log_epoch(epoch(2, 0.6))
        trial.log_metrics({"weights/norm": math.nan, "huge": math.inf, "seconds": number})
        duplicate = 0 if state is TrialState.DUPLICATE else None
        values = (0.5 + number / 100,) if state.has_value else None
        found = (Finding("dead_units", 1, "half of them"),) if number == 1 else ()
        trial.finish(
            TrialOutcome(state, values, state.value.lower(), {"train_seconds": 2.5}, duplicate),
            TrialArtifacts(findings=found),
        )
    study.open_trial(6, PARAMS).log_epoch(epoch(1))
    study.flush()
    study.open_trial(0, PARAMS, existing=True).log_epoch(epoch(1, 0.1))
    study.open_trial(2, PARAMS).finish(TrialOutcome(TrialState.FAILED, reason="again"))
    deleted = study.open_trial(7, PARAMS)
    study.flush()
    store.client.set_tag(study.open_trial(8, {}).run_id, Tag.TRIAL_WORKER, "host-1")
    store.client.delete_run(deleted.run_id)
    store.client.create_run(study.experiment_id, run_name="somebody else's")
    return study


@pytest.fixture
def reader(store: TrackingStore) -> Iterator[StudyReader]:
    opened = StudyReader(store)
    yield opened
    opened.close()


def several_studies(store: TrackingStore, folder: Path) -> list[StudyRun]:
    two = StudyInfo("two", {}, (), (Objective("validation/accuracy", True), Objective("model/parameters", False)))
    studies = [busy_study(store, folder / "a"), busy_study(store, folder / "b", "others")]
    studies.append(store.open_study(two, "others"))
    for number, values in enumerate([(0.9, 1e5), (0.9, 1e4), (math.nan, 1.0)]):
        studies[-1].open_trial(number, {"a": number}).finish(TrialOutcome(TrialState.COMPLETE, values))
    studies.append(store.open_study(study_info("empty"), "images"))
    studies[-1].flush()
    gone = store.open_study(study_info("gone"), "gone")
    gone.flush()
    store.client.delete_experiment(gone.experiment_id)
    return studies


def check_equal(reader: StudyReader, store: TrackingStore) -> None:
    """What both ways of reading give, of everything that is there."""
    studies = list_studies(store)
    overviews = reader.studies()
    assert tuple(one.study for one in overviews) == studies
    for row, one in zip(studies, overviews, strict=True):
        table = read_study(store, row.run_id)
        assert reader.table(row.run_id).table == table
        assert sum(one.trials.values()) == len(table.trials)
        assert {str(state) for state in one.trials} == {trial.state.value for trial in table.trials}
        assert one.seconds == pytest.approx(sum(trial.seconds or 0.0 for trial in table.trials))
        runs = [trial.run_id for trial in table.trials]
        for metrics in (["validation/accuracy", "absent", "weights/norm"], None):
            expected = read_history(store, runs, metrics)
            pd.testing.assert_frame_equal(reader.history(runs, metrics), expected)


def test_a_database_reads_the_same_both_ways(reader: StudyReader, store: TrackingStore, tmp_path: Path) -> None:
    several_studies(store, tmp_path)

    check_equal(reader, store)
    best = {one.study.info.name: (one.best, one.values) for one in reader.studies()}
    assert best == {"fashion-cnn": (None, ()), "two": (1, (0.9, 1e4)), "empty": (None, ())}
    with pytest.raises(TrackingError, match=r"more than one study.*fashion-cnn \(experiment images\)"):
        reader.table("fashion-cnn")
    with pytest.raises(TrackingError, match=r"no study 'gone'"):
        reader.table("gone")
    assert reader.table("two").table == read_study(store, "two")
    (worker,) = (trial for trial in reader.table(list_studies(store)[-1].run_id).table.trials if trial.number == 8)
    assert (worker.worker, worker.epochs, worker.name) == ("host-1", None, "#8")


def test_postgresql_reads_the_same_both_ways(postgres_tracking: str, tmp_path: Path) -> None:
    with connect(postgres_tracking) as store:
        several_studies(store, tmp_path)
        reader = StudyReader(store)
        check_equal(reader, store)
        before = reader.table("two")
        assert reader.table("two").version == before.version
        store.client.set_tag(before.table.trials[0].run_id, Tag.TRIAL_REASON, "late")
        assert reader.table("two", reload=True).table == read_study(store, "two")
        reader.close()
        reads = DatabaseSource(postgres_tracking)
        with reads._engine.connect() as connection, pytest.raises(sqlalchemy.exc.InternalError, match="read-only"):
            connection.exec_driver_sql("CREATE TABLE x (y int)")
        reads.close()


def test_a_server_reads_the_same_both_ways(server: TrackingServer, tmp_path: Path) -> None:
    with connect(server.base_url) as store:
        studies = several_studies(store, tmp_path)
        reader = StudyReader(store)
        check_equal(reader, store)
        before = reader.table(studies[2].run_id)
        assert reader.table(studies[2].run_id).version == before.version
        studies[2].open_trial(3, {"a": 9})
        studies[2].flush()
        assert reader.table(studies[2].run_id).table == read_study(store, "two")
        store.client.delete_run(before.table.trials[0].run_id)
        store.client.set_tag(before.table.trials[1].run_id, "weights.health", "ok")
        assert reader.table(studies[2].run_id).table == read_study(store, "two")


def test_only_what_may_have_changed_is_read_again(
    reader: StudyReader, store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = store.open_study(study_info(), "images")
    trials = [study.open_trial(number, {"a": number}) for number in range(4)]
    trials[0].finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
    study.flush()
    read: list[int] = []
    whole = database._runs

    def counted(*given: object, **more: object) -> object:
        runs = whole(*given, **more)  # type: ignore[arg-type]
        if more.get("params", True):
            read.append(len(runs))
        return runs

    monkeypatch.setattr(database, "_runs", counted)
    first = reader.table("fashion-cnn")
    assert read == [4]
    assert reader.table("fashion-cnn") is first  # nothing was written, so nothing is looked at

    monkeypatch.setattr(source, "GRACE_MS", 0)
    store.client.set_tag(study.run_id, "mlflow.note.content", "other words")
    second = reader.table("fashion-cnn")
    assert read == [4, 3]  # those that run
    assert second.version != first.version
    assert second.table.trials is first.table.trials
    assert second.table.study.tags["mlflow.note.content"] == "other words"

    trials[1].log_epoch(epoch(1))
    trials[1].finish(TrialOutcome(TrialState.PRUNED))
    study.open_trial(4, {"a": 4})
    study.flush()
    third = reader.table("fashion-cnn")
    assert read == [4, 3, 4]
    assert third.table == read_study(store, "fashion-cnn")
    assert third.table.trials[0] is first.table.trials[0]
    assert reader.table(study.run_id) is third

    store.client.delete_run(trials[0].run_id)
    assert [trial.number for trial in reader.table("fashion-cnn").table.trials] == [1, 2, 3, 4]
    assert reader.table("fashion-cnn", reload=True).version != first.version


def test_a_late_value_shows_when_the_study_ends_or_some_time_has_passed(
    reader: StudyReader, store: TrackingStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "GRACE_MS", -1_000_000)
    study = store.open_study(study_info(), "images")
    trial = study.open_trial(0, {})
    trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)))
    study.flush()
    reader.table("fashion-cnn")
    log_run_metrics(store, trial.run_id, {"test/accuracy": 0.4}, 1e9)
    assert "test/accuracy" not in reader.table("fashion-cnn").table.trials[0].metrics
    study.finish(StudyState.COMPLETE)
    study.flush()
    assert reader.table("fashion-cnn").table.trials[0].metrics["test/accuracy"] == 0.4

    log_run_metrics(store, trial.run_id, {"test/loss": 1.0}, 1e9)
    assert "test/loss" not in reader.table("fashion-cnn").table.trials[0].metrics
    monkeypatch.setattr(reader_module, "REREAD_SECONDS", 0.0)
    store.client.set_tag(trial.run_id, "x", "y")
    assert reader.table("fashion-cnn").table == read_study(store, "fashion-cnn")


def test_equal_readings_have_one_version(reader: StudyReader, store: TrackingStore, tmp_path: Path) -> None:
    study = busy_study(store, tmp_path)  # with running trials, and values that are not numbers
    before = reader.table(study.run_id)
    store.client.create_experiment("another")
    after = reader.table(study.run_id)
    assert after.version == before.version
    assert reader.table(study.run_id, reload=True).version == before.version


def test_a_deleted_study_is_said_to_be_so(reader: StudyReader, store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    study.flush()
    assert reader.table(study.run_id).table.trials == ()
    store.client.delete_run(study.run_id)
    with pytest.raises(TrackingError, match="was deleted"):
        reader.table(study.run_id)
    with pytest.raises(TrackingError, match="no study"):
        reader.table(study.run_id)
    assert reader.studies() == ()


def test_many_threads_and_a_writing_process(uri: str, tmp_path: Path) -> None:
    script = f"""
from tracking_support import study_info, epoch
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import connect
with connect({uri!r}) as store:
    study = store.open_study(study_info(), "images")
    for number in range(30):
        trial = study.open_trial(number, {{"a": number}})
        trial.log_epoch(epoch(1))
        trial.finish(TrialOutcome(TrialState.COMPLETE, (number / 100,)))
    assert study.flush(60)
"""
    with connect(uri) as store:
        study = store.open_study(study_info(), "images")
        study.flush()
        reader = StudyReader(store)
        writer = subprocess.Popen([sys.executable, "-c", script], env={"PYTHONPATH": ":".join(sys.path)})
        seen: list[int] = []
        done = threading.Event()

        def look() -> None:
            while not done.is_set():
                seen.append(len(reader.table("fashion-cnn").table.trials))

        with ThreadPoolExecutor(4) as pool:
            looks = [pool.submit(look) for _ in range(4)]
            code = writer.wait(timeout=120)
            done.set()
        for one in looks:
            one.result()
        assert code == 0
        assert reader.table("fashion-cnn").table == read_study(store, "fashion-cnn")
        assert max(seen) <= 30
        reader.close()


def test_it_cannot_write(reader: StudyReader, uri: str) -> None:
    reads = DatabaseSource(uri)
    with reads._engine.connect() as connection, pytest.raises(sqlalchemy.exc.OperationalError, match="readonly"):
        connection.exec_driver_sql("CREATE TABLE x (y)")
    reads.close()


def test_artifacts_are_read_by_their_names_alone(reader: StudyReader, store: TrackingStore, tmp_path: Path) -> None:
    study = store.open_study(study_info(), "images", tmp_path / "artifacts")
    trial = study.open_trial(0, {})
    trial.finish(
        TrialOutcome(TrialState.COMPLETE, (0.5,)),
        TrialArtifacts(config={"a": 1}, files={"folder/deep.txt": b"deep", "odd name é.txt": b"odd"}),
    )
    study.flush()
    assert reader.artifacts(trial.run_id) == ("config.yaml", "folder/deep.txt", "odd name é.txt")
    assert reader.artifact(trial.run_id, "config.yaml") == b"a: 1\n"
    assert reader.artifact(trial.run_id, "folder/deep.txt") == b"deep"
    assert reader.artifact(trial.run_id, "odd name é.txt") == b"odd"
    for name in ("", ".", "..", "folder", "absent", "../x", "/etc/passwd", "folder/../config.yaml", "a\\b", "%2e%2e/x"):
        assert reader.artifact(trial.run_id, name) is None, name
    assert reader.artifact("f" * 32, "config.yaml") is None
    assert reader.artifacts("no run") == ()
    assert reader.tags(trial.run_id)[Tag.TRIAL_NUMBER] == "0"


def test_a_saved_view_is_found(reader: StudyReader, store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    study.flush()
    assert [one.saved_view for one in reader.studies()] == [None]
    view = store.write_view(study.info, study.experiment_id)
    assert [one.saved_view for one in reader.studies()] == [view.view_id]


def test_the_statements_are_postgresql_too(reader: StudyReader, store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    study.flush()
    statement = database._trial_ids(reader.table(study.run_id).table.study)
    text = str(statement.compile(dialect=postgresql.dialect()))  # type: ignore[no-untyped-call]
    assert "%(key_1)s" in text
    assert study.run_id not in text  # bound, not written into the text


def test_a_broken_database_is_said_in_words(uri: str, store: TrackingStore) -> None:
    reader = StudyReader(store)
    path = Path(uri.removeprefix("sqlite:///"))
    shutil.move(path, path.with_name("elsewhere"))
    sqlite3.connect(path).close()
    with pytest.raises(TrackingError, match=r"cannot list the studies in the tracking store sqlite.*no such table"):
        reader.studies()
    reader.close()


def test_studies_that_nobody_asks_for_are_forgotten(
    reader: StudyReader, store: TrackingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    several_studies(store, tmp_path)
    rows = [one.study for one in reader.studies()]
    sizes = {row.run_id: len(reader.table(row.run_id).table.trials) for row in rows}
    assert list(reader._known) == [row.run_id for row in rows]
    monkeypatch.setattr(reader_module, "REMEMBERED_TRIALS", max(sizes.values()))
    wanted = next(run_id for run_id, size in sizes.items() if size)
    before = reader.table(wanted).table
    assert wanted in reader._known
    assert sum(sizes[run_id] for run_id in reader._known) <= max(sizes.values()) + 1
    monkeypatch.setattr(reader_module, "REMEMBERED_TRIALS", 0)
    for row in rows:
        reader.table(row.run_id)
        assert list(reader._known) == [row.run_id]
    assert reader.table(wanted).table == before
    check_equal(reader, store)


def test_what_is_read_passes_where_the_next_start_clears_it_away(store: TrackingStore, tmp_path: Path) -> None:
    store.use_spool(tmp_path / "spool")
    study = busy_study(store, tmp_path / "artifacts")
    study.log_files({"report.html": b"here"})
    study.flush()
    passed: list[Path] = []

    class Watched(LocalArtifactRepository):  # type: ignore[misc]
        def _download_file(self, remote_file_path: str, local_path: str) -> None:
            passed.append(Path(local_path))
            super()._download_file(remote_file_path, local_path)

    reader = StudyReader(store, lambda location: Watched(location))
    assert store.scratch is not None
    assert reader.artifact(study.run_id, "report.html") == b"here"
    assert [path.is_relative_to(store.scratch) for path in passed] == [True]
    assert not store.scratch.exists()
    reader.close()
