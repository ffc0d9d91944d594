"""Real processes killed at random moments, a real server stopped and frozen, many processes at one database."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from spool_support import PARAMS, Home, check, expected, record
from tracking_support import study_info
from tunetrack.server import ServerSpec, TrackingServer, start_server
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import TrialArtifacts, connect, study_trials

TESTS = Path(__file__).parents[2]


def script(*arguments: object, code: str | None = None) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
    what = [str(TESTS / "spool_support.py")] if code is None else ["-c", code]
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", *what, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
    )


def finished(process: subprocess.Popen[str], seconds: float = 200) -> str:
    out, error = process.communicate(timeout=seconds)
    assert process.returncode == 0, error[-3000:]
    return out


def killed_until_it_ends(uri: str, home: Path, seed: int) -> None:
    kills = int(finished(script(uri, home, seed)))
    assert kills > 2
    with connect(uri) as store:
        check(store, Home(home))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_killed_at_random_moments_over_a_database(uri: str, tmp_path: Path, seed: int) -> None:
    home = tmp_path / "home"
    home.mkdir()
    killed_until_it_ends(uri, home, seed)


def test_killed_at_random_moments_over_a_server(server: TrackingServer, tmp_path: Path) -> None:
    killed_until_it_ends(server.base_url, tmp_path, 3)


def test_a_server_that_stands_still_and_one_that_is_gone(
    tmp_path: Path, database_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    shutil.copy(database_template, tmp_path / "mlflow.db")
    spec = ServerSpec(tmp_path, port=0, environment=dict(os.environ))
    server = start_server(spec)
    said: list[str] = []
    try:
        with connect(server.base_url) as store:
            store.use_spool(tmp_path / "spool", told=said.append)
            study = store.open_study(study_info(), "images")

            def train(*numbers: int) -> None:
                for number in numbers:
                    trial = study.open_trial(number, PARAMS)
                    for each in range(1, 7):
                        trial.log_epoch(record(number, each))
                    outcome = TrialOutcome(TrialState.COMPLETE, (number / 10,))
                    trial.finish(outcome, TrialArtifacts(weights=b"PK"))

            train(0)
            assert study.flush(60)
            everyone = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
            for process in everyone:
                process.suspend()
            begin = time.monotonic()
            train(1, 2)
            assert time.monotonic() - begin < 2  # whatever the server does
            assert not study.flush(7.0)
            assert len(said) == 1
            for process in everyone:
                process.resume()
            assert study.flush(60)
            assert "answers again" in said[1]

            server.stop()
            train(3)
            assert not study.flush(2.0)
            server = start_server(
                ServerSpec(tmp_path, port=int(server.base_url.rpartition(":")[2]), environment=dict(os.environ))
            )
            train(4)
            assert study.flush(60)
            assert len(said) == 4
            rows = study_trials(store, study.run_id)
            assert [(row.number, row.status) for row in rows] == [(number, "FINISHED") for number in range(5)]
            for row in rows:
                history = store.client.get_metric_history(row.run_id, "train/accuracy")
                assert [(point.value, point.timestamp, point.step) for point in history] == expected(row.number)
                assert [file.path for file in store.client.list_artifacts(row.run_id)] == ["curves.svg", "weights.pt"]
    finally:
        server.stop()


_WORKER = """
import sys
from pathlib import Path
from spool_support import PARAMS, record
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import TrialArtifacts, connect
uri, folder, run_id, number = sys.argv[1:]
with connect(uri, must_answer=False) as store:
    store.use_spool(Path(folder))
    study = store.attach_study(run_id)
    for trial_number in range(int(number), 24, 8):
        trial = study.open_trial(trial_number, PARAMS)
        for epoch in range(1, 7):
            trial.log_epoch(record(trial_number, epoch))
            study.log_metrics({f"so_far/{trial_number}": epoch}, epoch)
        trial.finish(TrialOutcome(TrialState.COMPLETE, (0.1,)), TrialArtifacts(weights=b"PK"))
    assert store.flush(120), store.status
    assert not store.status.refused, store.status
"""


def test_eight_processes_log_to_one_database(uri: str, tmp_path: Path) -> None:
    with connect(uri) as store:
        study = store.open_study(study_info(), "images")
        folder = tmp_path / "spool"
        for worker in [script(uri, folder, study.run_id, number, code=_WORKER) for number in range(8)]:
            finished(worker)
        rows = study_trials(store, study.run_id)
        assert [(row.number, row.status) for row in rows] == [(number, "FINISHED") for number in range(24)]
        for row in rows:
            history = store.client.get_metric_history(row.run_id, "train/accuracy")
            assert [(point.value, point.timestamp, point.step) for point in history] == expected(row.number)
            steps = [point.step for point in store.client.get_metric_history(study.run_id, f"so_far/{row.number}")]
            assert steps == [1, 2, 3, 4, 5, 6]
    assert not folder.exists()


_FIRST = """
import sys
from tunetrack.tracking import connect
with connect(sys.argv[1]) as store:
    print(store.experiment_id("images"))
"""


def test_processes_that_make_the_same_database_at_once(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    firsts = [script(uri, code=_FIRST) for _ in range(4)]
    assert len({finished(first) for first in firsts}) == 1


def test_killed_while_it_makes_the_database(tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    first = script(f"sqlite:///{path}", code=_FIRST)
    deadline = time.monotonic() + 120
    new = tmp_path / "mlflow.db.new"
    while not (new.exists() and new.stat().st_size > 50_000) and time.monotonic() < deadline:
        time.sleep(0.002)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert new.exists()
    assert not path.exists() or not path.stat().st_size
    finished(script(f"sqlite:///{path}", code=_FIRST))
    assert not new.exists()
