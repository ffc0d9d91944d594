"""A study as a cluster runs it: ledger and runs on PostgreSQL, artifacts on S3, several workers, a server's restart."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from postgres_support import Postgres, query
from process_support import send, started, study_command, until
from study_support import child_environment, command, tiny, write_study
from tunetrack.api.parity import check_parity
from tunetrack.api.reading import load_study
from tunetrack.server import ServerSpec, running_server
from tunetrack.spec.records import TrialState
from tunetrack.study.place import Place
from tunetrack.study.result import StudyResult

BUCKET = "artifacts"
#: Whoever sends a signal expects the end within ten seconds; machines are busy.
LEAVING = 20.0


@dataclass(frozen=True)
class ObjectStore:
    """An S3 server with one bucket.

    Attributes:
        environment: by which MLflow finds it.
    """

    environment: dict[str, str]

    def names(self) -> list[str]:
        """All objects of the bucket."""
        keys = {"aws_access_key_id": "ada", "aws_secret_access_key": "secret"}
        client = boto3.client("s3", endpoint_url=self.environment["MLFLOW_S3_ENDPOINT_URL"], **keys)
        return [found["Key"] for found in client.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.fixture(scope="module")
def object_store() -> Iterator[ObjectStore]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        requests.put(f"{endpoint}/{BUCKET}", timeout=10).raise_for_status()
        environment = {"AWS_ACCESS_KEY_ID": "ada", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
        yield ObjectStore({"MLFLOW_S3_ENDPOINT_URL": endpoint, **environment})
    finally:
        server.stop()


def read(place: Place, trials: int) -> StudyResult:
    """The study, when ledger and runs agree that all its trials are complete, each under its number."""
    result = load_study("tiny", place)
    expected = [(number, TrialState.COMPLETE) for number in range(trials)]
    assert [(trial.number, trial.state) for trial in result.trials] == expected
    assert check_parity("tiny", place).is_good
    return result


def check_pages(base: str, run_id: str, trials: int) -> None:
    """The study's pages, with what they read from artifacts."""
    data = f"{base}/tunetrack/api/studies/{run_id}"
    study = requests.get(data, timeout=60).json()
    assert study["trials"]["number"] == list(range(trials))
    assert study["budget"]["trials"]["limit"] == trials  # of the study file, an artifact
    confusion = requests.get(f"{data}/compare/confusion?trials=0,1", timeout=60).json()["trials"]
    assert sum(map(sum, confusion["1"]["counts"])) == 100
    for artifact in requests.get(f"{data}/trials/0", timeout=60).json()["artifacts"]:
        assert requests.get(base + artifact["url"], timeout=60).content


def test_workers_share_postgresql_and_artifacts_lie_on_s3(
    postgres_ledger: str, postgres_tracking: str, object_store: ObjectStore, tmp_path: Path
) -> None:
    """All go to the databases and the object store themselves."""
    study = write_study(tmp_path / "study.yaml", tiny(budget={"trials": 4}))
    home = tmp_path / "home"
    place = ["--home", home, "--tracking-uri", postgres_tracking, "--ledger", postgres_ledger]
    environment = object_store.environment
    done = command("run", study, *place, "--artifacts", f"s3://{BUCKET}/direct", "--workers", 2, **environment)
    assert done.returncode == 0, done.stderr
    assert "s3cret" not in done.stdout + done.stderr
    assert not (home / "artifacts").exists()
    assert not list(home.glob("*.db"))
    names = object_store.names()
    assert [name for name in names if name.endswith("/config.yaml")] != []
    assert all(name.startswith("direct/") for name in names)
    assert [name for name in names if name.endswith("/report.html")] != []
    result = read(Place(home, postgres_tracking, postgres_ledger), trials=4)
    spec = ServerSpec(home, port=0, backend_store_uri=postgres_tracking, environment=child_environment(**environment))
    with running_server(spec) as server:
        check_pages(server.base_url, result.run_id, trials=4)


@pytest.mark.slow
def test_server_hands_artifacts_on_to_s3(postgres_tracking: str, object_store: ObjectStore, tmp_path: Path) -> None:
    """Who runs the study knows the server alone."""
    study = write_study(tmp_path / "study.yaml", tiny(budget={"trials": 2}))
    before = len(object_store.names())
    spec = ServerSpec(
        tmp_path / "server",
        port=0,
        backend_store_uri=postgres_tracking,
        artifacts=f"s3://{BUCKET}/proxied",
        environment=child_environment(**object_store.environment),
    )
    with running_server(spec) as server:
        done = command("run", study, "--home", tmp_path / "home", "--tracking-uri", server.base_url)
        assert done.returncode == 0, done.stderr
        assert len([name for name in object_store.names() if name.startswith("proxied/")]) > 10
        assert len(object_store.names()) > before + 10
        result = read(Place(tmp_path / "home", server.base_url), trials=2)
        check_pages(server.base_url, result.run_id, trials=2)


def test_study_outlasts_a_restart_of_its_database_server(
    postgres: Postgres, postgres_ledger: str, postgres_tracking: str, tmp_path: Path
) -> None:
    study = write_study(tmp_path / "study.yaml", tiny(budget={"trials": 6}))
    place = ["--home", tmp_path / "home", "--tracking-uri", postgres_tracking, "--ledger", postgres_ledger]
    with started(study_command("run", study, *place), tmp_path / "out") as running:
        counted = "SELECT count(*) FROM trials WHERE state = 'COMPLETE'"
        until("two trials end", lambda: query(postgres_ledger, counted)[0][0] >= 2)  # type: ignore[operator]
        postgres.stop()
        time.sleep(3.0)
        assert running.process.poll() is None
        postgres.start()
        assert running.ends() == 0, running.errors
    said = running.errors + running.output
    assert "s3cret" not in said
    read(Place(tmp_path / "home", postgres_tracking, postgres_ledger), trials=6)


def test_workers_and_leader_leave_in_time_while_the_ledger_is_away(
    postgres: Postgres, postgres_ledger: str, tmp_path: Path
) -> None:
    trainer = {"epochs": 60, "batch_size": 50, "deterministic": True}
    study = write_study(tmp_path / "study.yaml", tiny(budget={"trials": 3}, trainer=trainer))
    place = ["--home", tmp_path / "home", "--ledger", postgres_ledger]
    with started(study_command("run", study, *place, "--workers", 0), tmp_path / "leader") as leader:
        opened = "SELECT count(*) FROM study_user_attributes WHERE key = 'mlflow_experiment_id'"
        until("the study is open", lambda: query(postgres_ledger, opened)[0][0] == 1)
        with started(study_command("worker", "tiny", *place), tmp_path / "worker") as worker:
            reported = "SELECT count(*) FROM trial_intermediate_values"
            until("it trains", lambda: query(postgres_ledger, reported)[0][0] >= 3)  # type: ignore[operator]
            postgres.stop()
            try:
                time.sleep(3.0)
                for one in (worker, leader):
                    assert one.process.poll() is None
                    begin = time.monotonic()
                    send(one, signal.SIGTERM)
                    assert one.ends() == 143, one.errors
                    assert time.monotonic() - begin < LEAVING
            finally:
                postgres.start()
    done = command("resume", "tiny", *place)
    assert done.returncode == 0, done.stderr
    read(Place(tmp_path / "home", None, postgres_ledger), trials=3)


@pytest.mark.slow
def test_a_winner_is_confirmed_on_postgresql_by_workers(
    postgres_ledger: str, postgres_tracking: str, tmp_path: Path
) -> None:
    searched = {"optimizer": {"name": "adam", "lr": {"choices": [3e-4, 1e-3, 3e-3, 1e-2]}}, "budget": {"trials": 4}}
    study = write_study(tmp_path / "study.yaml", tiny(**searched, confirm={"top": 2, "seeds": 2}))
    place = ["--home", tmp_path / "home", "--tracking-uri", postgres_tracking, "--ledger", postgres_ledger]
    done = command("run", study, *place, "--workers", 2)
    assert done.returncode == 0, done.stderr
    whole = Place(tmp_path / "home", postgres_tracking, postgres_ledger)
    result = load_study("tiny", whole)
    assert result.winner is not None
    assert len(result.winner.seeds) == 2
    for name in ("tiny", "tiny-confirm"):
        assert check_parity(name, whole).is_good
    again = command("confirm", "tiny", *place, "--workers", 2)
    assert again.returncode == 0, again.stderr
    assert load_study("tiny", whole).winner == result.winner
