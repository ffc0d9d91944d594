"""Several processes on one SQLite file: every number once, nothing lost, nothing left running."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import tunetrack
from tunetrack.ledger import Ledger
from tunetrack.spec.records import TrialState
from tunetrack.testing import toy_spec

WORKER = """
import sys
from tunetrack.ledger import Ledger
from tunetrack.testing.toy import run_toy_trial
ledger = Ledger.load(sys.argv[1], "toy")
while len(ledger.trials()) < 30:
    ticket = ledger.ask()
    if ticket.number % 5 == 2 and not ticket.retry:
        ledger.release(ticket)  # somebody, perhaps another one, takes it again
    else:
        run_toy_trial(ledger, ticket)
while (ticket := ledger.ask()).retry:
    run_toy_trial(ledger, ticket)
run_toy_trial(ledger, ticket)
"""


def test_three_workers_share_a_study(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = Ledger.create(url, toy_spec("nested"))
    environment = {**os.environ, "PYTHONPATH": str(Path(tunetrack.__file__).parents[1])}
    workers = [subprocess.Popen([sys.executable, "-c", WORKER, url], env=environment) for _ in range(3)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0, 0]
    trials = ledger.trials()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(trials) >= 30
    assert {trial.state for trial in trials}.isdisjoint({TrialState.RUNNING, TrialState.KILLED})
