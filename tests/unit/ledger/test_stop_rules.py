"""When a study has had enough: the rules by hand, and that every worker and every resume finds the same end."""

from __future__ import annotations

import random
from typing import Any

import optuna
import pytest

from ledger_support import asked
from tunetrack.ledger import WAIT, Ledger
from tunetrack.spec import load_study
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.testing import toy_spec

ACCURACY = {"metric": "validation/accuracy"}
SIZE = {"metric": "model/parameters"}


def complete(*values: float, seconds: float | None = None, violates: tuple[str, ...] = ()) -> TrialOutcome:
    return TrialOutcome(TrialState.COMPLETE, values, device_seconds=seconds, violates=violates)


def run(ledger: Ledger, outcomes: list[TrialOutcome]) -> int:
    """Runs trials with these outcomes until the ledger gives none; how many there were."""
    for count, outcome in enumerate(outcomes):
        ticket = ledger.ask(100)
        if ticket is None:
            return count
        assert ticket is not WAIT
        ledger.tell(ticket, outcome)
    return len(outcomes)


def ledger_of(**sections: Any) -> Ledger:
    return Ledger.create(optuna.storages.InMemoryStorage(), toy_spec(**{"objective": ACCURACY, **sections}))


def test_without_rules_only_the_budget_ends_a_study() -> None:
    ledger = ledger_of(budget={"trials": 4})
    assert run(ledger, [complete(0.5)] * 3) == 3
    assert ledger.ended_by() == ""
    ledger.tell(asked(ledger), complete(0.5))
    assert ledger.ended_by() == "it has its 4 trials (budget.trials)"


def test_no_improvement_counts_trials_that_had_their_chance() -> None:
    ledger = ledger_of(stop={"no_improvement": 3})
    lost = [TrialOutcome(TrialState.FAILED, reason="x"), TrialOutcome(TrialState.INFEASIBLE, reason="x")]
    luckless = [complete(0.4), *lost, complete(0.5), TrialOutcome(TrialState.PRUNED)]
    assert run(ledger, [complete(0.5), complete(0.3), complete(0.6), *luckless]) == 8
    assert ledger.ended_by() == "no better one in 3 trials since trial 2 (stop.no_improvement)"
    assert ledger.ask(100) is None


def test_nothing_is_a_better_one_before_there_is_a_first_one() -> None:
    ledger = ledger_of(stop={"no_improvement": 2})
    assert run(ledger, [TrialOutcome(TrialState.PRUNED)] * 4 + [complete(0.5, violates=("x",))] * 4) == 8
    assert run(ledger, [complete(0.5), complete(0.9, violates=("x",)), complete(0.4), complete(0.6)]) == 3


def test_of_several_objectives_an_improvement_is_a_new_place_on_the_front() -> None:
    ledger = ledger_of(objective=[ACCURACY, SIZE], stop={"no_improvement": 2})
    outcomes = [complete(0.5, 10), complete(0.4, 5), complete(0.9, 90), complete(0.9, 90), complete(0.4, 6)]
    assert run(ledger, [*outcomes, complete(0.99, 1)]) == 5
    assert ledger.ended_by() == "no new one on the Pareto front in 2 trials since trial 2 (stop.no_improvement)"


@pytest.mark.parametrize(("direction", "values"), [("maximize", (0.5, 0.8, 0.95)), ("minimize", (0.95, 0.9, 0.8))])
def test_a_target_that_is_reached_ends_the_study(direction: str, values: tuple[float, ...]) -> None:
    target = 0.9 if direction == "maximize" else 0.85
    ledger = ledger_of(objective={**ACCURACY, "direction": direction}, stop={"target": target})
    outcomes = [complete(values[-1], violates=("x",)), *map(complete, values), complete(0.5)]
    assert run(ledger, outcomes) == 4
    reached = f"trial 3 reached validation/accuracy {values[-1]} (stop.target: {target})"
    assert ledger.ended_by() == reached


def test_device_seconds_are_those_of_all_ended_trials() -> None:
    ledger = ledger_of(budget={"device_seconds": 10})
    outcomes = [complete(0.5, seconds=4.0), TrialOutcome(TrialState.PRUNED, device_seconds=3.5), complete(0.5)]
    assert run(ledger, [*outcomes, complete(0.9, seconds=2.5), complete(0.5)]) == 4
    assert ledger.ended_by() == "its trials took 10 s on their devices (budget.device_seconds: 10)"


def test_a_trial_that_runs_is_waited_for_and_a_resumed_study_finds_the_same_end(url: str) -> None:
    spec = toy_spec(objective=ACCURACY, stop={"no_improvement": 2})
    ledger = Ledger.create(url, spec)
    slow = asked(ledger)
    assert run(ledger, [complete(0.5), complete(0.5), complete(0.5)]) == 3
    assert ledger.ask(100) is WAIT  # the slow one may be given back
    other = Ledger.load(url, "toy")
    assert other.ask(100) is WAIT
    ledger.tell(slow, complete(0.4))
    for one in (ledger, other, Ledger.load(url, "toy")):
        assert one.ask(100) is None
        assert one.is_done(100)
        assert one.ended_by() == "no better one in 2 trials since trial 1 (stop.no_improvement)"
    longer = load_study({**spec.document, "stop": {"no_improvement": 5}})
    assert Ledger.load(url, "toy", longer).ask(100) is not None


def test_the_terminator_ends_a_search_that_has_nothing_left_to_gain() -> None:
    """A parabola whose top is nearly reached, seen on 50 images; and one on so many that it goes on."""
    space = {
        "data": {"name": "digits", "train": 100, "validation": 50},
        "model": {"head_dropout": {"low": 0.0, "high": 0.9}},
    }
    ends = {}
    for images in (50, 10_000_000):
        ledger = ledger_of(**space, stop={"terminator": True}, sampler={"name": "random", "seed": 1})
        ledger.set_attribute("validation_images", images)
        noise = random.Random(0)
        outcomes = 0
        while outcomes < 40 and (ticket := ledger.ask(40)) is not None:
            assert ticket is not WAIT
            dropout = ticket.config["model"]["head_dropout"]
            ledger.tell(ticket, complete(0.9 - 0.05 * (dropout - 0.4) ** 2 + noise.gauss(0, 1e-5)))
            outcomes += 1
        ends[images] = outcomes, ledger.ended_by()
    assert ends[50][0] < 40
    assert ends[50][1].startswith(f"after {ends[50][0]} completed trials at most ")
    assert "of the best from 50 images (stop.terminator)" in ends[50][1]
    assert ends[10_000_000] == (40, "")
