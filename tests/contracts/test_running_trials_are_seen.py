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
    ledger = Ledger.create(f"sqlite:///{folder}/{len(list(folder.glob('*.db')))}.db", spec)
    drive(ledger, finished)
    tickets = [ledger.ask() for _ in range(together)]
    return [math.log10(ticket.values["optimizer.lr"]) for ticket in tickets if isinstance(ticket, Ticket)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sampler", "blind"),
    [
        ({"name": "tpe", "n_startup_trials": 10}, {"constant_liar": False}),
        # Hyperopt has no such option; with this lag it sees none of those that run.
        ({"engine": "hyperopt", "name": "tpe", "n_startup_jobs": 10}, {"lag": 11}),
    ],
    ids=["optuna", "hyperopt"],
)
def test_workers_are_spread(sampler: dict[str, Any], blind: dict[str, Any], tmp_path: Path) -> None:
    spread, piled = (
        statistics.mean(statistics.stdev(rates(tmp_path, 30, 12, **options, seed=seed)) for seed in range(3))
        for options in (sampler, sampler | blind)
    )
    assert spread > 1.5 * piled
