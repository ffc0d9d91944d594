"""Workers that ask at the same time are not sent to the same place: samplers take running trials for bad ones."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import pytest

from tunetrack.ledger import Ledger, Ticket
from tunetrack.testing import drive, toy_spec


def rates(folder: Path, finished: int, together: int, **sampler: Any) -> list[float]:
    """The learning rates of trials that are asked for together, after others have ended, on a logarithmic scale."""
    spec = toy_spec(model={"num_layers": 2}, trainer={"epochs": 3}, sampler=sampler)
    ledger = Ledger.create(f"sqlite:///{folder}/{len(list(folder.iterdir()))}.db", spec)
    drive(ledger, finished)
    tickets = [ledger.ask() for _ in range(together)]
    return [math.log10(ticket.values["optimizer.lr"]) for ticket in tickets if isinstance(ticket, Ticket)]


@pytest.mark.parametrize("seed", [0, 1])
def test_optuna_spreads_workers_unless_told_otherwise(seed: int, tmp_path: Path) -> None:
    options = {"name": "tpe", "n_startup_trials": 10, "seed": seed}
    spread = statistics.stdev(rates(tmp_path, 30, 12, **options))
    piled = statistics.stdev(rates(tmp_path, 30, 12, **options, constant_liar=False))
    assert spread > 1.5 * piled


def test_hyperopt_spreads_workers(tmp_path: Path) -> None:
    options = {"engine": "hyperopt", "name": "tpe", "n_startup_jobs": 10, "seed": 0}
    spread = statistics.stdev(rates(tmp_path, 30, 12, **options))
    piled = statistics.stdev(rates(tmp_path, 30, 12, **options, lag=11))  # sees none of those that run
    assert spread > 1.2 * piled
