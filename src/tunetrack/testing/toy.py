"""Small studies whose trials cost nothing: a few spaces, a loss that can be computed from a config, and a loop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tunetrack.ledger import Ledger, Ticket
from tunetrack.spec.constraints import violations
from tunetrack.spec.loading import load_study
from tunetrack.spec.records import TrialOutcome, TrialState
from tunetrack.spec.study import StudySpec

__all__ = ["SPACES", "drive", "outcome_by_number", "run_toy_trial", "toy_loss", "toy_spec"]

_LR = {"low": 1e-5, "high": 1e-1, "log": True}

#: Searched sections by name: without conditions, with branches in branches and shared names, and finite ones.
SPACES: Mapping[str, Mapping[str, Any]] = {
    "flat": {
        "data": {"name": "digits"},
        "model": {
            "filters": {"low": 16, "high": 128, "step": 8},
            "num_layers": {"low": 1, "high": 10},
            "head_dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
        },
        "optimizer": {"name": "adam", "lr": _LR},
        "trainer": {"epochs": 3, "batch_size": {"choices": [32, 64]}},
    },
    "nested": {
        "data": {"name": "digits", "augment": {"one_of": [None, {"rotation": {"low": 0.0, "high": 30.0}}]}},
        "model": {
            "filters": {"low": 16, "high": 128, "log": True},
            "head": {"one_of": [[], [64], [{"low": 16, "high": 64, "step": 16}, 32]]},
            "batch_norm": {"choices": [True, False]},
        },
        "optimizer": {
            "one_of": [
                {"name": "adam", "lr": _LR},
                {"name": "adamw", "lr": _LR, "weight_decay": {"low": 1e-6, "high": 1e-1, "log": True}},
                {"name": "sgd", "lr": {"low": 1e-4, "high": 1.0, "log": True}, "momentum": {"low": 0.0, "high": 0.99}},
            ]
        },
        "trainer": {"epochs": 3},
    },
    "grid": {
        "data": {"name": "digits"},
        "model": {"num_layers": {"low": 1, "high": 3}, "head": {"choices": [[], [32]]}},
        "optimizer": {"name": "adam", "weight_decay": {"low": 0.0, "high": 0.2, "step": 0.1}},
        "trainer": {"epochs": 3},
    },
    "finite": {
        "data": {"name": "digits"},
        "optimizer": {
            "one_of": [{"name": "adam"}, {"name": "sgd", "momentum": {"low": 0.0, "high": 0.9, "step": 0.1}}]
        },
        "trainer": {"epochs": 3, "batch_size": {"choices": [32, 64]}},
    },
}


def toy_spec(space: str = "flat", **sections: Any) -> StudySpec:
    """A study over one of `SPACES`.

    Args:
        space: a key of `SPACES`.
        sections: further sections of the study file; by default the validation loss is minimised.
    """
    head = {"name": "toy", "objective": {"metric": "validation/loss"}, "budget": {"trials": 1000}}
    return load_study({**head, **SPACES[space], **sections})


def toy_loss(config: Mapping[str, Any]) -> float:
    """A number that depends on most hyperparameters and is smallest somewhere inside their ranges."""
    model, optimizer = config.get("model", {}), config.get("optimizer", {})
    return float(
        (math.log10(optimizer.get("lr", 1e-2)) + 3) ** 2
        + abs(model.get("filters", 64) - 64) / 64
        + model.get("num_layers", 2) / 10
        + model.get("head_dropout", 0.0)
        + optimizer.get("momentum", 0.2)
        + len(model.get("head", ())) / 5
    )


def outcome_by_number(number: int, loss: float) -> TrialOutcome:
    """An outcome that makes every kind of history: mostly complete, some pruned, infeasible, failed or duplicate."""
    kinds = {3: TrialState.INFEASIBLE, 4: TrialState.PRUNED, 5: TrialState.FAILED, 8: TrialState.DUPLICATE}
    state = kinds.get(number % 9, TrialState.COMPLETE)
    duplicate_of = 0 if state is TrialState.DUPLICATE else None
    return TrialOutcome(state, (loss,) if state.has_value else None, duplicate_of=duplicate_of)


def run_toy_trial(ledger: Ledger, ticket: Ticket) -> None:
    """Runs one trial: reports twice, then tells what `outcome_by_number` says; a maximised objective is -loss.

    Constraints of the study are broken by as much as the loss is above 2.
    """
    loss = toy_loss(ticket.config)
    value = -loss if ledger.spec.objectives[0].maximize else loss
    outcome = outcome_by_number(ticket.number, value)
    if outcome.state in (TrialState.COMPLETE, TrialState.PRUNED):
        ledger.report(ticket, 1, 2 * value)
        if ledger.report(ticket, 2, value):
            outcome = TrialOutcome(TrialState.PRUNED)
    if outcome.state not in (TrialState.PRUNED, TrialState.FAILED):
        excesses = {str(constraint): loss - 2.0 for constraint in ledger.spec.constraints}
        broken = violations(ledger.spec.constraints, excesses)
        outcome = replace(outcome, constraints=excesses, violates=broken)
    ledger.tell(ticket, outcome)


def drive(ledger: Ledger, count: int) -> list[dict[str, Any]]:
    """Runs up to `count` toy trials and returns their configs; fewer where the space is exhausted."""
    configs = []
    for _ in range(count):
        ticket = ledger.ask()
        if not isinstance(ticket, Ticket):
            break
        configs.append(ticket.config)
        run_toy_trial(ledger, ticket)
    return configs
