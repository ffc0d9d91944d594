"""A study that is killed in the middle of a trial goes on at that trial's next epoch, as if nothing had been."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mlflow import MlflowClient

import tunetrack
from process_support import Started, is_gone, send, started, study_command, until, worker_of
from study_support import command, tiny, write_study
from tunetrack import training
from tunetrack.study.place import Place

EPOCHS, TRIALS = 40, 3
#: Checkpoints and seconds until the kill: enough for the first trial to be written to MLflow.
BEFORE, BEFORE_SECONDS = 2, 0.3
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


@contextmanager
def in_its_second_trial(file: Path, home: Path) -> Iterator[Started]:
    """Runs the study as a user would; its second trial has saved some epochs."""
    checkpoint = Place(home).checkpoints / "tiny" / "1.pt"
    with started(study_command("run", file, "--home", home), file.parent) as running:
        seen: dict[int, float] = {}
        while len(seen) < BEFORE or time.monotonic() - min(seen.values()) < BEFORE_SECONDS:
            assert running.process.poll() is None, running.errors
            with suppress(FileNotFoundError):
                seen.setdefault(checkpoint.stat().st_mtime_ns, time.monotonic())
            time.sleep(0.001)
        yield running


def kill_both(running: Started) -> None:
    """Kills supervisor and worker; the first first, so that it starts no other."""
    worker = worker_of(running)
    send(running, signal.SIGKILL)
    send(worker, signal.SIGKILL)
    running.ends()
    until("the worker is gone", lambda: not worker.is_running())


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


def compare(result: tunetrack.StudyResult, uninterrupted: tuple[tunetrack.StudyResult, Path], home: Path) -> None:
    """Everything is as if nothing had been."""
    whole, its_home = uninterrupted
    pd.testing.assert_frame_equal(table(result), table(whole), check_exact=True)
    assert histories(result) == histories(whole)
    for one, other in zip(weights(result, home), weights(whole, its_home), strict=True):
        assert all((one[name] == other[name]).all() for name in one)
    for one, other in zip(result.trials, whole.trials, strict=True):
        pd.testing.assert_frame_equal(one.weight_stats(), other.weight_stats(), check_exact=True)
    assert not list(Place(home).checkpoints.rglob("*"))


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_goes_on_at_the_next_epoch(
    number: signal.Signals, uninterrupted: tuple[tunetrack.StudyResult, Path], tmp_path: Path
) -> None:
    file, home = write_study(tmp_path / "study.yaml", slow_study()), tmp_path / "home"
    with in_its_second_trial(file, home) as running:
        if number == signal.SIGKILL:
            kill_both(running)
        else:
            send(running, number)
            running.ends()
    checkpoint = Place(home).checkpoints / "tiny" / "1.pt"
    ended = [epoch["ended"] for epoch in training.checkpoint.read_checkpoint(checkpoint)["records"]["epochs"]]
    assert 1 <= len(ended) < EPOCHS

    result = tunetrack.run_study(file, home=home, resume=True)

    compare(result, uninterrupted, home)
    # The epochs before the kill were not trained again: their points have the time at which they ended then.
    client = MlflowClient(tracking_uri=result.tracking_uri)
    points = client.get_metric_history(result.trials[1].run_id or "", "train/loss")
    assert {round(1000 * moment) for moment in ended} <= {point.timestamp for point in points}


@pytest.mark.slow  # the short version of the fault harness kills workers too
def test_a_study_whose_worker_is_killed_goes_on_by_itself(
    uninterrupted: tuple[tunetrack.StudyResult, Path], tmp_path: Path
) -> None:
    file, home = write_study(tmp_path / "study.yaml", slow_study()), tmp_path / "home"
    with in_its_second_trial(file, home) as running:
        send(worker_of(running), signal.SIGKILL)
        assert running.ends() == 0, running.errors
        assert "was killed by signal 9 (SIGKILL), most often because memory ran out; going on with" in running.errors
        assert "3 trials: ● 3 COMPLETE" in running.output
    compare(tunetrack.load_study("tiny", home), uninterrupted, home)


@pytest.mark.slow
def test_a_study_whose_supervisor_is_killed_ends_and_goes_on_with_resume(
    uninterrupted: tuple[tunetrack.StudyResult, Path], tmp_path: Path
) -> None:
    file, home = write_study(tmp_path / "study.yaml", slow_study()), tmp_path / "home"
    with in_its_second_trial(file, home) as running:
        worker = worker_of(running)
        send(running, signal.SIGKILL)
        until("the worker is gone", lambda: is_gone(worker), 10)
    assert statuses(home) == {"study": ["KILLED"], "trial": ["FINISHED", "KILLED"]}
    resumed = command("resume", "tiny", "--home", home)
    assert resumed.returncode == 0, resumed.stderr
    compare(tunetrack.load_study("tiny", home), uninterrupted, home)


def statuses(home: Path) -> dict[str, list[str]]:
    """MLflow's statuses of the runs, by kind."""
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    kinds: dict[str, list[str]] = {}
    for run in found:
        kinds.setdefault(run.data.tags["tunetrack.kind"], []).append(run.info.status)
    return {kind: sorted(listed) for kind, listed in kinds.items()}


@pytest.mark.slow
def test_a_damaged_checkpoint_is_told_and_the_trial_begins_anew(tmp_path: Path) -> None:
    file = write_study(tmp_path / "study.yaml", slow_study())
    home = tmp_path / "home"
    with in_its_second_trial(file, home) as running:
        kill_both(running)
    checkpoint = Place(home).checkpoints / "tiny" / "1.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    done = command("resume", "tiny", "--home", home)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stderr.split())
    assert "This trial begins anew: the checkpoint" in said
    assert "it is damaged" in said
    assert len([trial for trial in tunetrack.load_study("tiny", home).trials if trial.value is not None]) == TRIALS
