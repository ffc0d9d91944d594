"""A study that is killed in the middle of a trial goes on at that trial's next epoch, as if nothing had been."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

import tunetrack
from study_support import child_environment, tiny, write_study
from tunetrack import training
from tunetrack.study.place import Place

EPOCHS, TRIALS = 12, 3
#: Epochs until the kill: long enough for the first trial to be written to MLflow, which takes up to half a second.
BEFORE = 8
METRICS = ("train/loss", "validation/accuracy", "validation/loss", "weights/norm", "weights/step_ratio")


def slow_study(**more: Any) -> dict[str, Any]:
    """Long enough to be killed in the middle of a trial."""
    trainer = {"epochs": EPOCHS, "batch_size": 16, "deterministic": True, "threads": 1, "precision": "fp32"}
    return tiny(
        data={"name": "digits", "train": 1000, "validation": 100, "test": 100},
        optimizer={"name": "adam", "lr": {"low": 1e-4, "high": 1e-1, "log": True}},
        model={"filters": {"low": 8, "high": 32, "step": 8}, "num_layers": 2, "conv_dropout": 0.1},
        trainer=trainer,
        sampler={"name": "tpe", "seed": 3, "n_startup_trials": 1},
        budget={"trials": TRIALS},
        **more,
    )


def killed_after(file: Path, home: Path, epochs: int, number: signal.Signals) -> None:
    """Runs the study in a process of its own, which gets a signal when its second trial has saved so many epochs."""
    command = [sys.executable, "-m", "tunetrack", "run", str(file), "--home", str(home)]
    process = subprocess.Popen(command, env=child_environment(), stderr=subprocess.DEVNULL)
    checkpoint = Place(home).checkpoints / "tiny" / "1.pt"
    seen, deadline = set(), time.monotonic() + 120
    while len(seen) < epochs:
        assert process.poll() is None, "the study ended before it was killed"
        assert time.monotonic() < deadline
        if checkpoint.exists():
            seen.add(checkpoint.stat().st_mtime_ns)
        time.sleep(0.001)
    process.send_signal(number)
    process.wait(60)


def table(result: tunetrack.StudyResult) -> pd.DataFrame:
    return result.frame().drop(columns=["run_id"])


def histories(result: tunetrack.StudyResult) -> dict[tuple[int, str], set[tuple[int, float]]]:
    """All points of all trials; one that was logged before the kill and again after it is the same point."""
    client = MlflowClient(tracking_uri=result.tracking_uri)
    return {
        (trial.number, metric): {(p.step, p.value) for p in client.get_metric_history(trial.run_id, metric)}
        for trial in result.trials
        if trial.run_id
        for metric in METRICS
    }


def weights(result: tunetrack.StudyResult, home: Path) -> list[dict[str, Any]]:
    files = sorted(home.rglob("weights.pt"))
    by_run = {file.parent.parent.name: file for file in files}
    return [training.weights_from_bytes(by_run[trial.run_id or ""].read_bytes()) for trial in result.trials]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> tuple[tunetrack.StudyResult, Path]:
    home = tmp_path_factory.mktemp("whole")
    return tunetrack.run_study(write_study(home / "study.yaml", slow_study()), home=home), home


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_goes_on_at_the_next_epoch(
    number: signal.Signals, uninterrupted: tuple[tunetrack.StudyResult, Path], tmp_path: Path
) -> None:
    file = write_study(tmp_path / "study.yaml", slow_study())
    killed_after(file, tmp_path / "home", BEFORE, number)
    checkpoint = Place(tmp_path / "home").checkpoints / "tiny" / "1.pt"
    ended = [epoch["ended"] for epoch in training.checkpoint.read_checkpoint(checkpoint)["records"]["epochs"]]
    assert 1 <= len(ended) < EPOCHS

    result = tunetrack.run_study(file, home=tmp_path / "home", resume=True)

    whole, home = uninterrupted
    pd.testing.assert_frame_equal(table(result), table(whole), check_exact=True)
    assert histories(result) == histories(whole)
    for one, other in zip(weights(result, tmp_path / "home"), weights(whole, home), strict=True):
        assert all((one[name] == other[name]).all() for name in one)
    for one, other in zip(result.trials, whole.trials, strict=True):
        pd.testing.assert_frame_equal(one.weight_stats(), other.weight_stats(), check_exact=True)
    assert not list(Place(tmp_path / "home").checkpoints.rglob("*"))
    # The epochs before the kill were not trained again: their points have the time at which they ended then.
    client = MlflowClient(tracking_uri=result.tracking_uri)
    points = client.get_metric_history(result.trials[1].run_id or "", "train/loss")
    assert {round(1000 * moment) for moment in ended} <= {point.timestamp for point in points}


def test_a_damaged_checkpoint_is_told_and_the_trial_begins_anew(tmp_path: Path) -> None:
    file = write_study(tmp_path / "study.yaml", slow_study())
    home = tmp_path / "home"
    killed_after(file, home, BEFORE, signal.SIGKILL)
    checkpoint = Place(home).checkpoints / "tiny" / "1.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    command = [sys.executable, "-m", "tunetrack", "run", str(file), "--home", str(home), "--resume"]
    done = subprocess.run(command, env=child_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "This trial begins anew: the checkpoint" in said
    assert "it is damaged" in said
    assert len([trial for trial in tunetrack.load_study("tiny", home).trials if trial.value is not None]) == TRIALS
