"""Ledgers, and workers that die or fall silent; a fixture module of the ledger's tests."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tunetrack
from tunetrack.ledger import Ledger, Ticket, leases
from tunetrack.ledger.workers import let_go

#: A worker of another host: leases are renewed every second, and are good for two.
ELSEWHERE = """
import socket, sys
socket.gethostname = lambda: "elsewhere"
from tunetrack.errors import LeaseLostError
from tunetrack.ledger import Ledger, leases
from tunetrack.spec.records import TrialOutcome, TrialState
leases.RENEW_SECONDS, leases.GRACE_SECONDS = 1.0, 2.0
ledger = Ledger.load(sys.argv[1], "toy")
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "RENEW_SECONDS", 1.0)
    monkeypatch.setattr(leases, "GRACE_SECONDS", 2.0)


def asked(ledger: Ledger) -> Ticket:
    ticket = ledger.ask()
    assert ticket is not None
    return ticket


def die(ledger: Ledger, ticket: Ticket) -> None:
    """What a ledger's process leaves when it is killed over a trial: a claim that nobody holds."""
    for trial, worker in ledger._claims.held.values():
        if trial.number == ticket.number:
            let_go(worker)


@contextmanager
def elsewhere(url: str, script: str) -> Iterator[subprocess.Popen[str]]:
    """A worker of another host; it is killed at the end. What it prints is heard line by line."""
    environment = {**os.environ, "PYTHONPATH": str(Path(tunetrack.__file__).parents[1]), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-c", ELSEWHERE + script, url]
    worker = subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    with worker:
        try:
            yield worker
        finally:
            worker.kill()


def heard(worker: subprocess.Popen[str]) -> str:
    assert worker.stdout is not None
    return worker.stdout.readline().strip()


def say(worker: subprocess.Popen[str], word: str) -> None:
    assert worker.stdin is not None
    worker.stdin.write(f"{word}\n")
    worker.stdin.flush()


def sql(url: str, statement: str) -> list[tuple[object, ...]]:
    """Runs one statement on the file itself."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
    try:
        with connection:
            return connection.execute(statement).fetchall()
    finally:
        connection.close()
