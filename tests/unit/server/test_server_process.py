"""The server's process: its shape, a taken port, a crash, signals."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import requests

from tunetrack.errors import TrackingError
from tunetrack.server import ServerSpec, TrackingServer, start_server


def test_one_process_and_an_answer(server: TrackingServer) -> None:
    assert requests.get(f"{server.base_url}/health", timeout=5).text == "OK"
    assert psutil.Process(server.pid).children(recursive=True) == []


def test_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TrackingError, match=rf"127\.0\.0\.1:{port}.*--port"):
            start_server(ServerSpec(tmp_path, port=port, environment=dict(os.environ)))


def test_crash_shows_the_last_output(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database " * 500)
    with pytest.raises(TrackingError, match=r"ended with(.|\n)*file is not a database"):
        start_server(ServerSpec(tmp_path, port=0, environment=dict(os.environ)))


def test_home_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrackingError, match="cannot be created"):
        start_server(ServerSpec(tmp_path / "file" / "home", port=0))


_SERVE = """
import os, pathlib
from tunetrack.server import ServerSpec, running_server
with running_server(ServerSpec(pathlib.Path({home!r}), port=0, environment=dict(os.environ))) as server:
    print(server.pid, flush=True)
    {then}
"""


@pytest.mark.parametrize(
    ("number", "then", "code"),
    [
        (signal.SIGINT, "import time; time.sleep(1); server.wait()", 0),
        (signal.SIGTERM, "server.wait()", 0),
        # Before the server is waited for, such as while its links are made.
        (signal.SIGTERM, "import time; time.sleep(60)", 143),
    ],
)
def test_signals_stop_the_child(
    tmp_path: Path, database_template: Path, number: signal.Signals, then: str, code: int
) -> None:
    (tmp_path / "mlflow.db").write_bytes(database_template.read_bytes())
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVE.format(home=str(tmp_path), then=then)],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        family = [child, *child.children(recursive=True)]
        start = time.monotonic()
        time.sleep(2.0)  # until wait() has set its handlers
        process.send_signal(number)
        out, _ = process.communicate(timeout=30)
    assert (process.returncode, out) == (code, "")
    assert time.monotonic() - start < 15
    assert not psutil.wait_procs(family, timeout=5)[1]
