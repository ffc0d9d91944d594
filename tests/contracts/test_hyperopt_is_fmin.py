"""A sequential study with the Hyperopt engine proposes exactly what `hyperopt.fmin` proposes."""

from __future__ import annotations

import random
from typing import Any

import hyperopt
import numpy as np
import optuna
import pytest

from tunetrack.ledger import HyperoptSampler, Ledger, hyperopt_space, suggest_config
from tunetrack.ledger.hyperopt_sampler import ALGORITHMS, _History
from tunetrack.ledger.hyperopt_space import raw_space
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_loss, toy_spec

TRIALS = 45


def _fails(number: int) -> bool:
    return number % 7 == 5


def _fmin(space: Any, algo: Any, seed: int) -> list[dict[str, Any]]:
    proposed: list[dict[str, Any]] = []

    def objective(config: dict[str, Any]) -> dict[str, Any]:
        proposed.append(config)
        if _fails(len(proposed) - 1):
            return {"status": hyperopt.STATUS_FAIL}
        return {"status": hyperopt.STATUS_OK, "loss": toy_loss(config)}

    generator = np.random.default_rng(seed)
    hyperopt.fmin(objective, space, algo, TRIALS, rstate=generator, verbose=False, show_progressbar=False)
    return proposed


def _ledger(space: str, name: str, seed: int, direction: str) -> list[dict[str, Any]]:
    spec = toy_spec(
        space,
        sampler={"engine": "hyperopt", "name": name, "seed": seed},
        objective={"metric": "validation/loss", "direction": direction},
    )
    ledger = Ledger.create(optuna.storages.InMemoryStorage(), spec)
    proposed = []
    for number in range(TRIALS):
        ticket = ledger.ask()
        assert ticket is not None
        proposed.append(ticket.config)
        loss = toy_loss(ticket.config)
        value = -loss if direction == "maximize" else loss
        failed, complete = TrialOutcome(TrialState.FAILED), TrialOutcome(TrialState.COMPLETE, (value,))
        ledger.tell(ticket, failed if _fails(number) else complete)
    return proposed


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("space", ["flat", "nested"])
@pytest.mark.parametrize("name", ["tpe", "random", "anneal"])
def test_ledger_proposes_what_fmin_proposes(name: str, space: str, direction: str) -> None:
    expected = _fmin(hyperopt_space(toy_spec(space).space), ALGORITHMS[name], seed=11)
    assert _ledger(space, name, seed=11, direction=direction) == expected


def test_atpe_proposes_what_atpe_proposes() -> None:
    """Atpe draws from the global generators, so `fmin` has no reproducible sequence; one call of it has.

    Its expression must be free of arithmetic, so both sides use Hyperopt's own numbers.
    """
    space = toy_spec("flat").space
    study = optuna.create_study(sampler=HyperoptSampler("atpe", space, seed=2))
    domain = hyperopt.base.Domain(None, raw_space(space))
    seeds = np.random.default_rng(2)
    for number in range(13):
        docs = _History(raw_space(space), study.sampler._distributions).documents(study, number, only_losses=True)
        seed = int(seeds.integers(2**31 - 1))
        trial = study.ask()
        suggest_config(trial, space)
        random.seed(seed)
        np.random.seed(seed)
        with np.errstate(all="ignore"):
            (doc,) = ALGORITHMS["atpe"]([number], domain, hyperopt.trials_from_docs(docs, validate=False), seed)
        raw = {name: values[0] for name, values in doc["misc"]["vals"].items()}
        assert {name: raw[name] for name in ("optimizer.lr",)} == {"optimizer.lr": trial.params["optimizer.lr"]}
        assert trial.params["model.num_layers"] == 1 + round(raw["model.num_layers"])
        study.tell(trial, float(number % 3))


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_pruned_value_reaches_the_history(direction: str) -> None:
    spec = toy_spec(sampler={"engine": "hyperopt"}, objective={"metric": "validation/loss", "direction": direction})
    storage = optuna.storages.InMemoryStorage()
    ledger = Ledger.create(storage, spec)
    for state in (TrialState.PRUNED, TrialState.INFEASIBLE, TrialState.FAILED):
        ticket = ledger.ask()
        assert ticket is not None
        if state is TrialState.PRUNED:
            ledger.report(ticket, 1, 0.75)
            ledger.report(ticket, 2, 0.5)
        ledger.tell(ticket, TrialOutcome(state))
    ledger.ask()
    study = optuna.load_study(study_name=spec.name, storage=storage)
    sampler = HyperoptSampler("tpe", spec.space)
    assert sampler._whole is not None
    docs = sampler._whole.documents(study, number=99, only_losses=False)
    assert [doc["result"] for doc in docs] == [
        {"status": "ok", "loss": 0.5 if direction == "minimize" else -0.5},
        {"status": "fail"},
        {"status": "fail"},
        {"status": "new"},
    ]


def test_enqueued_values_are_kept_also_across_branches() -> None:
    space = toy_spec("nested").space
    study = optuna.create_study(sampler=HyperoptSampler("tpe", space, seed=0))
    for name in ("adam", "adamw", "sgd") * 10:
        study.enqueue_trial({"optimizer.name": name, "model.filters": 20})
        trial = study.ask()
        config = suggest_config(trial, space)
        assert (config["optimizer"]["name"], config["model"]["filters"]) == (name, 20)
        study.tell(trial, toy_loss(config))
