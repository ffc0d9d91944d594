"""Trials that break a constraint: kept with it, never the best, and samplers learn of it."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest

from ledger_support import asked
from tunetrack.errors import LedgerError
from tunetrack.ledger import Ledger, hyperopt_result, optuna_result, pareto_front
from tunetrack.spec import load_study
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_spec

LIMIT = "train_seconds <= 5"


def outcome(value: float, excess: float, *more: float) -> TrialOutcome:
    broken = (f"{LIMIT} ({5 + excess:g})",) if excess > 0 else ()
    return TrialOutcome(TrialState.COMPLETE, (value, *more), constraints={LIMIT: excess}, violates=broken)


@pytest.mark.parametrize("memory", [False, True])
def test_a_broken_constraint_is_kept_with_the_trial(memory: bool, url: str) -> None:
    storage = optuna.storages.InMemoryStorage() if memory else url
    ledger = Ledger.create(storage, toy_spec(constraints=[LIMIT]))
    ledger.tell(asked(ledger), outcome(0.1, 3.0))
    ledger.tell(asked(ledger), outcome(0.5, -1.0))
    infeasible = TrialOutcome(TrialState.INFEASIBLE, reason="no", constraints={LIMIT: 9.0}, violates=("far",))
    ledger.tell(asked(ledger), infeasible)
    records = Ledger.load(storage, "toy").trials()
    assert [record.constraints for record in records] == [{LIMIT: 3.0}, {LIMIT: -1.0}, {LIMIT: 9.0}]
    assert [record.violates for record in records] == [("train_seconds <= 5 (8)",), (), ("far",)]
    assert [record.ranked for record in records] == [False, True, False]
    best = ledger.best()
    assert best is not None
    assert best.number == 1


def test_where_all_trials_break_it_there_is_no_best(url: str) -> None:
    ledger = Ledger.create(url, toy_spec(constraints=[LIMIT]))
    ledger.tell(asked(ledger), outcome(0.1, 3.0))
    assert ledger.best() is None


def test_they_are_not_on_the_front_and_hide_nobody_there(url: str) -> None:
    goals = [{"metric": "validation/accuracy"}, {"metric": "model/parameters"}]
    ledger = Ledger.create(url, toy_spec(objective=goals, constraints=[LIMIT]))
    for value, excess, size in ((0.9, 1.0, 10.0), (0.8, 0.0, 20.0), (0.7, -1.0, 30.0), (0.95, -1.0, 40.0)):
        ledger.tell(asked(ledger), outcome(value, excess, size))
    assert [record.number for record in pareto_front(ledger.trials(), ledger.spec.objectives)] == [1, 3]


def _share_that_breaks_it(sampler: dict[str, Any], told: bool) -> float:
    """The deeper the better, and more than 5 layers break the constraint, of ten."""
    spec = toy_spec(sampler=sampler, constraints=[LIMIT])
    ledger = Ledger.create(optuna.storages.InMemoryStorage(), spec)
    broken = []
    for _ in range(50):
        ticket = asked(ledger)
        excess = float(ticket.config["model"]["num_layers"] - 5)
        broken.append(excess > 0)
        loss = abs(math.log10(ticket.config["optimizer"]["lr"]) + 3) - excess
        ledger.tell(ticket, outcome(loss, excess) if told else TrialOutcome(TrialState.COMPLETE, (loss,)))
    return sum(broken[25:]) / 25


@pytest.mark.parametrize(
    "sampler",
    [
        {"name": "tpe"},
        {"name": "nsgaii", "population_size": 10},
        {"engine": "hyperopt", "name": "anneal"},
        pytest.param({"name": "gp"}, marks=pytest.mark.slow),
        pytest.param({"engine": "hyperopt", "name": "tpe"}, marks=pytest.mark.slow),
    ],
    ids=lambda sampler: f"{sampler.get('engine', 'optuna')}-{sampler['name']}",
)
def test_samplers_leave_the_region_where_a_constraint_is_broken(sampler: dict[str, Any]) -> None:
    sampler = {**sampler, "seed": 1}
    blind, told = _share_that_breaks_it(sampler, told=False), _share_that_breaks_it(sampler, told=True)
    assert blind > 0.7
    assert told < blind - 0.25


@pytest.mark.parametrize("lag", [None, 1])
def test_gp_learns_of_trials_that_were_not_trained(lag: int | None) -> None:
    """It sees completed trials alone, and there are none where the limit is broken."""
    spec = toy_spec(sampler={"name": "gp", "seed": 1, "n_startup_trials": 8, "lag": lag}, constraints=[LIMIT])
    ledger = Ledger.create(optuna.storages.InMemoryStorage(), spec)
    broken = []
    for _ in range(22):
        ticket = asked(ledger)
        excess = float(ticket.config["model"]["num_layers"] - 5)
        broken.append(excess > 0)
        loss = abs(math.log10(ticket.config["optimizer"]["lr"]) + 3) - excess
        untrained = TrialOutcome(TrialState.INFEASIBLE, reason="x", constraints={LIMIT: excess}, violates=("x",))
        ledger.tell(ticket, untrained if broken[-1] else outcome(loss, excess))
    assert sum(broken[:8]) >= 3
    assert sum(broken[14:]) <= 1
    states = {record.state for record in ledger.trials() if record.violates}
    assert states == {TrialState.INFEASIBLE}, "what is kept is what happened"


def test_a_changed_constraint_is_refused_whatever_is_accepted(url: str) -> None:
    ledger = Ledger.create(url, toy_spec(constraints=[LIMIT]))
    changed = load_study({**ledger.spec.document, "constraints": ["train_seconds <= 6"]})
    with pytest.raises(LedgerError, match="constraints were train_seconds <= 5 and are train_seconds <= 6 now"):
        Ledger.load(url, "toy", changed, accept_changes=True)


def test_libraries_that_are_driven_by_others_hear_of_it() -> None:
    spec = toy_spec(constraints=[LIMIT])
    broken = outcome(0.1, 3.0)
    assert hyperopt_result(broken, spec.objectives[0])["status"] == "fail"
    assert "train_seconds" in hyperopt_result(broken, spec.objectives[0])["reason"]
    assert optuna_result(broken, 1) == 0.1
