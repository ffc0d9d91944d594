"""A worker that is killed before any SQL statement or after any commit: the study ends as if nothing had been."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tunetrack

#: Kills a forked worker before its first statement, its second one, and so on, and lets another one finish the study.
KILLER = """
import json, os, signal, sqlite3, sys
from pathlib import Path
import psycopg, sqlalchemy
from tunetrack.ledger import Ledger
from tunetrack.testing import drive, toy_spec
from tunetrack.testing.toy import run_toy_trial

EARLIER, TRIALS = 5, 8
folder, sampler, part, stride = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4])
server = sys.argv[5]  # with the template's name; empty: files
spec = toy_spec("nested", sampler=sampler, constraints=["train_seconds <= 5"])
if os.fork() == 0:  # whose connections are gone with it: a database that somebody uses cannot be copied
    drive(Ledger.create(server or f"sqlite:///{folder}/template.db", spec), EARLIER)
    os._exit(0)
assert os.wait()[1] == 0

def table(ledger):
    return [
        (t.number, dict(t.values), t.state.value, t.objectives, dict(t.intermediate), dict(t.constraints), t.violates)
        for t in ledger.trials()
    ]

def copied(name):
    base, _, template = server.rpartition("/")
    with psycopg.connect(f"{base}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {template}{name} WITH (FORCE)")
        admin.execute(f"CREATE DATABASE {template}{name} TEMPLATE {template} STRATEGY file_copy")
    return server + name

def fresh(name):
    if server:
        return copied(name.partition(".")[0])
    with sqlite3.connect(folder / "template.db") as one, sqlite3.connect(folder / name) as other:
        one.backup(other)
    one.close(), other.close()
    return f"sqlite:///{folder}/{name}"

def work(url, kill_at):
    moments = 0
    def moment(*_):
        nonlocal moments
        if moments == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        moments += 1
    ledger = Ledger.load(url, "toy")
    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", moment)
    sqlalchemy.event.listen(sqlalchemy.Engine, "commit", moment)
    ticket = ledger.ask()
    if part == "all":
        ledger.report(ticket, 1, 0.5)
        ledger.release(ticket)
        ticket = ledger.ask()
        run_toy_trial(ledger, ticket)

whole = Ledger.load(fresh("whole.db"), "toy")
drive(whole, TRIALS - EARLIER)
expected, outcomes = table(whole), []
for kill_at in range(0, 10000, stride):
    url = fresh("killed.db")
    child = os.fork()
    if child == 0:
        work(url, kill_at)
        os._exit(0)
    killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
    ledger = Ledger.load(url, "toy")
    before = [t.state.value for t in ledger.trials()][EARLIER:]
    reclaimed = ledger.reclaim("killed by a test")
    drive(ledger, TRIALS - sum(t.state.value not in ("RUNNING", "KILLED") for t in ledger.trials()))
    outcomes.append({
        "kill_at": kill_at, "before": before, "released": reclaimed.released, "failed": reclaimed.failed,
        "deaths": [t.deaths for t in ledger.trials()][EARLIER:], "same": table(ledger) == expected,
    })
    for file in folder.glob("killed.db*"):
        file.unlink()
    if not killed:
        break
print(json.dumps(outcomes))
"""

SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"name": "tpe", "n_startup_trials": 3, "seed": 1},
    "hyperopt": {"engine": "hyperopt", "name": "tpe", "n_startup_jobs": 3, "seed": 1},
    "qmc": {"name": "qmc", "seed": 1},  # counts its points in the study
}


@pytest.mark.parametrize(
    ("sampler", "part", "stride", "kind"),
    [
        ("tpe", "all", 9, "sqlite"),
        ("tpe", "all", 24, "postgresql"),
        pytest.param("tpe", "all", 1, "sqlite", marks=pytest.mark.slow),
        pytest.param("tpe", "all", 2, "postgresql", marks=pytest.mark.slow),
        pytest.param("hyperopt", "ask", 1, "sqlite", marks=pytest.mark.slow),
        pytest.param("qmc", "ask", 1, "sqlite", marks=pytest.mark.slow),
    ],
)
def test_killed_worker_leaves_nothing_undone_and_nothing_twice(
    sampler: str, part: str, stride: int, kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_ledger") if kind == "postgresql" else ""
    environment = {**os.environ, "PYTHONPATH": str(Path(tunetrack.__file__).parents[1])}
    command = [sys.executable, "-c", KILLER, str(tmp_path), json.dumps(SAMPLERS[sampler]), part, str(stride), server]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert len(outcomes) * stride > (14 if part == "ask" else 35)
    assert [outcome for outcome in outcomes if not outcome["same"]] == []
    for outcome in outcomes:
        # Whatever was under way is reclaimed at once, counted as one death of that one trial.
        running = [number for number, state in enumerate(outcome["before"], 5) if state == "RUNNING"]
        assert outcome["released"] == running
        assert outcome["failed"] == []
        assert sum(outcome["deaths"]) == len(running) <= 1
