"""A study file that has changed: said, refused, or accepted and recorded; an unfinished trial then begins anew."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

import tunetrack
from study_support import command, tiny, write_study
from tunetrack.api.parity import check_parity
from tunetrack.errors import InterruptedStudyError
from tunetrack.spec import EpochRecord
from tunetrack.study.progress import Progress


class StopsIn(Progress):
    """Stops the study as a signal would, in the first epoch of a trial."""

    def __init__(self, number: int) -> None:
        self._number = number

    def epoch_finished(self, number: int, record: EpochRecord) -> None:
        if number == self._number and record.epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)


def study(epochs: int, **more: Any) -> dict[str, Any]:
    return tiny(trainer={"epochs": epochs, "batch_size": 50, "deterministic": True}, **more)


@pytest.fixture
def stopped(home: Path, tmp_path: Path) -> Path:
    """A study of three trials that was stopped in its second one; the file."""
    file = write_study(tmp_path / "study.yaml", study(epochs=3))
    with pytest.raises(InterruptedStudyError):
        tunetrack.run_study(file, home=home, progress=StopsIn(1))
    return file


def test_a_change_is_refused_leaf_by_leaf(stopped: Path, home: Path) -> None:
    write_study(stopped, study(epochs=4))
    ran = command("run", stopped, "--home", home, "--resume")
    assert ran.returncode == 6
    said = " ".join(ran.stderr.split())
    assert "trainer.epochs: 3 -> 4" in said
    assert "--accept-changes" in said
    assert "Traceback" not in said


def test_a_change_is_accepted_and_recorded(stopped: Path, home: Path) -> None:
    write_study(stopped, study(epochs=4))
    ran = command("run", stopped, "--home", home, "--resume", "--accept-changes")
    assert ran.returncode == 0, ran.stderr
    result = tunetrack.load_study("tiny", home)
    client = MlflowClient(result.tracking_uri)
    epochs = [client.get_run(trial.run_id or "").data.params["trainer.epochs"] for trial in result.trials]
    assert epochs == ["3", "4", "4"]
    lengths = [len(client.get_metric_history(trial.run_id or "", "train/loss")) for trial in result.trials]
    assert lengths == [3, 4, 4]
    note = client.get_run(result.run_id or "").data.tags["mlflow.note.content"]
    assert "trainer.epochs: 3 -> 4" in note
    assert check_parity("tiny", home).is_good


def test_another_objective_is_never_accepted(stopped: Path, home: Path) -> None:
    write_study(stopped, study(epochs=3, objective={"metric": "validation/loss"}))
    ran = command("run", stopped, "--home", home, "--resume", "--accept-changes")
    assert ran.returncode == 6
    assert "objective" in ran.stderr
    assert "Traceback" not in ran.stderr
