"""A real PostgreSQL that the tests start themselves, with databases of their own; a fixture module."""

from __future__ import annotations

import getpass
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql

from tunetrack.ledger import open_storage
from tunetrack.tracking import connect

__all__ = ["Postgres", "postgres", "postgres_ledger", "postgres_tracking", "query"]

#: Has signs that a URL must escape, which must never be read in a message.
PASSWORD = "s3cret/of@ada"
#: As it stands in a URL.
ESCAPED = "s3cret%2Fof%40ada"
START_SECONDS = 60.0
#: Nothing here has to survive a power cut.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200"}


class Postgres:
    """A server in a temporary folder, which can be stopped and started again.

    Attributes:
        port: where it listens, on 127.0.0.1.
        errors: file of what it logs.
    """

    def __init__(self, programs: Path, folder: Path, user: str) -> None:
        self._programs, self._folder, self._user = programs, folder, user
        self._process: subprocess.Popen[bytes] | None = None
        self.errors = folder / "log"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        secret = folder / "password"
        secret.write_text(PASSWORD)
        shutil.chown(secret, user)
        options = ["--no-sync", "--username=ada", f"--pwfile={secret}", "--auth=scram-sha-256", "--encoding=UTF8"]
        self._run("initdb", *options, "--locale=C", "--pgdata", str(folder / "data"))

    def url(self, database: str, host: str = "127.0.0.1") -> str:
        """The address of one of its databases, password included."""
        return f"postgresql://ada:{ESCAPED}@{host}:{self.port}/{database}"

    def database(self, template: str = "template1") -> str:
        """The address of a new database, a copy of another one that nobody is connected to."""
        name = f"t{uuid.uuid4().hex}"
        self.execute("postgres", "CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy", name, template)
        return self.url(name)

    def execute(self, database: str, statement: LiteralString, *names: str) -> None:
        """Runs one statement outside a transaction; `names` are put into its {}."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        command = [self._programs / "postgres", "-D", self._folder / "data", "-p", str(self.port)]
        command += ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command += [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
        with self.errors.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_user())
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """Ends it at once, as a machine that goes down would: whoever is connected loses the connection."""
        if self._process is not None:
            self._process.send_signal(3)  # SIGQUIT: immediate shutdown
            self._process.wait(START_SECONDS)
            self._process = None

    def cut_off(self) -> None:
        """Ends all connections to it, in the middle of whatever they do."""
        self.execute(
            "postgres",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'",
        )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, text=True, check=False, **self._as_user()
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def _as_user(self) -> dict[str, object]:
        """PostgreSQL refuses to be run by root."""
        same = self._user == getpass.getuser()
        return {"cwd": self._folder} | ({} if same else {"user": self._user, "group": self._user, "extra_groups": []})


def programs() -> Path | None:
    """The folder of the newest server that is installed; Debian keeps it out of the PATH."""
    found = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    there = shutil.which("initdb")
    return Path(there).resolve().parent if there else None


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A running server; tests that stop it start it again."""
    where = programs()
    if where is None:
        pytest.skip("PostgreSQL's server is not installed; on Debian: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    if user not in {entry.pw_name for entry in pwd.getpwall()}:
        pytest.skip(f"PostgreSQL refuses to run as root, and there is no user {user!r}")
    folder = Path(tempfile.mkdtemp(prefix="tunetrack-postgres-"))
    shutil.chown(folder, user)
    server = Postgres(where, folder, user)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def _empty_ledger(postgres: Postgres) -> str:
    url = postgres.database()
    storage = open_storage(url)
    storage.remove_session()
    storage._backend.engine.dispose()  # type: ignore[attr-defined]
    return url.rpartition("/")[2]


@pytest.fixture(scope="session")
def _empty_tracking(postgres: Postgres) -> str:
    """MLflow's tables take seconds to make, a copy of them a fraction of one."""
    url = postgres.database()
    connect(url).close()
    # MLflow keeps its connections for as long as the process lives.
    postgres.cut_off()
    return url.rpartition("/")[2]


@pytest.fixture
def postgres_ledger(postgres: Postgres, _empty_ledger: str) -> str:
    """The address of an empty ledger."""
    return postgres.database(_empty_ledger)


@pytest.fixture
def postgres_tracking(postgres: Postgres, _empty_tracking: str) -> str:
    """The address of an empty tracking database."""
    return postgres.database(_empty_tracking)


def query(url: str, statement: LiteralString) -> list[tuple[object, ...]]:
    """Runs one statement and commits it; what it gives."""
    with psycopg.connect(url) as connection:
        cursor = connection.execute(statement)
        return cursor.fetchall() if cursor.description else []
