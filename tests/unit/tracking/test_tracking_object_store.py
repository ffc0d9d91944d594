"""Artifacts on an object store that is away or misses its bucket: they wait, and arrive."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import requests
from moto.server import ThreadedMotoServer

from tracking_support import study_info
from tunetrack.errors import TrackingError
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.tracking import TrackingStore, TrialArtifacts
from tunetrack.tracking.failures import Verdict, judge, translated
from tunetrack.tracking.lookups import read_artifact


def test_artifacts_wait_until_the_object_store_and_its_bucket_are_there(
    store: TrackingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    endpoint = f"http://127.0.0.1:{port}"
    settings = {"AWS_ACCESS_KEY_ID": "ada", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}
    for name, value in {**settings, "AWS_MAX_ATTEMPTS": "1", "MLFLOW_S3_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)
    said: list[str] = []
    store.use_spool(tmp_path / "spool", told=said.append)
    study = store.open_study(study_info(), "images", "s3://bucket/path")
    trial = study.open_trial(0, {"a": 1})
    trial.finish(TrialOutcome(TrialState.COMPLETE, (0.5,)), TrialArtifacts(files={"words.txt": b"kept"}))
    assert not study.flush(3)
    assert "the object store does not answer; is MLFLOW_S3_ENDPOINT_URL right?" in said[0]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port)
    server.start()
    try:
        assert not study.flush(3)
        assert "there is no such bucket; make it first" in store.status.trouble
        requests.put(f"{endpoint}/bucket", timeout=10).raise_for_status()
        assert study.flush(60)
        assert store.status.refused == 0
        assert read_artifact(store, trial.run_id, "words.txt") == b"kept"
    finally:
        server.stop()


def test_library_that_is_missing_is_said_and_nothing_is_lost() -> None:
    missing = ModuleNotFoundError("No module named 'boto3'")
    assert judge(missing) is Verdict.AWAY
    with (
        pytest.raises(TrackingError, match=r"pip install 'tunetrack\[s3\]'"),
        translated("write a file", "sqlite:///x"),
    ):
        raise missing
