"""A study that is continued in really new processes proposes what it proposes in one go."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import tunetrack
from tunetrack.ledger import Ledger
from tunetrack.testing import drive, toy_spec

PIECE = """
import sys
from tunetrack.ledger import Ledger
from tunetrack.testing import drive
drive(Ledger.load(sys.argv[1], "toy"), 13)
"""


@pytest.mark.parametrize("engine", ["optuna", "hyperopt"])
def test_new_processes_propose_what_one_process_proposes(engine: str, tmp_path: Path) -> None:
    spec = toy_spec("nested", sampler={"engine": engine, "name": "tpe", "seed": 8}, pruner={"name": "hyperband"})
    whole = Ledger.create(f"sqlite:///{tmp_path}/whole.db", spec)
    drive(whole, 26)
    url = f"sqlite:///{tmp_path}/pieces.db"
    pieces = Ledger.create(url, spec)
    source = str(Path(tunetrack.__file__).parents[1])
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONPATH": source, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", PIECE, url], check=True, timeout=120, env=environment)
    assert [(t.values, t.state) for t in pieces.trials()] == [(t.values, t.state) for t in whole.trials()]
    assert len(pieces.trials()) == 26
