"""Real studies on real Ray clusters: one that it starts itself, several nodes of which one is lost, a submitted job."""

from __future__ import annotations

import re
import secrets
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from mlflow import MlflowClient

import tunetrack
from process_support import Started, send, started, study_command, until
from study_support import command, tiny, write_study
from tunetrack.errors import TunetrackError
from tunetrack.spec import TrialState
from tunetrack.study.workers.ray import RayLauncher

pytest.importorskip("ray", reason="Ray is not installed; it comes with: pip install 'tunetrack[ray]'")

RAY = Path(sys.executable).parent / "ray"
#: Nothing is sent to Ray's makers, and nobody else uses these clusters.
SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
#: A busy machine is not what is tested.
SLOWER = 2
#: Object stores of 80 MB, and ports that nobody else has: several nodes share this machine.
NODE = ("--object-store-memory=80000000", "--min-worker-port=0", "--max-worker-port=0", "--block")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Cluster:
    """Ray nodes that are processes of this machine."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self.port, self.dashboard = free_port(), free_port()
        self.address = ""

    def head(self, cpus: int, dashboard: bool = False) -> Started:
        ports = (f"--port={self.port}", f"--dashboard-port={self.dashboard}", f"--include-dashboard={dashboard}")
        head = self._start("head", "--head", *ports, f"--num-cpus={cpus}")
        until("the head starts", lambda: "Ray runtime started" in head.output)
        self.address = next(iter(re.findall(r"--address='(\S+)'", head.output)))
        return head

    def node(self, cpus: int) -> Started:
        node = self._start("node", f"--address={self.address}", f"--num-cpus={cpus}")
        until("the node starts", lambda: "Ray runtime started" in node.output)
        return node

    def _start(self, name: str, *options: str) -> Started:
        folder = self._folder / name
        folder.mkdir()
        start = [RAY, "start", *NODE, *options]
        return self._stack.enter_context(started(start, folder, own_group=True, **SETTINGS))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with ExitStack() as stack:
        yield Cluster(tmp_path, stack)


def study_file(folder: Path, trials: int, epochs: int = 2) -> Path:
    trainer = {"epochs": epochs, "batch_size": 50, "deterministic": True}
    return write_study(folder / "study.yaml", tiny(budget={"trials": trials}, trainer=trainer))


def run(study: Path, home: Path, workers: int, *more: object) -> tuple[object, ...]:
    return ("run", study, "--home", home, "--workers", workers, "--threads", 1, "--launcher", "ray", *more)


def all_complete(home: Path, trials: int) -> None:
    """The study has all of its trials, and ledger and MLflow say the same of them."""
    result = tunetrack.load_study("tiny", home)
    assert sorted(trial.number for trial in result.trials) == list(range(trials))
    assert {trial.state for trial in result.trials} <= {TrialState.COMPLETE, TrialState.DUPLICATE}
    assert command("parity", "tiny", "--home", home).returncode == 0


def test_a_study_runs_on_a_ray_of_its_own(tmp_path: Path, home: Path) -> None:
    done = command(*run(study_file(tmp_path, 4), home, 2), **SETTINGS)

    assert done.returncode == 0, done.stdout + done.stderr
    result = tunetrack.load_study("tiny", home)
    assert len(result.trials) == 4
    logs = [(home / "logs" / "tiny" / f"worker-{index}.log").read_text() for index in range(2)]
    begun = [line.split("trial ")[1].split()[0] for log in logs for line in log.splitlines() if "begins" in line]
    assert sorted(begun) == ["0", "1", "2", "3"]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_no_cluster_is(tmp_path: Path, scheme: str) -> None:
    address = f"{scheme}127.0.0.1:{free_port()}"

    with pytest.raises(TunetrackError, match=f"the Ray cluster {address} cannot be used.*ray start --head"):
        RayLauncher(tmp_path, address).__enter__()


@pytest.mark.slow
def test_a_node_is_lost_in_the_middle(tmp_path: Path, home: Path, cluster: Cluster) -> None:
    cluster.head(cpus=2)
    study = study_file(tmp_path, 8, epochs=150)
    arguments = run(study, home, 3, "--ray-address", cluster.address)
    with started(study_command(*arguments), tmp_path / "leader", **SETTINGS) as leader:
        logs = home / "logs" / "tiny"
        # The leader joins any node of its machine, and would be lost with it: only now there is another one.
        until("the leader has joined the head", lambda: "Study tiny" in leader.errors + leader.output)
        node = cluster.node(cpus=1)  # gives the third a place, which then has no other to go to
        until("all three train", lambda: sum("epoch 3:" in log.read_text() for log in logs.glob("*.log")) == 3)
        for process in node.family():
            process.kill()

        assert leader.ends() == 0, leader.errors
        assert "was killed, since its node" in leader.errors + leader.output
    # All nodes share this home: what the lost one had not sent waits there, and nobody has taken its place to send it.
    command("doctor", "--fix", "--home", home)
    all_complete(home, 8)


@pytest.mark.slow
def test_a_killed_actor_is_replaced_and_a_signal_ends_all(tmp_path: Path, home: Path, cluster: Cluster) -> None:
    head = cluster.head(cpus=2)
    study = study_file(tmp_path, 6, epochs=100)
    arguments = run(study, home, 2, "--ray-address", cluster.address)
    with started(study_command(*arguments), tmp_path / "leader", **SETTINGS) as leader:
        log = home / "logs" / "tiny" / "worker-0.log"
        until("it trains", lambda: log.exists() and "epoch 3:" in log.read_text())
        next(one for one in head.family() if one.name().startswith("ray::Seat")).kill()
        until("it is replaced", lambda: "another takes its place" in leader.errors + leader.output)
        until("it trains again", lambda: len(log.read_text().split("begins")) > 2)
        begun = time.monotonic()
        send(leader, signal.SIGTERM)
        assert leader.ends() == 143
        assert time.monotonic() - begun < 10 * SLOWER
    until("no actor is left", lambda: not any(one.name().startswith("ray::Seat") for one in head.family()))
    trials = tunetrack.load_study("tiny", home).trials
    assert TrialState.RUNNING not in {trial.state for trial in trials}
    assert TrialState.FAILED not in {trial.state for trial in trials}

    assert command("resume", "tiny", "--home", home, "--workers", 2, **SETTINGS).returncode == 0
    all_complete(home, 6)


@pytest.mark.slow
def test_a_study_is_submitted_as_a_job(tmp_path: Path, home: Path, cluster: Cluster) -> None:
    cluster.head(cpus=2, dashboard=True)
    arguments = run(study_file(tmp_path, 3), home, 2, "--ray-address", "auto")
    job = [RAY, "job", "submit", f"--address=http://127.0.0.1:{cluster.dashboard}", "--", *study_command(*arguments)]
    with started(job, tmp_path / "job", **SETTINGS) as submitted:
        assert submitted.ends(240.0) == 0, submitted.output + submitted.errors
    all_complete(home, 3)


@pytest.mark.slow
def test_what_a_lost_node_had_not_sent_is_made_good_from_the_ledger(tmp_path: Path, home: Path) -> None:
    """Its spool is gone with it: the trials' results are in the ledger and come from there, their curves are lost."""
    away = tmp_path / "node"
    lead = study_command(*run(study_file(tmp_path, 2), home, 0)[:-2])
    with started(lead, tmp_path / "leader") as leader:
        until("the study is open", lambda: "tiny" in [study["name"] for study in tunetrack.list_studies(home)])
        ledger = f"sqlite:///{home / 'ledger.db'}"
        unreachable = f"http://127.0.0.1:{free_port()}"
        join = study_command("worker", "tiny", "--ledger", ledger, "--tracking-uri", unreachable, "--home", away)
        with started(join, away / "output") as worker:
            until("the trials are told", lambda: worker.process.poll() is not None or leader.process.poll() is not None)
            for process in worker.family():
                process.kill()
        shutil.rmtree(away)
        assert leader.ends() == 0, leader.errors
    all_complete(home, 2)
    client = MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    for trial in tunetrack.load_study("tiny", home).trials:
        row = client.get_run(str(trial.run_id))
        assert row.data.metrics["objective"] == trial.values[0]
        assert not client.get_metric_history(str(trial.run_id), "validation/loss")
