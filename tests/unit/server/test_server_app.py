"""MLflow's app with our pages in it: who answers where, on which store, and for which hosts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.server import constants, handlers
from mlflow.tracking._tracking_service import utils
from pages_support import hostile_study
from starlette.routing import Mount
from starlette.testclient import TestClient

from tunetrack.errors import TrackingError
from tunetrack.server.app import create_app
from tunetrack.server.served import stored_at
from tunetrack.tracking import StudyRun, TrackingStore


@pytest.fixture
def study(store: TrackingStore, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StudyRun]:
    """A study on the store that MLflow's handlers find in the environment."""
    monkeypatch.setenv(constants.BACKEND_STORE_URI_ENV_VAR, uri)
    monkeypatch.setenv(constants.ARTIFACT_ROOT_ENV_VAR, "mlflow-artifacts:/")
    monkeypatch.setenv(constants.ARTIFACTS_DESTINATION_ENV_VAR, str(tmp_path / "served"))
    monkeypatch.setenv(constants.SERVE_ARTIFACTS_ENV_VAR, "true")
    # What MLflow's handlers set for the whole process.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setattr(utils, "_tracking_uri", None)
    for name in ("_tracking_store", "_artifact_repo"):
        monkeypatch.setattr(handlers, name, None)
    yield hostile_study(store, tmp_path / "artifacts")
    gc.collect()


@pytest.fixture
def client(study: StudyRun) -> Iterator[TestClient]:
    app = create_app()
    with TestClient(app, base_url="http://localhost:5000") as opened:
        yield opened
    mounted = (route for route in app.routes if isinstance(route, Mount) and route.path == "/tunetrack")
    looks = next(mounted).app.state.looks
    looks.close()


def test_ours_and_mlflows_pages_stand_beside_one_another(client: TestClient, study: StudyRun) -> None:
    assert client.get(f"/tunetrack/api/studies/{study.run_id}").json()["study"]["id"] == study.run_id
    health = client.get("/health")
    assert health.text == "OK"
    assert "content-security-policy" not in health.headers
    run = client.get(f"/api/2.0/mlflow/runs/get?run_id={study.run_id}").json()
    assert run["run"]["info"]["run_id"] == study.run_id
    bare = client.get("/tunetrack", follow_redirects=False)
    assert bare.headers["location"] == "/tunetrack/"


@pytest.mark.parametrize(
    "path", ["/tunetrack", "/tunetrack/", "/tunetrack/api/studies", "/tunetrack/static/index.html"]
)
def test_other_hosts_are_refused_by_mlflow(client: TestClient, path: str) -> None:
    answer = client.get(path, headers={"Host": "evil.example"})
    assert (answer.status_code, answer.text) == (403, "Invalid Host header - possible DNS rebinding attack detected")
    assert client.get(path, headers={"Host": "127.0.0.1:1234"}).status_code != 403


def test_sqlite_has_looked_at_its_tables(client: TestClient, store: TrackingStore) -> None:
    with store.client._tracking_client.store.engine.connect() as connection:  # type: ignore[attr-defined]
        found = connection.exec_driver_sql("SELECT count(*) FROM sqlite_stat1 WHERE tbl = 'runs'").scalar()
    assert found == 1


def test_artifacts_of_the_server_itself_are_read_without_http(client: TestClient, tmp_path: Path) -> None:
    folder = tmp_path / "served" / "1" / "abc" / "artifacts"
    folder.mkdir(parents=True)
    (folder / "study.yaml").write_text("name: x")
    (tmp_path / "outside.txt").write_text("secret")
    (file,) = stored_at("mlflow-artifacts:/1/abc/artifacts").list_artifacts()
    assert file.path == "study.yaml"
    for location in ("mlflow-artifacts:/../", "mlflow-artifacts:/1/%2e%2e/%2e%2e/%2e%2e"):
        with pytest.raises(Exception, match="Invalid path"):
            stored_at(location)


@pytest.mark.usefixtures("study")
def test_stores_that_cannot_be_shown_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "true")
    with pytest.raises(TrackingError, match="know nothing of workspaces"):
        create_app()
    monkeypatch.setenv("MLFLOW_ENABLE_WORKSPACES", "false")
    monkeypatch.setattr(handlers, "_tracking_store", object())
    with pytest.raises(TrackingError, match="need a database"):
        create_app()
