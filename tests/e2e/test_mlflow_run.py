"""`mlflow run`: its run becomes the study's, its params do not collide, the exit code decides."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from ruamel.yaml import YAML

import tunetrack
from process_support import Started, is_gone, send, started, until
from study_support import ROOT, child_environment, tiny, write_study
from tunetrack.cli import main

#: Ten seconds after a signal all is done on a machine that has nothing else to do.
GONE_SECONDS = 30


def mlflow_command(*arguments: object, manager: str = "local") -> list[str]:
    return [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", manager, *map(str, arguments)]


def mlflow_environment(home: Path) -> dict[str, str]:
    # `python -m mlflow` starts the command `python` of the entry point from PATH: this interpreter's folder first.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {"MLFLOW_TRACKING_URI": f"sqlite:///{home / 'mlflow.db'}", "PATH": path}


def mlflow_run(home: Path, *arguments: object, manager: str = "local") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        mlflow_command(*arguments, manager=manager),
        capture_output=True,
        text=True,
        timeout=280 if manager == "local" else 1200,
        check=False,
        cwd=home,
        env=child_environment(**mlflow_environment(home)),
    )


def runs_by_kind(home: Path, experiment: str) -> dict[str, list[Run]]:
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    kinds: dict[str, list[Run]] = {}
    for run in found:
        kinds.setdefault(run.data.tags.get("tunetrack.kind", "none"), []).append(run)
    return kinds


def test_the_run_that_mlflow_opened_becomes_the_study(home: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "tiny.yaml", tiny())
    ran = mlflow_run(
        home, "-e", "study", "--experiment-name", "mine", "-P", f"study={study}", "-P", "trials=2", "-P", f"home={home}"
    )
    assert ran.returncode == 0, ran.stderr
    kinds = runs_by_kind(home, "mine")
    assert {kind: len(runs) for kind, runs in kinds.items()} == {"study": 1, "trial": 2}
    parent = kinds["study"][0]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["trials"] == "2"  # MLflow's own param, beside which ours must not stand
    assert {run.data.tags["mlflow.parentRunId"] for run in kinds["trial"]} == {parent.info.run_id}
    report = mlflow_run(home, "-e", "report", "-P", "study=tiny", "-P", f"home={home}")
    assert report.returncode == 0, report.stderr
    assert (home / "tiny.html").exists()


def test_a_failing_study_fails_the_run(home: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "bad.yaml", tiny(model={"filers": 3}))
    ran = mlflow_run(home, "--experiment-name", "mine", "-P", f"study={study}", "-P", f"home={home}")
    assert ran.returncode == 1
    assert "did you mean filters" in ran.stderr + ran.stdout
    assert [run.info.status for runs in runs_by_kind(home, "mine").values() for run in runs] == ["FAILED"]


def test_train_entry_point(home: Path, tmp_path: Path) -> None:
    fixed = tiny(model={"filters": 4, "num_layers": 1}, optimizer={"name": "adam", "lr": 0.01})
    config = write_study(tmp_path / "fixed.yaml", fixed)
    ran = mlflow_run(home, "-e", "train", "--experiment-name", "one", "-P", f"config={config}", "-P", f"home={home}")
    assert ran.returncode == 0, ran.stderr
    assert {kind: len(runs) for kind, runs in runs_by_kind(home, "one").items()} == {"study": 1, "trial": 1}


def statuses(home: Path) -> dict[str, list[str]]:
    return {kind: [run.info.status for run in runs] for kind, runs in runs_by_kind(home, "mine").items()}


def long_study(home: Path, folder: Path) -> AbstractContextManager[Started]:
    """A long study under `mlflow run`, which leads a process group as if it had been typed."""
    document = tiny(name="long", trainer={"epochs": 3000, "batch_size": 25, "threads": 1}, budget={"trials": 1})
    study = write_study(folder / "long.yaml", document)
    options = ["-e", "study", "--experiment-name", "mine", "-P", f"study={study}", "-P", f"home={home}"]
    return started(mlflow_command(*options), folder, own_group=True, **mlflow_environment(home))


@pytest.mark.parametrize(
    "who", ["ctrl-c", pytest.param("SIGINT", marks=pytest.mark.slow), pytest.param("SIGTERM", marks=pytest.mark.slow)]
)
def test_a_signal_to_mlflow_run_ends_everything(home: Path, tmp_path: Path, who: str) -> None:
    """SIGINT is caught by MLflow, which sends SIGTERM on to its command; of SIGTERM it dies without a word to it."""
    with long_study(home, tmp_path) as running:
        until("the trial is under way", lambda: list(home.glob("checkpoints/long/*.pt")))
        family = running.family()
        if who == "ctrl-c":
            os.killpg(running.process.pid, signal.SIGINT)
        else:
            send(running, signal.Signals[who])
        until("all are gone", lambda: all(map(is_gone, family)), GONE_SECONDS)
        assert running.ends() == (-signal.SIGTERM if who == "SIGTERM" else 1)
        assert "tunetrack resume long" in running.errors
    # MLflow marks its run as FAILED when its command has ended; that is put right when MLflow has ended.
    until("the runs are marked", lambda: statuses(home) == {"study": ["KILLED"], "trial": ["KILLED"]}, GONE_SECONDS)


def test_a_signal_before_the_study_begins(home: Path, tmp_path: Path) -> None:
    """The run that MLflow has opened is nobody's then, and MLflow itself is dead."""
    with long_study(home, tmp_path) as running:
        until("the worker starts", lambda: len(running.family()) == 3)
        family = running.family()
        send(running, signal.SIGTERM)
        until("all are gone", lambda: all(map(is_gone, family)), GONE_SECONDS)
    until("the run is marked", lambda: statuses(home) == {"none": ["KILLED"]}, GONE_SECONDS)


@pytest.mark.slow
def test_resume_entry_point(home: Path, tmp_path: Path) -> None:
    tunetrack.run_study(write_study(tmp_path / "tiny.yaml", tiny(budget={"trials": 1})), home=home)
    ran = mlflow_run(home, "-e", "resume", "-P", "study=tiny", "-P", "trials=2", "-P", f"home={home}")
    assert ran.returncode == 0, ran.stderr
    assert "2 trials: ● 2 COMPLETE" in ran.stdout
    kinds = runs_by_kind(home, "tiny")
    assert {kind: len(runs) for kind, runs in kinds.items()} == {"study": 1, "trial": 2}


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_mlflow_builds_the_environment_by_itself(home: Path, tmp_path: Path) -> None:
    """With uv; virtualenv would have pyenv build a Python from source, and conda is rarely where tests run."""
    study = write_study(tmp_path / "tiny.yaml", tiny())
    ran = mlflow_run(home, "-P", f"study={study}", "-P", "trials=1", "-P", f"home={home}", manager="uv")
    assert ran.returncode == 0, ran.stderr


def test_entry_points_and_commands_have_the_same_parameters() -> None:
    project = YAML(typ="safe").load((ROOT / "MLproject").read_text())
    command_of = {"main": "run", "study": "run"} | {
        name: name for name in ("resume", "confirm", "train", "report", "serve")
    }
    assert set(project["entry_points"]) == set(command_of)
    for entry, definition in project["entry_points"].items():
        command = main.commands[command_of[entry]]
        options = {parameter.name: parameter for parameter in command.params}
        assert f"-m tunetrack {command_of[entry]} " in definition["command"]
        for name, parameter in definition["parameters"].items():
            assert name in options, f"{entry}: {name} is no parameter of tunetrack {command_of[entry]}"
            assert f"{{{name}}}" in definition["command"]
            default = options[name].default
            if "default" in parameter and parameter["default"] != "" and options[name].param_type_name == "option":
                assert str(default) == parameter["default"], f"{entry}: {name} has another default"


def test_environment_of_mlflow_run_is_that_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    conda = YAML(typ="safe").load((ROOT / "conda.yaml").read_text())
    pip = next(entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))
    assert pip == declared["dependencies"]
    assert "python=" + declared["requires-python"].removeprefix(">=") in conda["dependencies"]
