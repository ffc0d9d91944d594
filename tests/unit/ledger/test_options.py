"""Options of samplers and pruners: every kind of mistake is named, with its path and what is allowed."""

from __future__ import annotations

import importlib.util
from typing import Any

import optuna
import pytest

from tunetrack.errors import SpecError
from tunetrack.ledger import Ledger, check_options
from tunetrack.ledger.pruners import pruner_of
from tunetrack.spec.study import HYPEROPT_SAMPLERS, OPTUNA_SAMPLERS, PRUNERS
from tunetrack.testing import toy_spec


def _message(**sections: Any) -> str:
    with pytest.raises(SpecError) as caught:
        check_options(toy_spec("grid", **sections))
    return str(caught.value)


@pytest.mark.parametrize(
    ("sampler", "message"),
    [
        (
            {"name": "tpe", "n_startup_trails": 5},
            "sampler.n_startup_trails: unknown option; did you mean n_startup_trials?; allowed: ",
        ),
        ({"name": "random", "n": 5}, "sampler.n: unknown option; there are no options here"),
        ({"name": "tpe", "n_startup_trials": "5"}, "sampler.n_startup_trials: must be int (given: '5')"),
        ({"name": "tpe", "n_startup_trials": True}, "sampler.n_startup_trials: must be int (given: True)"),
        ({"name": "tpe", "multivariate": 1}, "sampler.multivariate: must be bool or null (given: 1)"),
        ({"name": "tpe", "gamma": 3}, "sampler.gamma: takes a Python object"),
        ({"name": "grid", "search_space": {}}, "sampler.search_space: cannot be set: it is what the study file"),
        ({"name": "qmc", "qmc_type": "halten"}, "sampler: The `qmc_type='halten'` is invalid"),
        ({"name": "nsgaii", "population_size": 1}, "sampler: `population_size` must be greater"),
        (
            {"engine": "hyperopt", "name": "tpe", "n_startup_job": 5},
            "sampler.n_startup_job: unknown option; did you mean n_startup_jobs?",
        ),
        ({"engine": "hyperopt", "name": "tpe", "gamma": "x"}, "sampler.gamma: must be float (given: 'x')"),
        ({"engine": "hyperopt", "name": "tpe", "verbose": True}, "sampler.verbose: cannot be set"),
        ({"engine": "hyperopt", "name": "random", "gamma": 1}, "sampler.gamma: unknown option; there are no options"),
        ({"engine": "hyperopt", "name": "anneal", "shrink": 0.1}, "did you mean shrink_coef?"),
    ],
)
def test_sampler_mistake_is_named(sampler: dict[str, Any], message: str) -> None:
    assert message in _message(sampler=sampler)


@pytest.mark.parametrize(
    ("pruner", "message"),
    [
        ({"name": "median", "n_startup_trail": 1}, "pruner.n_startup_trail: unknown option; did you mean n_startup_"),
        ({"name": "percentile"}, "pruner.percentile: is missing; float is required"),
        ({"name": "percentile", "percentile": 200.0}, "pruner: Percentile must be between 0 and 100"),
        ({"name": "threshold"}, "pruner: threshold needs lower, upper or both"),
        ({"name": "patient", "wrapped": {"name": "median"}}, "pruner.patience: is missing; int is required"),
        ({"name": "patient", "patience": 2, "wrapped": {"name": "medium"}}, "pruner.wrapped.name: must be"),
        ({"name": "patient", "patience": 2, "wrapped": "median"}, "pruner.wrapped: must be a mapping with a name"),
        (
            {"name": "patient", "patience": 2, "wrapped": {"name": "median", "n": 1}},
            "pruner.wrapped.n: unknown option",
        ),
        (
            {"name": "patient", "patience": 2, "wrapped": {"name": "median", "control": 0.1}},
            "pruner.wrapped.control: belongs to the pruner itself, outside of wrapped (given: 0.1)",
        ),
        ({"name": "none", "patience": 2}, "pruner.patience: unknown option; there are no options here"),
        ({"name": "hyperband", "max_resource": "all"}, "pruner: "),
    ],
)
def test_pruner_mistake_is_named(pruner: dict[str, Any], message: str) -> None:
    assert message in _message(pruner=pruner)


def test_all_mistakes_come_at_once() -> None:
    message = _message(sampler={"name": "tpe", "a": 1}, pruner={"name": "median", "b": 2})
    assert "sampler.a" in message
    assert "pruner.b" in message


@pytest.mark.parametrize(
    ("engine", "name"),
    [*(("optuna", name) for name in OPTUNA_SAMPLERS), *(("hyperopt", name) for name in HYPEROPT_SAMPLERS)],
)
def test_every_sampler_works_without_options(engine: str, name: str) -> None:
    check_options(toy_spec("grid", sampler={"engine": engine, "name": name}))


def test_every_pruner_can_be_built() -> None:
    needed: dict[str, dict[str, Any]] = {
        "percentile": {"percentile": 25.0},
        "threshold": {"upper": 3},
        "patient": {"patience": 2, "wrapped": {"name": "successive_halving"}},
    }
    for name in PRUNERS:
        spec = toy_spec(pruner={"name": name, **needed.get(name, {})})
        check_options(spec)
        ledger = Ledger.create(optuna.storages.InMemoryStorage(), spec)
        ticket = ledger.ask()
        assert ticket is not None
        assert ledger.report(ticket, 1, 0.5) is False


@pytest.mark.parametrize(("epochs", "resource"), [(27, 27), ({"low": 3, "high": 81}, 81), (None, 10)])
def test_hyperband_knows_the_epochs(epochs: Any, resource: int) -> None:
    trainer = {} if epochs is None else {"epochs": epochs}
    pruner = pruner_of(toy_spec(trainer=trainer, pruner={"name": "hyperband"}))
    assert isinstance(pruner, optuna.pruners.HyperbandPruner)
    assert pruner._max_resource == resource


def test_missing_extra_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "pip install 'tunetrack[atpe]'" in _message(sampler={"engine": "hyperopt", "name": "atpe"})
