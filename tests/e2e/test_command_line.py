"""The command as a user types it: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run

from study_support import ROOT, child_environment, command, tiny, write_study


def test_run_list_show_and_report(home: Path, tmp_path: Path) -> None:
    study = write_study(tmp_path / "tiny.yaml", tiny())
    ran = command("run", study, "--home", home, "--set", "trainer.epochs=1", "--trials", 2)
    assert ran.returncode == 0, ran.stderr
    assert "2 trials: ● 2 COMPLETE" in ran.stdout
    assert f"tunetrack serve --home {home}" in ran.stdout
    assert "● trial 1  COMPLETE" in ran.stderr
    shown = json.loads(command("show", "tiny", "--home", home, "--json").stdout)
    assert [trial["number"] for trial in shown["trials"]] == [0, 1]
    for trial in shown["trials"]:
        assert trial["state"] == "COMPLETE"
        assert trial["params"]["trainer.epochs"] == 1
        assert len(trial["values"]) == 1
        run = MlflowClient(f"sqlite:///{home / 'mlflow.db'}").get_run(trial["run_id"])
        assert run.data.tags["trial.number"] == str(trial["number"])
    assert shown["run_id"] in ran.stdout
    listed = json.loads(command("list", "--home", home, "--json").stdout)
    assert [(row["name"], row["state"], row["finished"]) for row in listed] == [("tiny", "COMPLETE", 2)]
    report = command("report", "tiny", "--home", home)
    assert report.returncode == 0, report.stderr
    assert '<script type="importmap">' in (home / "tiny.html").read_text()
    printed = command("report", "tiny", "--home", home, "--format", "print", "--figures", tmp_path / "figures")
    assert printed.returncode == 0, printed.stderr
    assert "<script" not in (home / "tiny-print.html").read_text()
    assert f"files in {tmp_path / 'figures'}" in printed.stdout
    assert {"history.svg", "history.png"} <= {file.name for file in (tmp_path / "figures").iterdir()}
    data = command("report", "tiny", "--home", home, "--format", "json", "--out", tmp_path / "tiny.json")
    assert data.returncode == 0, data.stderr
    assert [trial["number"] for trial in json.loads((tmp_path / "tiny.json").read_text())["trials"]] == [0, 1]


def test_train_is_a_study_of_one_trial(home: Path, tmp_path: Path) -> None:
    fixed = tiny(model={"filters": 4, "num_layers": 1}, optimizer={"name": "adam", "lr": 0.01})
    ran = command("train", write_study(tmp_path / "fixed.yaml", fixed), "--home", home)
    assert ran.returncode == 0, ran.stderr
    assert "1 trial: ● 1 COMPLETE" in ran.stdout
    ranged = command("train", write_study(tmp_path / "ranged.yaml", tiny()), "--home", home)
    assert ranged.returncode == 2
    assert "model.filters: one configuration has values only" in ranged.stderr


def test_validate_says_what_would_be_searched(tmp_path: Path) -> None:
    study = write_study(tmp_path / "tiny.yaml", tiny())
    summary = json.loads(command("validate", study, "--json").stdout)
    assert summary["combinations"] is None
    assert [parameter["name"] for parameter in summary["parameters"]][:2] == ["model.filters", "model.num_layers"]
    assert summary["sample"]["trainer.epochs"] == 2
    finite = command("validate", study, "--set", "optimizer={name: adam}", "--json")
    assert json.loads(finite.stdout)["combinations"] == 6
    assert "tiny is valid" in command("validate", study).stdout


def test_schema_is_the_one_that_the_study_files_point_to() -> None:
    printed = json.loads(command("schema").stdout)
    assert printed == json.loads((ROOT / "search_spaces" / "study.schema.json").read_text())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": {"filers": 3}}, "model.filers: unknown key; did you mean filters?"),
        ({"sampler": {"name": "tpe", "n_startup_trails": 3}}, "sampler.n_startup_trails: unknown option"),
        ({"trainer": {"epochs": "many"}}, "trainer.epochs"),
    ],
)
def test_a_mistake_is_named_and_nothing_is_written(tmp_path: Path, changes: dict[str, object], words: str) -> None:
    ran = command("run", write_study(tmp_path / "bad.yaml", tiny(**changes)), "--home", tmp_path / "home")
    assert ran.returncode == 2
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (tmp_path / "home").exists()


def test_missing_data_is_said_before_anything_is_written(tmp_path: Path) -> None:
    study = write_study(tmp_path / "cifar.yaml", tiny(data={"name": "image_folder", "image_size": 8}))
    ran = command("run", study, "--home", tmp_path / "home", "--data-dir", tmp_path / "nowhere")
    assert ran.returncode == 3
    assert str(tmp_path / "nowhere") in ran.stderr
    assert not (tmp_path / "home" / "ledger.db").exists()


def test_unreachable_server_is_said_in_seconds(tmp_path: Path) -> None:
    study = write_study(tmp_path / "tiny.yaml", tiny())
    begun = time.monotonic()
    ran = command("run", study, "--home", tmp_path / "home", "--tracking-uri", "http://127.0.0.1:9")
    assert ran.returncode == 7
    assert "http://127.0.0.1:9" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert time.monotonic() - begun < 30  # the import of torch included; MLflow alone would retry for minutes
    assert not (tmp_path / "home" / "ledger.db").exists()


def test_a_study_without_any_value_fails(home: Path, tmp_path: Path) -> None:
    hopeless = tiny(optimizer={"name": "sgd", "lr": {"choices": [1e30, 1e31]}})
    ran = command("run", write_study(tmp_path / "hopeless.yaml", hopeless), "--home", home)
    assert ran.returncode == 8
    assert "loss became" in ran.stderr
    listed = json.loads(command("list", "--home", home, "--json").stdout)
    assert listed[0]["state"] == "FAILED"


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow)]
)
def test_an_interrupted_study_is_killed_in_mlflow_and_goes_on_with_resume(
    home: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    small = {"name": "digits", "train": 50, "validation": 20, "test": 20}
    long = tiny(name="long", data=small, trainer={"epochs": 800, "batch_size": 25}, budget={"trials": 1})
    study = write_study(tmp_path / "long.yaml", long)
    child = subprocess.Popen(
        [sys.executable, "-m", "tunetrack", "run", str(study), "--home", str(home)],
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    _wait_for_epochs(client)
    os.kill(child.pid, number)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == code, errors
    assert f"tunetrack resume long --home {home} goes on with the study" in errors
    runs = _runs(client)
    assert {run.info.status for run in runs.values()} == {"KILLED"}
    assert runs["trial"].data.tags["trial.state"] == "KILLED"
    listed = json.loads(command("list", "--home", home, "--json").stdout)
    assert listed[0]["state"] == "INTERRUPTED"
    resumed = command("resume", "long", "--home", home)
    assert resumed.returncode == 0, resumed.stderr
    again = _runs(client)
    assert {kind: run.info.run_id for kind, run in again.items()} == {k: run.info.run_id for k, run in runs.items()}
    assert {run.info.status for run in again.values()} == {"FINISHED"}
    assert again["trial"].data.tags["trial.state"] == "COMPLETE"


def _wait_for_epochs(client: MlflowClient) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        trial = _runs(client).get("trial")
        if trial is not None and "validation/loss" in trial.data.metrics:
            return
        time.sleep(0.2)
    pytest.fail("no epoch was logged within two minutes")


def _runs(client: MlflowClient) -> dict[str, Run]:
    experiment = client.get_experiment_by_name("long")
    if experiment is None:
        return {}
    found = client.search_runs([experiment.experiment_id])
    return {run.data.tags["tunetrack.kind"]: run for run in found if "tunetrack.kind" in run.data.tags}


def test_doctor_looks_at_everything_and_says_what_is_wrong(home: Path) -> None:
    good = command("doctor", "--home", home, "--json")
    assert good.returncode == 0, good.stderr
    subjects = {finding["subject"]: finding["verdict"] for finding in json.loads(good.stdout)}
    assert subjects == dict.fromkeys(("Python", "Packages", "Trainer", "Home", "Tracking", "Ledger"), "ok")
    (home / "ledger.db").write_text("no database")
    bad = command("doctor", "--home", home)
    assert bad.returncode == 1
    assert "is no SQLite database" in " ".join(bad.stdout.split())


def test_serve_prints_the_links_and_ends_with_a_signal(home: Path, tmp_path: Path) -> None:
    ran = command("run", write_study(tmp_path / "tiny.yaml", tiny()), "--home", home, "--trials", 1)
    assert ran.returncode == 0, ran.stderr
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", "tunetrack", "serve", "--home", str(home), "--port", "0"],
        env=child_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    lines = [child.stdout.readline().strip() for _ in range(5)]
    base = lines[1].removeprefix("Studies: ").removesuffix("/tunetrack/")
    assert (base in lines[0], lines[2]) == (True, "tiny")
    assert lines[4].startswith(f"in MLflow: {base}/#/experiments/")
    assert "viewStateShareKey=" in lines[4]
    assert requests.get(lines[3], timeout=10).headers["content-type"] == "text/html; charset=utf-8"
    study = requests.get(lines[3].replace("/tunetrack/", "/tunetrack/api/"), timeout=30).json()
    assert (study["study"]["name"], study["trials"]["state"]) == ("tiny", ["COMPLETE"])
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 0, errors
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{base}/health", timeout=2)
