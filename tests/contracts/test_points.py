"""Points of the study file come first with every sampler; which trial gets which follows from its number alone."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tunetrack.ledger import Ledger, Ticket
from tunetrack.testing import drive, toy_spec
from tunetrack.testing.toy import run_toy_trial

POINTS = [
    {"optimizer.name": "sgd", "optimizer.lr": 0.5, "optimizer.momentum": 0.25, "model.filters": 100},
    {"optimizer.name": "adam", "optimizer.lr": 1e-3},
    {"model.head": [64]},
]
WHOLE = [
    {"model.num_layers": 3, "model.head": [32], "optimizer.weight_decay": 0.1},
    {"model.num_layers": 1, "model.head": [], "optimizer.weight_decay": 0.0},
]
SAMPLERS: dict[str, dict[str, Any]] = {
    "tpe": {"name": "tpe", "n_startup_trials": 4},
    "random": {"name": "random"},
    "gp": {"name": "gp", "n_startup_trials": 4},
    "cmaes": {"name": "cmaes"},
    "qmc": {"name": "qmc"},
    "nsgaii": {"name": "nsgaii", "population_size": 4},
    "hyperopt tpe": {"engine": "hyperopt", "name": "tpe", "n_startup_jobs": 4},
    "hyperopt anneal": {"engine": "hyperopt", "name": "anneal"},
}


def taken(config: dict[str, Any], point: dict[str, Any]) -> dict[str, Any]:
    """What a config has at the paths of a point."""
    found = {}
    for path in point:
        value: Any = config
        for key in path.split("."):
            value = value[key]
        found[path] = value
    return found


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS)
def test_points_come_first_and_the_sampler_goes_on(sampler: dict[str, Any], tmp_path: Path) -> None:
    spec = toy_spec("nested", sampler={**sampler, "seed": 1}, points=POINTS[:2], budget={"trials": 10})
    configs = drive(Ledger.create(f"sqlite:///{tmp_path}/ledger.db", spec), 10)
    assert [taken(config, point) for config, point in zip(configs, POINTS[:2], strict=False)] == POINTS[:2]
    assert len({repr(config) for config in configs}) == 10


@pytest.mark.parametrize("name", ["grid", "brute_force"])
def test_a_finite_space_with_points_is_searched_through_once(name: str, tmp_path: Path) -> None:
    spec = toy_spec("grid", sampler={"name": name}, points=WHOLE)
    configs = drive(Ledger.create(f"sqlite:///{tmp_path}/ledger.db", spec), 100)
    assert [taken(config, point) for config, point in zip(configs, WHOLE, strict=False)] == WHOLE
    assert len({repr(config) for config in configs}) == spec.space.size


def test_a_point_is_taken_up_again_by_another_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    spec = toy_spec("nested", sampler={"name": "random"}, points=POINTS)
    ledger = Ledger.create(url, spec)
    first, second = ledger.ask(), ledger.ask()
    assert isinstance(first, Ticket)
    assert isinstance(second, Ticket)
    ledger.release(first)
    again = Ledger.load(url, "toy").ask()
    assert isinstance(again, Ticket)
    assert (again.number, again.values) == (0, first.values)
    assert taken(again.config, POINTS[0]) == POINTS[0]
    third = Ledger.load(url, "toy").ask()
    assert isinstance(third, Ticket)
    assert third.number == 2
    assert taken(third.config, POINTS[2]) == POINTS[2]


def test_any_number_of_workers_proposes_the_same(tmp_path: Path) -> None:
    spec = toy_spec("nested", sampler={"name": "tpe", "lag": 3}, points=POINTS, budget={"trials": 9})

    def all_values(workers: int) -> list[Any]:
        url = f"sqlite:///{tmp_path}/{workers}.db"
        Ledger.create(url, spec)

        def work(_: int) -> None:
            ledger = Ledger.load(url, "toy")
            while (ticket := ledger.ask(9)) is not None:
                if isinstance(ticket, Ticket):
                    run_toy_trial(ledger, ticket)

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(work, range(workers)))
        return [trial.values for trial in Ledger.load(url, "toy").trials()]

    one = all_values(1)
    assert one[0]["optimizer[sgd].lr"] == 0.5
    assert all_values(4) == one
