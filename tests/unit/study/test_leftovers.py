"""What workers leave that die after their last trial, when nobody comes after them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import tunetrack
from study_support import child_environment, tiny
from tunetrack.ledger import Ledger
from tunetrack.study.place import Place
from tunetrack.study.repair import send_leftovers
from tunetrack.tracking import connect

_DEAD = """
import os, signal, sys
from pathlib import Path
from tracking_support import study_info
from tunetrack.tracking import connect
folder, run_id, experiment_id = sys.argv[1:]
store = connect("http://127.0.0.1:9", must_answer=False)  # where nobody is, so that nothing is sent
store.use_spool(Path(folder))
run = store.attach_study(run_id, study_info(), experiment_id)
run.log_metrics({"left": 4.0}, 1)
assert not run.flush(1.0)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _die(*arguments: object) -> None:
    died = subprocess.run(
        [sys.executable, "-c", _DEAD, *map(str, arguments)],
        env=child_environment() | {"PYTHONPATH": os.pathsep.join(sys.path), "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"},
        timeout=120,
        check=False,
    )
    assert died.returncode == -signal.SIGKILL


def test_what_a_dead_worker_has_left_is_sent(home: Path) -> None:
    name = tunetrack.run_study(tiny(budget={"trials": 1}), home=home).name
    place = Place(home)
    ledger = Ledger.load(place.ledger, name)
    kept = ledger.attributes()
    assert not send_leftovers(place, ledger, print)
    with connect(place.tracking) as store:
        store.use_spool(place.spool / name)
        run = store.attach_study(kept["mlflow_run_id"])
        run.log_metrics({"own": 1.0}, 1)
        _die(place.spool / name, kept["mlflow_run_id"], kept["mlflow_experiment_id"])
        run.flush()
        assert "left" not in store.client.get_run(run.run_id).data.metrics  # whoever began before sends its own alone
        assert send_leftovers(place, ledger, print)
        assert store.client.get_run(run.run_id).data.metrics["left"] == 4.0


def test_who_may_still_be_sending(home: Path) -> None:
    name = tunetrack.run_study(tiny(budget={"trials": 1}), home=home).name
    url = Place(home).ledger
    script = (
        "import sys\n"
        "from tunetrack.ledger import Ledger\n"
        "from tunetrack.spec.records import TrialOutcome, TrialState\n"
        "ledger = Ledger.load(sys.argv[1], sys.argv[2])\n"
        "ticket = ledger.ask()\n"
        "ledger.tell(ticket, TrialOutcome(TrialState.COMPLETE, (0.5,)))\n"
        "print(ticket.number, flush=True)\n"
        "sys.stdin.read()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script, url, name],
        env=child_environment() | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    number = int(process.stdout.readline())
    ledger = Ledger.load(url, name)
    try:
        assert ledger.may_be_sending([number], other_hosts=False)
        assert not ledger.may_be_sending([number - 1], other_hosts=True)  # ended here
    finally:
        process.communicate("", timeout=60)
    assert not ledger.may_be_sending([number], other_hosts=True)
