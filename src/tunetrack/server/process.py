"""Knows how to run the MLflow server with our pages as a child process: its shape, its start, its failures and its end.

The shape is the one that measured best on one machine: one uvicorn worker and no job runner, 1 process with 0.3 GB
instead of 15 with 2.2 GB. With more than one worker each kept-alive request takes 44 ms longer, since uvicorn's shared
listening socket leaves TCP_NODELAY off.

What `mlflow server` does before it starts uvicorn is to hand its options on in the environment; that is done here, so
that our app needs no entry point of an installed distribution.
"""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

import mlflow
import requests

from tunetrack.errors import TrackingError

__all__ = ["ServerSpec", "TrackingServer", "is_loopback", "running_server", "start_server"]

_LINES_KEPT = 40
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class ServerSpec:
    """What to serve, and where.

    Attributes:
        home: folder for the database, unless `backend_store_uri` says otherwise, and for the artifacts.
        host: address to listen on; loopback by default, since MLflow's server asks for no password.
        port: 1 to 65535, or 0 for a free one.
        backend_store_uri: the database; default ``sqlite:///<home>/mlflow.db``.
        artifacts: folder or address of the artifacts; default ``<home>/artifacts``.
        allowed_hosts: names that browsers may use for this server besides localhost and `host`, such as
            ``tracking:5000``; MLflow answers 403 to others. Without any it also lets private addresses pass.
        environment: the child's environment, as the caller read it; what the shape needs is set on top.
        start_seconds: longest time to wait for the first answer, seconds.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 5000
    backend_store_uri: str | None = None
    artifacts: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    start_seconds: float = 60.0

    @property
    def database(self) -> str:
        """The URI of the database that is served; a file by its whole path, since the child works in another folder."""
        if self.backend_store_uri is None:
            return f"sqlite:///{self.home.resolve() / 'mlflow.db'}"
        scheme, mark, path = self.backend_store_uri.partition(":///")
        whole = scheme.startswith("sqlite") and mark and not path.startswith(("/", "file:"))
        return f"{scheme}:///{Path(path).resolve()}" if whole else self.backend_store_uri

    @property
    def artifact_root(self) -> str:
        """Where the server keeps artifacts."""
        if self.artifacts is None:
            return str(self.home.resolve() / "artifacts")
        return self.artifacts if ":/" in self.artifacts else str(Path(self.artifacts).resolve())


class TrackingServer:
    """A running server. Use `running_server`, or `start_server` and then `stop`."""

    def __init__(self, child: subprocess.Popen[str], base_url: str, database: str) -> None:
        self.base_url = base_url
        self.database = database
        self._child = child
        self._tail: deque[str] = deque(maxlen=_LINES_KEPT)
        self._reader = threading.Thread(target=self._read, name="tunetrack-server-output", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._child.pid

    @property
    def output(self) -> str:
        """The child's last lines."""
        return "\n".join(self._tail)

    def wait_until_healthy(self, seconds: float) -> None:
        """Wait for the first good answer of ``/health``.

        Raises:
            TrackingError: the child ended, or did not answer in time; its last output is in the message.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                self._reader.join(timeout=2)
                raise TrackingError(f"the MLflow server ended with {self._child.returncode}; it said:\n{self.output}")
            try:
                if requests.get(f"{self.base_url}/health", timeout=2).ok:
                    return
            except requests.RequestException:
                pass  # not listening yet
            time.sleep(_POLL_SECONDS)
        raise TrackingError(
            f"the MLflow server at {self.base_url} did not answer within {seconds:g} s; it said:\n{self.output}"
        )

    def wait(self) -> None:
        """Wait until the child ends or SIGINT or SIGTERM arrives, and stop it. Call it from the main thread.

        Raises:
            TrackingError: the child ended by itself.
        """
        stop = threading.Event()

        def on_signal(number: int, frame: FrameType | None) -> None:
            stop.set()

        previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            while not stop.wait(_POLL_SECONDS):
                if self._child.poll() is not None:
                    raise TrackingError(
                        f"the MLflow server ended with {self._child.returncode}; it said:\n{self.output}"
                    )
        finally:
            self.stop()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def stop(self, seconds: float = 10.0) -> None:
        """End the child: SIGTERM, then SIGKILL after `seconds`. Stopping again does nothing."""
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(self._child.pid, signal.SIGKILL)  # its uvicorn process too
                self._child.wait()
        self._reader.join(timeout=2)

    def _read(self) -> None:
        if self._child.stdout is None:
            return
        with self._child.stdout as lines:
            for text in lines:
                self._tail.append(text.rstrip())


def start_server(spec: ServerSpec) -> TrackingServer:
    """Start the server and wait until it answers.

    Args:
        spec: what to serve, and where.

    Returns:
        The running server; the caller stops it.

    Raises:
        TrackingError: the port is taken, the home cannot be written, or the child ended or did not answer in time.
    """
    port = _free_port(spec.host, spec.port)
    try:
        spec.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise TrackingError(f"the folder {spec.home} cannot be created: {error.strerror}") from error
    child = subprocess.Popen(  # noqa: S603 - no shell, and every argument is ours or the user's own
        _command(spec, port),
        env={**spec.environment, **_environment(spec)},
        # MLflow reads a folder ./mlruns of the working directory as an old store, and then refuses to start.
        cwd=spec.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        # Ctrl-C reaches the whole group of a terminal; the child is to be stopped once, by us.
        start_new_session=True,
    )
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(spec.host, spec.host)  # noqa: S104 - compared, not bound
    server = TrackingServer(child, f"http://{_bracketed(shown)}:{port}", spec.database)
    try:
        server.wait_until_healthy(spec.start_seconds)
    except BaseException:
        server.stop()
        raise
    return server


@contextmanager
def running_server(spec: ServerSpec) -> Iterator[TrackingServer]:
    """`start_server` and, at the end of the ``with`` block, `TrackingServer.stop`.

    In the main thread a SIGTERM inside the block, the start included, ends it by SystemExit(143). Without that, Python
    would die at once and leave the server running.

    Raises:
        TrackingError: as `start_server`.
    """
    with _sigterm_as_exit():
        server = start_server(spec)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def _sigterm_as_exit() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it receives signals
        return

    def leave(number: int, frame: FrameType | None) -> None:
        sys.exit(128 + number)

    # A handler that the caller has set knows better.
    ours = signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


_SHAPE = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_WORKSPACES": "false",
    "PYTHONUNBUFFERED": "1",
    "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
    "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
    "_MLFLOW_SGI_NAME": "uvicorn",
}


def _environment(spec: ServerSpec) -> dict[str, str]:
    """What the server's process reads; the names are those of MLflow 3.17 (``mlflow.server._run_server``)."""
    hosts = {"MLFLOW_SERVER_ALLOWED_HOSTS": ",".join(_hosts(spec))} if spec.allowed_hosts else {}
    return {
        **_SHAPE,
        **hosts,
        "_MLFLOW_SERVER_FILE_STORE": spec.database,
        "_MLFLOW_SERVER_REGISTRY_STORE": spec.database,
        "_MLFLOW_SERVER_ARTIFACT_DESTINATION": spec.artifact_root,
    }


def _hosts(spec: ServerSpec) -> list[str]:
    """The list replaces MLflow's own, so what would be allowed in any case is named again."""
    local = ["localhost", "127.0.0.1", _bracketed(spec.host)]
    return [*(pattern for host in local for pattern in (host, f"{host.replace('[', '[[]')}:*")), *spec.allowed_hosts]


def _command(spec: ServerSpec, port: int) -> list[str]:
    # -P and --app-dir: the home folder, in which the child works, is no place to import from; our own package is.
    command = [sys.executable, "-P", "-m", "uvicorn", "--app-dir", str(Path(__file__).parents[2])]
    command += ["--host", spec.host, "--port", str(port), "--workers", "1", "--timeout-graceful-shutdown", "5"]
    command += ["--log-config", str(Path(mlflow.__file__).parent / "server" / "uvicorn_log_config.yaml")]
    return [*command, "--factory", "tunetrack.server.app:create_app"]


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _free_port(host: str, port: int) -> int:
    """`port`, or a free one for 0, after binding it once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return int(probe.getsockname()[1])
    except OSError as error:
        raise TrackingError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another port with --port, or 0 for a free one"
        ) from error
