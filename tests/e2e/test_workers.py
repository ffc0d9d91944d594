"""Studies that several worker processes run: who dies is replaced, who is told to stop leaves in time, nobody is left.

Every study here trains on real images; its trials take seconds, so that there is something to interrupt.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

import tunetrack
from process_support import Started, is_gone, send, started, study_command, until
from study_support import command, tiny, write_study
from tunetrack.api.parity import check_parity
from tunetrack.ledger import Ledger
from tunetrack.study.place import Place

#: Everything of a study that is told to stop ends within this, seconds; a busy machine gets some more.
LEAVING = 15.0


def long_study(**changes: Any) -> dict[str, Any]:
    """Trials of several seconds, also on a fast machine: one of less than a second never has a checkpoint."""
    return tiny(trainer={"epochs": 150, "batch_size": 10}, **changes)


@contextmanager
def running(home: Path, folder: Path, *options: object, trials: int = 3, **more: Any) -> Iterator[Started]:
    """The long study by two workers, both of which are in the middle of a trial."""
    document = long_study() | {"budget": {"trials": trials}}
    file = write_study(folder / "tiny.yaml", document)
    arguments = study_command("run", file, "--home", home, "--workers", 2, "--threads", 1, *options)
    with started(arguments, folder, **more) as process:
        until("two workers have a checkpoint each", lambda: both_are_amid(process, home))
        yield process


def both_are_amid(process: Started, home: Path) -> bool:
    """Whether two trials have a checkpoint and run."""
    assert process.process.poll() is None, f"the study has ended: {process.errors}"
    return len(list(checkpoints(home).glob("*.pt"))) >= 2 and len(workers(home)) == 2


def checkpoints(home: Path) -> Path:
    return Place(home).checkpoints / "tiny"


def workers(home: Path) -> list[psutil.Process]:
    """The processes that run a trial now."""
    records = Ledger.load(Place(home).ledger, "tiny").workers()
    return [psutil.Process(record.pid) for record in records if record.alive]


def states(home: Path) -> list[str]:
    return [trial.state.value for trial in tunetrack.load_study("tiny", home).trials]


def runs(home: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name("tiny").experiment_id])
    return [run for run in found if "mlflow.parentRunId" in run.data.tags]


def family_of(process: Started) -> list[psutil.Process]:
    return process.family()


def assert_all_gone(family: list[psutil.Process], seconds: float = LEAVING) -> None:
    until("all processes are gone", lambda: all(map(is_gone, family)), seconds)


def test_a_killed_worker_is_replaced_and_its_trial_run_again(home: Path, tmp_path: Path) -> None:
    with running(home, tmp_path) as process:
        family = family_of(process)
        victim = workers(home)[0]
        (number,) = (one.number for one in Ledger.load(Place(home).ledger, "tiny").workers() if one.pid == victim.pid)
        victim.kill()
        assert process.ends() == 0, process.errors
        assert_all_gone(family)
    assert f"trial {number} KILLED its worker was killed by signal 9 (SIGKILL); it is run again" in process.errors
    assert "most often because memory ran out; another takes its place" in process.errors
    assert states(home) == ["COMPLETE"] * 3
    record = Ledger.load(Place(home).ledger, "tiny").trials()[number]
    assert record.deaths == 1
    assert [run.info.status for run in runs(home)] == ["FINISHED"] * 3
    assert check_parity("tiny", home).is_good
    result = tunetrack.load_study("tiny", home)
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    logs = [file.path for file in client.list_artifacts(result.run_id, "workers")]
    assert logs == ["workers/worker-0.log", "workers/worker-1.log"]
    text = Path(client.download_artifacts(result.run_id, logs[0], str(tmp_path))).read_text()
    assert "epoch 2: validation accuracy" in text


@pytest.mark.slow
def test_a_killed_leader_is_started_again_with_as_many_workers(home: Path, tmp_path: Path) -> None:
    with running(home, tmp_path) as process:
        first = family_of(process)[1:]
        psutil.Process(process.process.pid).children()[0].kill()
        assert_all_gone(first)
        until("two workers again", lambda: len(workers(home)) == 2)
        family = family_of(process)
        send(process, signal.SIGTERM)
        began = time.monotonic()
        assert process.ends() == 143
        assert time.monotonic() - began < LEAVING
        assert_all_gone(family)
    assert "the worker was killed by signal 9 (SIGKILL)" in process.errors
    assert {run.info.status for run in runs(home)} <= {"KILLED", "FINISHED"}
    assert states(home).count("KILLED") == 2


@pytest.mark.slow
def test_ctrl_c_without_a_supervisor_reaches_everybody_at_once(home: Path, tmp_path: Path) -> None:
    with running(home, tmp_path, "--no-supervisor", own_group=True) as process:
        family = family_of(process)
        began = time.monotonic()
        os.killpg(process.process.pid, signal.SIGINT)
        assert process.ends() == 130
        assert time.monotonic() - began < LEAVING
        assert_all_gone(family)
    assert states(home).count("KILLED") == 2
    assert {run.info.status for run in runs(home)} <= {"KILLED", "FINISHED"}


@pytest.mark.slow
def test_workers_outlive_no_leader_and_resume_goes_on_with_another_number(home: Path, tmp_path: Path) -> None:
    with running(home, tmp_path, "--no-supervisor") as process:
        family = family_of(process)
        process.process.kill()
        assert_all_gone(family)
    assert states(home).count("KILLED") == 2  # they gave their trials back
    resumed = command("resume", "tiny", "--home", home, "--workers", 1)
    assert resumed.returncode == 0, resumed.stderr
    assert states(home) == ["COMPLETE"] * 3
    assert check_parity("tiny", home).is_good


@pytest.mark.slow
def test_all_processes_killed_at_once(home: Path, tmp_path: Path) -> None:
    with running(home, tmp_path) as process:
        family = family_of(process)
        for one in family:
            one.kill()
        assert_all_gone(family)
    resumed = command("resume", "tiny", "--home", home, "--workers", 2, "--threads", 1)
    assert resumed.returncode == 0, resumed.stderr
    assert states(home) == ["COMPLETE"] * 3
    assert check_parity("tiny", home).is_good


def test_workers_join_a_study_that_is_only_led(home: Path, tmp_path: Path) -> None:
    ledger = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    file = write_study(tmp_path / "tiny.yaml", long_study(budget={"trials": 4}))
    leads = study_command("run", file, "--home", home, "--workers", 0)
    with started(leads, tmp_path / "lead", TUNETRACK_LEDGER=ledger) as leader:
        until("the study is there", lambda: "Study tiny" in leader.errors)
        joins = study_command("worker", "tiny", "--home", home, "--ledger", ledger)
        with started(joins, tmp_path / "one") as one, started(joins, tmp_path / "two") as two:
            until("a checkpoint", lambda: list(checkpoints(home).glob("*.pt")))
            until("both work", lambda: len(Ledger.load(ledger, "tiny").workers()) == 2)
            send(one, signal.SIGTERM)
            assert one.ends(LEAVING) == 143
            assert two.ends() == 0, two.errors
        assert leader.ends() == 0, leader.errors
    assert "stopped by signal 15" in one.errors
    assert all(f"trial {number} COMPLETE" in leader.errors for number in range(4))
    assert "trial 3 COMPLETE" in two.errors
    assert "4 trials: ● 4 COMPLETE" in leader.output
    assert not (home / "ledger.db").exists()
