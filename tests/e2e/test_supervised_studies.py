"""Real studies under the supervisor: what resume does, who leaves at once, and networks that kill their process."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

import tunetrack
from process_support import is_gone, send, started, study_command, until
from study_support import command, tiny, write_study

#: A network that, with three filters and in the middle of its training, kills its process or does not let itself be
#: interrupted; the first time, or every time.
NETS = """
import os
import signal
import time
from pathlib import Path

from torch import nn


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def stay():
    while True:
        try:
            time.sleep(1)
        except KeyboardInterrupt:
            pass


class Harmful(nn.Module):
    def __init__(self, width, num_classes, harm, always):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, width), nn.ReLU(), nn.Linear(width, num_classes))
        self.width, self.harm, self.always, self.steps = width, harm, always, 0

    def forward(self, images):
        self.steps += self.training
        done = Path("harm")
        step = 2 if self.always else 6  # of four an epoch: what comes back at every try must be in the first
        if self.width == 3 and self.steps == step and (self.always or not done.exists()):
            with done.open("a") as file:
                file.write("x")
            globals()[self.harm]()
        return self.layers(images)


def build(input_shape, num_classes, width, harm, always=False):
    return Harmful(width, num_classes, harm, always)
"""


def harmful(harm: str, always: bool = False) -> dict[str, Any]:
    """Widths 2, 3 and 4, in any order."""
    return tiny(
        name="harmful",
        model={"import": "harmful_nets:build", "width": {"low": 2, "high": 4}, "harm": harm, "always": always},
        optimizer={"name": "adam", "lr": 0.01},
        sampler={"name": "brute_force"},
        budget={"trials": 3},
    )


def study_of(folder: Path, document: dict[str, Any]) -> Path:
    (folder / "harmful_nets.py").write_text(NETS)
    return write_study(folder / "study.yaml", document)


def runs_of(home: Path, experiment: str) -> dict[str, Run]:
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return {run.info.run_id: run for run in found}


def states(home: Path, name: str) -> list[str]:
    return sorted(trial.state.value for trial in tunetrack.load_study(name, home).trials)


def test_resume_of_a_finished_study_changes_nothing(home: Path, tmp_path: Path) -> None:
    file = write_study(tmp_path / "tiny.yaml", tiny(budget={"trials": 1}))
    tunetrack.run_study(file, home=home)
    before = {run_id: (run.info.end_time, dict(run.data.tags)) for run_id, run in runs_of(home, "tiny").items()}
    again = command("resume", "tiny", "--home", home)
    assert again.returncode == 0, again.stderr
    assert "The study tiny is finished: it has its " in again.stderr
    assert "1 trial: ● 1 COMPLETE" in again.stdout
    after = {run_id: (run.info.end_time, dict(run.data.tags)) for run_id, run in runs_of(home, "tiny").items()}
    assert after == before


def test_a_second_ctrl_c_leaves_at_once_and_resume_puts_things_right(home: Path, tmp_path: Path) -> None:
    file = study_of(tmp_path, harmful("stay"))
    with started(study_command("run", file, "--home", home), tmp_path) as running:
        until("the network stays", (tmp_path / "harm").exists)
        family = running.family()
        send(running, signal.SIGINT)
        time.sleep(0.5)
        assert running.process.poll() is None
        began = time.monotonic()
        send(running, signal.SIGINT)
        assert running.ends() == 130
        assert time.monotonic() - began < 3
        assert all(map(is_gone, family))
        assert f"tunetrack resume harmful --home {home} puts right what it left" in running.errors
    resumed = command("resume", "harmful", "--home", home, cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert states(home, "harmful") == ["COMPLETE"] * 3
    runs = runs_of(home, "harmful").values()
    assert [run.info.status for run in runs] == ["FINISHED"] * 4


@pytest.mark.slow
def test_a_network_that_kills_its_process_once(home: Path, tmp_path: Path) -> None:
    file = study_of(tmp_path, harmful("kill"))
    with started(study_command("run", file, "--home", home), tmp_path) as running:
        assert running.ends() == 0, running.errors
    assert (tmp_path / "harm").read_text() == "x"
    assert states(home, "harmful") == ["COMPLETE"] * 3


def test_a_network_that_kills_its_process_every_time(home: Path, tmp_path: Path) -> None:
    file = study_of(tmp_path, harmful("kill", always=True))
    with started(study_command("run", file, "--home", home), tmp_path) as running:
        assert running.ends() == 0, running.errors
    assert (tmp_path / "harm").read_text() == "xxx"  # once, and twice again: budget.retries is 2
    trials = tunetrack.load_study("harmful", home).trials
    assert states(home, "harmful") == ["COMPLETE", "COMPLETE", "FAILED"]
    (failed,) = (trial for trial in trials if trial.state.value == "FAILED")
    assert failed.params["model.width"] == 3
    assert "killed by signal 9 (SIGKILL)" in failed.record.reason
    assert runs_of(home, "harmful")[failed.run_id or ""].info.status == "FAILED"
