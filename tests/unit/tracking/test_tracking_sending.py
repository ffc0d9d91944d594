"""What reaches the store: order, refusals, doubled runs, lost entries, stores that are away, exits and forks."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from spool_support import PARAMS, expected, record
from tracking_support import epoch, study_info
from tunetrack.errors import TrackingError
from tunetrack.server import TrackingServer
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import (
    DatasetInfo,
    StudyRun,
    StudyState,
    TrackingStore,
    TrialArtifacts,
    WriterLimits,
    connect,
    delete_run,
    study_trials,
)
from tunetrack.tracking.mlflow_calls import MlflowCalls

COMPLETE = TrialOutcome(TrialState.COMPLETE, (0.5,))


class Told:
    """A store with a spool, and what it has said."""

    def __init__(self, store: TrackingStore, folder: Path, name: str = "fashion-cnn") -> None:
        self.said: list[str] = []
        self.store = store
        store.use_spool(folder, told=self.said.append)
        self.study = store.open_study(study_info(name), "images")


@pytest.fixture
def told(store: TrackingStore, tmp_path: Path) -> Told:
    return Told(store, tmp_path / "spool")


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The address of a server that is not there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command sets, and shorter: MLflow's own client would try for minutes."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def steps(store: TrackingStore, run_id: str, metric: str = "train/loss") -> list[int]:
    return [point.step for point in store.client.get_metric_history(run_id, metric)]


def test_many_threads_write_everything_once_and_in_order(told: Told) -> None:
    def work(number: int) -> None:
        trial = told.study.open_trial(number, PARAMS)
        for each in range(1, 101):
            trial.log_epoch(record(number, each))
        trial.finish(COMPLETE)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told.study.flush()
    rows = study_trials(told.store, told.study.run_id)
    assert [(row.number, row.status, steps(told.store, row.run_id)) for row in rows] == [
        (number, "FINISHED", list(range(1, 101))) for number in range(4)
    ]
    assert (told.store.status.pending, told.store.status.lost, told.store.status.refused, told.said) == (0, 0, 0, [])


def test_held_epochs_come_with_the_next_or_with_the_ending_and_not_when_killed(told: Told) -> None:
    first, second = told.study.open_trial(0, PARAMS), told.study.open_trial(1, PARAMS)
    for trial in (first, second):
        trial.log_epoch(record(trial.number, 1), held=True)
        trial.log_epoch(record(trial.number, 2))
        trial.log_epoch(record(trial.number, 3), held=True)
        told.study.flush()
        assert steps(told.store, trial.run_id) == [1, 2]
    first.finish(COMPLETE)
    second.finish(TrialOutcome(TrialState.KILLED))
    told.study.flush()
    assert (steps(told.store, first.run_id), steps(told.store, second.run_id)) == ([1, 2, 3], [1, 2])
    history = told.store.client.get_metric_history(first.run_id, "train/accuracy")
    assert [(point.value, point.timestamp, point.step) for point in history] == expected(0)[:3]
    # At the end of the last epoch, so that ending the trial a second time gives the same point.
    (final,) = told.store.client.get_metric_history(first.run_id, "objective")
    assert (final.value, final.timestamp) == (0.5, expected(0)[2][1])


def test_an_ending_counts_when_it_is_sent_and_not_when_it_is_dropped(told: Told) -> None:
    sent, dropped = told.study.open_trial(0, PARAMS), told.study.open_trial(1, PARAMS)
    endings = [trial.ending(COMPLETE, TrialArtifacts(weights=b"PK")) for trial in (sent, dropped)]
    assert told.study.flush()
    assert [row.status for row in study_trials(told.store, told.study.run_id)] == ["RUNNING", "RUNNING"]
    endings[0].send()
    endings[1].drop()
    endings[1].send()  # it was said otherwise before
    assert told.study.flush()
    rows = study_trials(told.store, told.study.run_id)
    assert [(row.state, row.metrics, row.end is not None) for row in rows] == [
        ("COMPLETE", {"objective": 0.5}, True),
        ("RUNNING", {}, False),
    ]
    assert [len(told.store.client.list_artifacts(row.run_id)) for row in rows] == [1, 0]


def test_one_bad_entry_takes_no_good_ones_with_it(told: Told) -> None:
    trial = told.study.open_trial(0, PARAMS)
    other = told.study.open_trial(0, {**PARAMS, "model.filters": 64, "model.name": "cnn"}, existing=True)
    trial.log_metrics({f"good{index}": float(index) for index in range(20)} | {"bad[0]": 1.0})
    for each in range(1, 6):
        trial.log_epoch(epoch(each))
    other.finish(COMPLETE)
    assert told.study.flush()
    run = told.store.client.get_run(trial.run_id)
    assert run.data.params["model.filters"] == "32"
    assert run.data.params["model.name"] == "cnn"
    assert {f"good{index}" for index in range(20)} <= run.data.metrics.keys()
    assert (run.info.status, steps(told.store, trial.run_id)) == ("FINISHED", [1, 2, 3, 4, 5])
    assert told.store.status.refused == 2
    assert any("already has this parameter with another value" in text for text in told.said)
    assert any("bad[0]" in text for text in told.said)
    assert len(told.said) == 2


def test_a_run_that_somebody_deletes_does_not_hold_up_the_others(told: Told) -> None:
    gone, other = told.study.open_trial(0, PARAMS), told.study.open_trial(1, PARAMS)
    told.study.flush()
    told.store.client.delete_run(gone.run_id)
    for each in range(1, 31):
        gone.log_epoch(epoch(each))
        other.log_epoch(epoch(each))
    gone.finish(COMPLETE)
    other.finish(COMPLETE)
    assert told.study.flush()
    (row,) = study_trials(told.store, told.study.run_id)
    assert (row.number, row.status, steps(told.store, row.run_id)) == (1, "FINISHED", list(range(1, 31)))
    # Its thirty epochs, and what ended it; files go to the artifact store, which does not know of runs.
    assert told.store.status.refused == 32
    assert all("fashion-cnn/0" in text for text in told.said)


def test_a_defect_of_ours_costs_one_entry(
    told: Told, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(MlflowCalls, "log_inputs", lambda *_: 1 / 0)
    told.study.log_dataset(DatasetInfo("d", "x", {"train": 1}, (1,), ("0",), "s"))
    told.study.finish(StudyState.COMPLETE)
    assert told.study.flush()
    assert told.store.client.get_run(told.study.run_id).info.status == "FINISHED"
    assert told.store.status.refused == 1
    assert "ZeroDivisionError" in caplog.text


def test_of_doubled_runs_the_one_with_content_stays(told: Told, tmp_path: Path) -> None:
    trial = told.study.open_trial(0, PARAMS)
    trial.log_epoch(epoch(1))
    kept = trial.run_id
    told.study.flush()
    run = told.store.client.get_run(kept)
    tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.run")}

    def double() -> None:  # as a server does that executes a request whose sender has given up long ago
        told.store.client.create_run(run.info.experiment_id, run.info.start_time, tags, "ghost")

    double()
    assert [row.number for row in study_trials(told.store, told.study.run_id)] == [0, 0]
    again = told.study.open_trial(0, PARAMS, existing=True)
    assert again.run_id == kept
    told.study.flush()
    assert [row.run_id for row in study_trials(told.store, told.study.run_id)] == [kept]


def test_a_run_that_is_open_is_not_opened_again(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    # The request could be executed when its sender has long been killed, and its successor has ended the run.
    opened: list[str] = []
    reopen = MlflowCalls.reopen

    def counted(calls: MlflowCalls, run_id: str, tags: Mapping[str, str], name: str | None = None) -> None:
        opened.append(run_id)
        reopen(calls, run_id, tags, name)

    monkeypatch.setattr(MlflowCalls, "reopen", counted)
    run_id = told.study.open_trial(0, PARAMS).run_id
    told.study.open_trial(0, PARAMS, existing=True)
    told.study.flush()
    assert opened == []
    told.study.open_trial(0, PARAMS, existing=True).finish(TrialOutcome(TrialState.KILLED))
    told.study.open_trial(0, PARAMS, existing=True)
    told.study.flush()
    assert opened == [run_id]


def test_a_run_that_appears_late_is_deleted_when_its_trial_ends(server: TrackingServer, tmp_path: Path) -> None:
    with connect(server.base_url) as store:
        told = Told(store, tmp_path / "spool", "late")
        trial = told.study.open_trial(0, PARAMS)
        kept = trial.run_id
        run = store.client.get_run(kept)
        tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.run")}
        ghost = store.client.create_run(run.info.experiment_id, run.info.start_time, tags, "ghost")
        assert len(study_trials(store, told.study.run_id)) == 2
        trial.finish(COMPLETE)
        assert told.study.flush()
        (row,) = study_trials(store, told.study.run_id)
        assert (row.run_id, row.key, row.state) == (kept, "late/0", "COMPLETE")
        assert store.client.get_run(ghost.info.run_id).info.lifecycle_stage == "deleted"
        delete_run(store, kept)
        assert study_trials(store, told.study.run_id) == []
        with pytest.raises(TrackingError, match="not found"):
            delete_run(store, "0" * 32)


def test_lost_entries_are_counted_on_the_study(store: TrackingStore, tmp_path: Path, uri: str) -> None:
    (tmp_path / "file").write_text("in the way")
    lost = 0
    for times in (1, 2):
        with connect(uri, limits=WriterLimits(pending=20)) as limited:
            told = Told(limited, tmp_path / "file" / "spool")
            assert "cannot be kept in" in told.said[0]
            trial = told.study.open_trial(times, PARAMS)
            told.study.flush()
            for each in range(1, 101):
                trial.log_epoch(epoch(each))
            trial.finish(COMPLETE)
            assert told.study.flush()
            assert told.store.status.lost > 50
            assert "are being lost" in told.said[1]
            lost += told.store.status.lost
            assert store.client.get_run(told.study.run_id).data.tags["tracking.lost"] == str(lost)
            assert steps(store, trial.run_id)[:10] == list(range(1, 11))


def test_a_store_that_is_away_costs_nothing_but_time(
    store: TrackingStore, uri: str, tmp_path: Path, nowhere: str, impatient: None
) -> None:
    first = store.open_study(study_info(), "images")
    said: list[str] = []
    start = time.monotonic()
    with connect(nowhere, must_answer=False) as away:
        away.use_spool(tmp_path / "spool", told=said.append)
        study = away.open_study(study_info(), "images", run_id=first.run_id, experiment_id=first.experiment_id)
        assert (study.run_id, study.resumed) == (first.run_id, True)
        trial = study.open_trial(0, PARAMS)
        for each in range(1, 11):
            trial.log_epoch(record(0, each))
        trial.finish(COMPLETE)
        study.finish(StudyState.COMPLETE)
        assert not study.flush(timeout=1.5)
        assert "no server answers" in away.status.trouble
        assert away.status.pending == 18
        with pytest.raises(TrackingError, match="no server answers"):
            away.writer.run_id(trial.run, 0.1)
        away.close(timeout=1.0)
        with pytest.raises(TrackingError, match="closed"):
            trial.log_epoch(record(0, 11))
    assert time.monotonic() - start < 15
    assert len(said) == 2
    assert "Training goes on; entries wait in" in said[0]
    assert "18 entries could not be sent" in said[1]
    assert "are sent when the study is resumed" in said[1]

    with connect(uri) as back:
        back.use_spool(tmp_path / "spool")
        assert back.status.pending > 0
        assert back.flush(60)
        (row,) = study_trials(back, first.run_id)
        assert (row.status, row.params, steps(back, row.run_id)) == ("FINISHED", PARAMS, list(range(1, 11)))
        assert back.client.get_run(first.run_id).info.status == "FINISHED"
    assert not (tmp_path / "spool").exists()


def test_what_waits_is_on_disk_and_not_in_memory(
    store: TrackingStore, tmp_path: Path, nowhere: str, impatient: None
) -> None:
    first = store.open_study(study_info(), "images")
    with connect(nowhere, must_answer=False) as away:
        away.use_spool(tmp_path / "spool")
        study = away.open_study(study_info(), "images", run_id=first.run_id, experiment_id=first.experiment_id)
        trial = study.open_trial(0, PARAMS)
        study.flush(1.0)
        tracemalloc.start()
        for each in range(1, 20_001):
            trial.log_metrics({"a": 1.0, "b": 2.0, "c": 3.0}, each)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        (path,) = (tmp_path / "spool").glob("*.log")
        assert path.stat().st_size > 3_000_000
        assert peak < 1_000_000
        away.close(timeout=0.1)


def test_a_temporary_spool_says_what_it_loses(
    store: TrackingStore, nowhere: str, impatient: None, caplog: pytest.LogCaptureFixture
) -> None:
    first = store.open_study(study_info(), "images")
    with connect(nowhere, must_answer=False) as away:
        away.open_study(study_info(), "images", run_id=first.run_id, experiment_id=first.experiment_id)
        away.close(timeout=0.5)
    assert "2 entries could not be sent" in caplog.text
    assert "are lost" in caplog.text


def test_a_database_of_another_version_is_named_and_what_was_logged_waits(
    store: TrackingStore, uri: str, tmp_path: Path
) -> None:
    first = store.open_study(study_info(), "images")
    old = tmp_path / "old.db"
    shutil.copy(uri.removeprefix("sqlite:///"), old)
    with sqlite3.connect(old) as database:
        ((head,),) = database.execute("SELECT version_num FROM alembic_version")
        database.execute("UPDATE alembic_version SET version_num = 'bd07f7e963c5'")
    with pytest.raises(TrackingError, match=r"another MLflow version.*mlflow db upgrade"):
        connect(f"sqlite:///{old}")
    said: list[str] = []
    with connect(f"sqlite:///{old}", must_answer=False) as outdated:
        outdated.use_spool(tmp_path / "spool", told=said.append)
        study = outdated.open_study(study_info(), "images", run_id=first.run_id, experiment_id=first.experiment_id)
        study.finish(StudyState.COMPLETE)
        assert not outdated.flush(3.0)
        assert "another MLflow version" in said[0]
        with sqlite3.connect(old) as database:  # as `mlflow db upgrade` leaves it
            database.execute("UPDATE alembic_version SET version_num = ?", (head,))
        assert outdated.flush(60)
        assert "answers again; 4 entries were sent late" in said[1]
        assert outdated.client.get_run(first.run_id).info.status == "FINISHED"


def test_a_fork_can_neither_write_nor_end_what_its_parent_writes(told: Told) -> None:
    trial = told.study.open_trial(0, PARAMS)
    told.study.flush()
    child = os.fork()
    if not child:
        answers = []
        for call in (lambda: trial.log_epoch(epoch(1)), lambda: told.study.flush(), lambda: trial.finish(COMPLETE)):
            try:
                call()
            except TrackingError as error:
                answers.append("parent process" in str(error))
        told.store.close()
        os._exit(0 if answers == [True] * 3 else 1)
    assert os.waitpid(child, 0)[1] == 0
    trial.log_epoch(epoch(1))
    told.study.flush()
    assert steps(told.store, trial.run_id) == [1]


_LEAVE = """
import sys
sys.path.insert(0, {tests!r})
from tracking_support import epoch, study_info
from tunetrack.tracking import connect, WriterLimits
store = connect({uri!r}, limits=WriterLimits(linger_seconds=5.0))
study = store.open_study(study_info(), "images")
trial = study.open_trial(0, {{"model.filters": 1}})
for number in range(1, 51):
    trial.log_epoch(epoch(number))
{rest}
"""


@pytest.mark.parametrize(("rest", "code"), [("", 0), ("sys.exit(3)", 3), ("raise RuntimeError('no')", 1)])
def test_whichever_way_python_ends_all_that_was_logged_is_sent(uri: str, rest: str, code: int) -> None:
    script = _LEAVE.format(tests=str(Path(__file__).parents[2]), uri=uri, rest=rest)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    with connect(uri) as store:
        (run,) = store.client.search_runs([store.experiment_id("images")], "tags.`trial.key` = 'fashion-cnn/0'")
        assert steps(store, run.info.run_id) == list(range(1, 51))


def test_a_listener_that_fails_stops_nothing(store: TrackingStore, tmp_path: Path) -> None:
    def told(text: str) -> None:
        raise RuntimeError("the terminal is gone")

    store.use_spool(tmp_path / "spool", told=told)
    study: StudyRun = store.open_study(study_info(), "images")
    study.log_metrics({"bad[0]": 1.0})
    study.finish(StudyState.COMPLETE)
    assert study.flush()
    assert store.status.refused == 1


def test_the_spool_is_named_before_anything_is_written(store: TrackingStore, tmp_path: Path) -> None:
    store.open_study(study_info(), "images")
    with pytest.raises(TrackingError, match="before anything is written"):
        store.use_spool(tmp_path)


def test_a_search_state_that_cannot_be_read_leaves_the_spool_as_it_is(uri: str, tmp_path: Path) -> None:
    with connect(uri) as store:
        told = Told(store, tmp_path / "spool")
        told.study.open_trial(3, PARAMS).ending(COMPLETE)
        told.study.flush()

    def ended(number: int) -> bool:
        raise TrackingError(f"cannot tell of {number}")

    with connect(uri) as store:
        with pytest.raises(TrackingError, match="cannot tell of 3"):
            store.use_spool(tmp_path / "spool", ended=ended)
        store.use_spool(tmp_path / "spool", ended=lambda number: number == 3)
        assert store.flush(60)
        (row,) = study_trials(store, told.study.run_id)
        assert row.state == "COMPLETE"
