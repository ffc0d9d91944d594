"""Infeasible trials are told so that samplers which can learn from them do."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest

from tunetrack.ledger import Ledger
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_spec


def _share_of_deep_proposals(sampler: dict[str, Any], state: TrialState) -> float:
    """More than 5 layers cannot be built; the loss does not depend on layers. Half of a random search is deep."""
    ledger = Ledger.create(optuna.storages.InMemoryStorage(), toy_spec(sampler=sampler))
    deep = []
    for _ in range(60):
        ticket = ledger.ask()
        assert ticket is not None
        deep.append(ticket.config["model"]["num_layers"] > 5)
        loss = abs(math.log10(ticket.config["optimizer"]["lr"]) + 3)
        outcome = TrialOutcome(state) if deep[-1] else TrialOutcome(TrialState.COMPLETE, (loss,))
        ledger.tell(ticket, outcome)
    return sum(deep[20:]) / 40


@pytest.mark.parametrize(
    "sampler",
    [{"name": "tpe"}, {"name": "nsgaii", "population_size": 10}, {"engine": "hyperopt", "name": "anneal"}],
    ids=["tpe", "nsgaii", "anneal"],
)
def test_infeasible_region_is_left(sampler: dict[str, Any]) -> None:
    assert _share_of_deep_proposals({**sampler, "seed": 1}, TrialState.INFEASIBLE) < 0.3


def test_tpe_does_not_learn_from_failures_which_may_be_anything() -> None:
    infeasible = _share_of_deep_proposals({"name": "tpe", "seed": 1}, TrialState.INFEASIBLE)
    assert infeasible < _share_of_deep_proposals({"name": "tpe", "seed": 1}, TrialState.FAILED)
