"""A study that is stopped while its tracking server is away ends in time, and loses nothing."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

import tunetrack
from process_support import started, study_command, until
from study_support import command, tiny, write_study
from tunetrack.api.parity import check_parity
from tunetrack.server import ServerSpec, running_server
from tunetrack.study.place import Place

EPOCHS = 400


@pytest.mark.slow
@pytest.mark.parametrize("how", ["frozen", "stopped"])
def test_ends_in_time_and_is_sent_at_the_next_start(how: str, tmp_path: Path, database_template: Path) -> None:
    home, served = tmp_path / "home", tmp_path / "served"
    served.mkdir()
    shutil.copy(database_template, served / "mlflow.db")
    spec = ServerSpec(served, port=0, environment=dict(os.environ))
    trainer = {"epochs": EPOCHS, "batch_size": 10, "deterministic": True}
    file = write_study(tmp_path / "study.yaml", tiny(trainer=trainer, budget={"trials": 1}))
    with running_server(spec) as server:
        uri, port = server.base_url, int(server.base_url.rpartition(":")[2])
        with started(study_command("run", file, "--home", home, "--tracking-uri", uri), tmp_path) as running:
            until("a checkpoint", (Place(home).checkpoints / "tiny" / "0.pt").exists)
            server.stop() if how == "stopped" else os.killpg(server.pid, signal.SIGSTOP)
            time.sleep(1.0)
            running.process.send_signal(signal.SIGINT)
            began = time.monotonic()
            assert running.ends() == 130
            assert time.monotonic() - began < 10
            assert "at the next start" in running.errors
        if how == "frozen":
            os.killpg(server.pid, signal.SIGCONT)
            server.stop()
    with running_server(ServerSpec(served, port=port, environment=dict(os.environ))):
        mended = command("doctor", "--fix", "--home", home, "--tracking-uri", uri)
        assert mended.returncode == 0, mended.stdout + mended.stderr
        assert check_parity("tiny", home, uri).is_good
        trial = tunetrack.load_study("tiny", home, uri).trials[0]
        points = MlflowClient(uri).get_metric_history(trial.run_id or "", "train/loss")
        assert [point.step for point in points] == list(range(1, len(points) + 1))
        assert 0 < len(points) < EPOCHS
        assert MlflowClient(uri).get_run(trial.run_id or "").info.status == "KILLED"
