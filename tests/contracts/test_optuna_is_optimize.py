"""With one given sampler object the ledger proposes what `study.optimize` proposes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import optuna
import pytest
from optuna.samplers import BaseSampler

from tunetrack.ledger import Ledger, suggest_config
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_loss, toy_spec

TRIALS = 30
SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "tpe": lambda: optuna.samplers.TPESampler(seed=5),
    "random": lambda: optuna.samplers.RandomSampler(seed=5),
}


def _optimize(sampler: BaseSampler, space: str, pruner: optuna.pruners.BasePruner) -> list[tuple[Any, ...]]:
    spec = toy_spec(space)

    def objective(trial: optuna.Trial) -> float:
        config = suggest_config(trial, spec.space)
        for step in (1, 2, 3):
            trial.report(toy_loss(config) + 1 / step, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return toy_loss(config)

    study = optuna.create_study(sampler=sampler, pruner=pruner)
    study.optimize(objective, n_trials=TRIALS)
    return [(trial.params, trial.state.name) for trial in study.trials]


def _ledger(sampler: BaseSampler, space: str, pruner: str) -> list[tuple[Any, ...]]:
    spec = toy_spec(space, pruner={"name": pruner})
    ledger = Ledger.create(optuna.storages.InMemoryStorage(), spec, sampler=sampler)
    for _ in range(TRIALS):
        ticket = ledger.ask()
        assert ticket is not None
        loss = toy_loss(ticket.config)
        pruned = any(ledger.report(ticket, step, loss + 1 / step) for step in (1, 2, 3))
        outcome = TrialOutcome(TrialState.PRUNED) if pruned else TrialOutcome(TrialState.COMPLETE, (loss,))
        ledger.tell(ticket, outcome)
    return [(trial.values, trial.state.name) for trial in ledger.trials()]


@pytest.mark.parametrize("space", ["flat", "nested"])
@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_are_those_of_optimize(name: str, space: str) -> None:
    expected = _optimize(SAMPLERS[name](), space, optuna.pruners.NopPruner())
    assert _ledger(SAMPLERS[name](), space, "none") == expected


@pytest.mark.parametrize("name", SAMPLERS)
def test_proposals_and_prunings_are_those_of_optimize(name: str) -> None:
    expected = _optimize(SAMPLERS[name](), "nested", optuna.pruners.MedianPruner())
    assert {state for _, state in expected} == {"COMPLETE", "PRUNED"}
    assert _ledger(SAMPLERS[name](), "nested", "median") == expected
