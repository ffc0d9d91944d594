"""Connecting: a store that cannot be used is named within seconds, in words."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from pathlib import Path

import pytest

from tunetrack.errors import TrackingError
from tunetrack.server import TrackingServer
from tunetrack.tracking import connect


def test_missing_folder_of_an_sqlite_file_is_created(tmp_path: Path) -> None:
    connect(f"sqlite:///{tmp_path}/new/folder/mlflow.db").close()
    assert (tmp_path / "new" / "folder" / "mlflow.db").exists()


def test_server_is_accepted(server: TrackingServer) -> None:
    with connect(server.base_url) as store:
        assert store.is_server


def test_nobody_listening_fails_within_seconds_and_says_how_to_start() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = time.monotonic()
    with pytest.raises(TrackingError, match=rf"http://127\.0\.0\.1:{port}.*tunetrack serve .*--port {port}"):
        connect(f"http://127.0.0.1:{port}")
    assert time.monotonic() - start < 5


def test_silent_listener_fails_within_the_timeout() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        start = time.monotonic()
        with pytest.raises(TrackingError, match="within 1 s"):
            connect(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=1.0)
    assert time.monotonic() - start < 4


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("./mlruns", "no longer logs to folders"),
        ("file:///tmp/mlruns", "no longer logs to folders"),
        ("ftp://host/x", "unknown scheme 'ftp'.*sqlite:///"),
        ("sqlite://", "names no file"),
        ("postgresql://user:secret@127.0.0.1:1/db", r"postgresql://user:\*\*\*@127"),
    ],
)
def test_other_uris_are_refused_in_words(uri: str, words: str) -> None:
    start = time.monotonic()
    with pytest.raises(TrackingError, match=words) as caught:
        connect(uri)
    assert "secret" not in str(caught.value)
    assert time.monotonic() - start < 6


def test_read_only_database(uri: str) -> None:
    path = uri.removeprefix("sqlite:///")
    with pytest.raises(TrackingError, match=r"mode=ro.*read-only"):
        connect(f"sqlite:///file:{path}?mode=ro&uri=true")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
def test_read_only_file(uri: str) -> None:
    Path(uri.removeprefix("sqlite:///")).chmod(0o400)
    with pytest.raises(TrackingError, match="read-only"):
        connect(uri)


def test_locked_database(uri: str) -> None:
    holder = sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(TrackingError, match="another process is writing"):
            connect(uri, timeout=0.2)
    finally:
        holder.close()


def test_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("hello " * 1000)
    with pytest.raises(TrackingError, match="not an SQLite database"):
        connect(f"sqlite:///{path}")


def test_folder_in_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match="cannot be opened"):
        connect(f"sqlite:///{tmp_path}")
