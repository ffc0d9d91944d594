"""Our pages on real servers: by `mlflow server --app-name tunetrack`, and over runs that came in by HTTP."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from study_support import ROOT, child_environment
from tracking_support import epoch, evaluation, study_info
from tunetrack.server import ServerSpec, TrackingServer, running_server, studies_url
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import TrialArtifacts, connect


def stored_study(uri: str, name: str, artifacts: Path | None = None) -> str:
    """A study of two trials; the id of its run."""
    with connect(uri) as store:
        study = store.open_study(study_info(name), "pages", artifacts)
        for number in range(2):
            trial = study.open_trial(number, {"optimizer.lr": 0.1 / (number + 1)})
            trial.log_epoch(epoch(1))
            trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)), TrialArtifacts(confusion=evaluation(3)))
        study.flush()
        return study.run_id


def check_pages(base: str, run_id: str) -> None:
    data = f"{base}/tunetrack/api/studies/{run_id}"
    study = requests.get(data, timeout=30)
    assert study.json()["trials"]["number"] == [0, 1]
    assert study.json()["budget"]["trials"]["limit"] == 12  # of the study file, an artifact
    again = requests.get(data, headers={"If-None-Match": study.headers["etag"]}, timeout=30)
    assert (again.status_code, again.content) == (304, b"")
    confusion = requests.get(f"{data}/compare/confusion?trials=0,1", timeout=30).json()["trials"]
    assert confusion["1"]["counts"][0] == [90, 1, 1]
    artifact = requests.get(f"{data}/trials/0", timeout=30).json()["artifacts"][0]
    assert requests.get(base + artifact["url"], timeout=30).content
    shell = requests.get(f"{base}/tunetrack/studies/{run_id}/trials/0", timeout=10)
    assert "/tunetrack/static/app.js" in shell.text
    evil = requests.get(data, headers={"Host": "evil.example"}, timeout=10)
    assert evil.status_code == 403
    assert "<title>MLflow</title>" in requests.get(base, timeout=10).text


def test_runs_that_came_in_by_http_are_shown(server: TrackingServer) -> None:
    """Their artifacts are the server's own: it reads them where they lie."""
    run_id = stored_study(server.base_url, "by http")
    check_pages(server.base_url, run_id)
    listed = requests.get(studies_url(server.base_url).replace("/tunetrack/", "/tunetrack/api/studies"), timeout=30)
    # Other tests may have studies on this server, too.
    assert "by http" in [study["name"] for study in listed.json()["studies"]]


@pytest.fixture
def entry_point(tmp_path: Path) -> Path:
    """A folder in which Python finds the package's metadata, as after an installation."""
    made = subprocess.run(
        [sys.executable, "-c", "import setuptools; setuptools.setup()", "-q", "egg_info", "--egg-base", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return tmp_path


@pytest.fixture
def plug_in(home: Path, entry_point: Path) -> Iterator[str]:
    """The address of `mlflow server --app-name tunetrack` on a home."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--app-name", "tunetrack", "--port", str(port), "-w", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home / 'mlflow.db'}"]
    environment = child_environment(MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false")
    environment["PYTHONPATH"] += f"{os.pathsep}{entry_point}"
    with (home / "server.log").open("w") as log:
        child = subprocess.Popen(command, cwd=home, env=environment, stdout=log, stderr=log, text=True)
        try:
            yield answering(f"http://127.0.0.1:{port}", child, home / "server.log")
        finally:
            child.terminate()
            child.wait(30)


def answering(base: str, child: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and child.poll() is None:
        try:
            if requests.get(f"{base}/health", timeout=2).ok:
                return base
        except requests.RequestException:
            time.sleep(0.2)
    raise AssertionError(f"the server does not answer: {log.read_text()[-3000:]}")


def test_mlflows_own_command_serves_the_same(home: Path, plug_in: str) -> None:
    check_pages(plug_in, stored_study(f"sqlite:///{home / 'mlflow.db'}", "plug-in", home / "artifacts"))


def test_hosts_that_are_named_are_let_in(home: Path) -> None:
    spec = ServerSpec(home, port=0, allowed_hosts=("tracking:5000",), environment=child_environment())
    with running_server(spec) as server:
        for host, status in (("tracking:5000", 200), ("localhost:1", 200), ("[::1]:7", 403), ("10.0.0.1", 403)):
            answer = requests.get(studies_url(server.base_url), headers={"Host": host}, timeout=10)
            assert (host, answer.status_code) == (host, status)
