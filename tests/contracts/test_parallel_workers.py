"""Eight processes on one database: no error, every number once, nothing lost, nothing left running."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tunetrack
from tunetrack.ledger import Ledger, list_studies
from tunetrack.spec.records import TrialState
from tunetrack.testing import toy_spec

PROCESSES = 8

#: All begin at the same moment, after their imports.
TOGETHER = """
import sys, time
from pathlib import Path
from tunetrack.ledger import WAIT, Ledger
from tunetrack.testing import toy_spec
from tunetrack.testing.toy import run_toy_trial
url, ready, go = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
ready.touch()
while not go.exists():
    time.sleep(0.001)
"""
WORKER = """
ledger = Ledger.load(url, "toy")
with ledger.keeping():
    while (ticket := ledger.ask(limit=64)) is not None:
        if ticket is WAIT:
            time.sleep(0.02)
        elif ticket.number % 5 == 2 and not ticket.retry:
            ledger.release(ticket)  # somebody, perhaps another one, takes it again
        else:
            run_toy_trial(ledger, ticket)
        ledger.reclaim()  # everybody lives, so nobody loses anything
"""
STARTER = """
ledger = Ledger.start(url, toy_spec(sampler={"name": "random"}))
run_toy_trial(ledger, ledger.ask())
print(ledger.name)
"""


def run_together(script: str, url: str, folder: Path) -> list[str]:
    """What so many processes print that run a script at the same time; none of them may fail."""
    environment = {**os.environ, "PYTHONPATH": str(Path(tunetrack.__file__).parents[1])}
    signs = [folder / f"ready{number}" for number in range(PROCESSES)]
    commands = [[sys.executable, "-c", TOGETHER + script, url, str(sign), str(folder / "go")] for sign in signs]
    processes = [
        subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for command in commands
    ]
    deadline = time.monotonic() + 120
    while not all(sign.exists() for sign in signs):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (folder / "go").touch()
    ended = [process.communicate(timeout=240) for process in processes]
    assert [error for _, error in ended] == [""] * PROCESSES
    assert [process.returncode for process in processes] == [0] * PROCESSES
    return [said.strip() for said, _ in ended]


def test_eight_workers_share_a_study(ledger_url: str, tmp_path: Path) -> None:
    ledger = Ledger.create(ledger_url, toy_spec("nested"))
    run_together(WORKER, ledger_url, tmp_path)
    trials = ledger.trials()
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(trials) == 64
    assert {trial.state for trial in trials}.isdisjoint({TrialState.RUNNING, TrialState.KILLED})
    assert {trial.deaths for trial in trials} == {0}


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_eight_processes_start_the_same_study_at_once(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """In a ledger that is not there yet, so that they make its tables together as well."""
    url = f"sqlite:///{tmp_path}/new/ledger.db"
    if kind == "postgresql":
        url = request.getfixturevalue("postgres").database()
    names = run_together(STARTER, url, tmp_path)
    expected = ["toy", *(f"toy-{number}" for number in range(2, PROCESSES + 1))]
    assert sorted(names) == sorted(list_studies(url)) == sorted(expected)
    for name in names:
        (record,) = Ledger.load(url, name).trials()
        assert record.number == 0
