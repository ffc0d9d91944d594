"""Addresses: of what is served, of our pages, and who can reach them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracking_support import study_info
from tunetrack.server import ServerSpec, is_loopback, studies_url, study_links, study_url
from tunetrack.tracking import TrackingStore


@pytest.mark.parametrize(
    ("host", "only_here"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("example.org", False),
    ],
)
def test_who_reaches_a_server(host: str, only_here: bool) -> None:
    assert is_loopback(host) is only_here


@pytest.mark.parametrize(
    ("given", "served"),
    [
        (None, "sqlite:///{here}/home/mlflow.db"),
        ("sqlite:///other.db", "sqlite:///{here}/other.db"),
        ("sqlite:////srv/other.db", "sqlite:////srv/other.db"),
        ("postgresql://host/name", "postgresql://host/name"),
    ],
)
def test_databases_are_named_by_their_whole_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, served: str
) -> None:
    """The server's process works in the home folder, not where the command was typed."""
    monkeypatch.chdir(tmp_path)
    assert ServerSpec(Path("home"), backend_store_uri=given).database == served.format(here=tmp_path)


@pytest.mark.parametrize(
    ("given", "served"),
    [
        (None, "{here}/home/artifacts"),
        ("files", "{here}/files"),
        ("/srv/files", "/srv/files"),
        ("s3://b/c", "s3://b/c"),
    ],
)
def test_artifacts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, served: str) -> None:
    monkeypatch.chdir(tmp_path)
    assert ServerSpec(Path("home"), artifacts=given).artifact_root == served.format(here=tmp_path)


def test_links_of_a_study(store: TrackingStore) -> None:
    study = store.open_study(study_info(), "images")
    (link,) = study_links(store, "http://127.0.0.1:5000/")
    assert link.page_url == study_url("http://127.0.0.1:5000", study.run_id)
    assert link.page_url == f"{studies_url('http://127.0.0.1:5000')}studies/{study.run_id}"
    assert link.page_url.startswith("http://127.0.0.1:5000/tunetrack/")
