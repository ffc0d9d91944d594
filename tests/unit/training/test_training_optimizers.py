"""Learning-rate sequences against torch's own schedulers and by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from torch.optim import lr_scheduler

from tunetrack.spec.config import CosineSchedule, OneCycleSchedule, OptimizerConfig, PlateauSchedule, ScheduleConfig
from tunetrack.training.optimizers import Schedule, cosine_factor, make_optimizer, one_cycle_factor


def _optimizer(lr: float = 0.1) -> torch.optim.SGD:
    parameter = torch.nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    return torch.optim.SGD([parameter], lr)


def _sequence(tree: dict[str, Any], epochs: int, steps: int, losses: list[float] | None = None) -> list[float]:
    """The learning rate of every step, with the schedule called as the trainer calls it."""
    optimizer = _optimizer()
    config: Any = TypeAdapter(ScheduleConfig).validate_python(tree)
    schedule = Schedule(config, optimizer, epochs, steps)
    rates = []
    for epoch in range(epochs):
        for _ in range(steps):
            optimizer.step()
            rates.append(float(optimizer.param_groups[0]["lr"]))
            schedule.after_batch()
        schedule.after_epoch(losses[epoch] if losses else 1.0)
    return rates


def _torchs(make: Any, count: int) -> list[float]:
    optimizer = _optimizer()
    scheduler = make(optimizer)
    rates = []
    for _ in range(count):
        optimizer.step()
        rates.append(float(optimizer.param_groups[0]["lr"]))
        scheduler.step()
    return rates


def test_none_keeps_the_rate() -> None:
    assert _sequence({"name": "none"}, 3, 2) == [0.1] * 6


def test_step() -> None:
    rates = _sequence({"name": "step", "step_size": 2, "gamma": 0.5}, 5, 2)
    assert rates == pytest.approx([0.1] * 4 + [0.05] * 4 + [0.025] * 2)


def test_cosine_without_warmup_is_torchs_cosine() -> None:
    ours = _sequence({"name": "cosine", "final_fraction": 0.1}, 3, 4)
    theirs = _torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, 12, eta_min=0.01), 12)
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_cosine_with_warmup_by_hand() -> None:
    rates = _sequence({"name": "cosine", "warmup_epochs": 0.5}, 2, 4)
    falling = [0.05 * (1 + math.cos(math.pi * step / 6)) for step in range(6)]
    assert rates == pytest.approx([0.05, 0.1, *falling])


@pytest.mark.parametrize("fraction", [0.3, 0.25, 0.77])
def test_one_cycle_is_torchs_one_cycle(fraction: float) -> None:
    ours = _sequence({"name": "one_cycle", "warmup_fraction": fraction}, 5, 8)

    def make(optimizer: torch.optim.Optimizer) -> lr_scheduler.OneCycleLR:
        return lr_scheduler.OneCycleLR(
            optimizer, 0.1, total_steps=40, pct_start=fraction, cycle_momentum=False, final_div_factor=1e4
        )

    assert ours == pytest.approx(_torchs(make, 40), rel=1e-9)


@given(total=st.integers(1, 200), fraction=st.floats(0.001, 0.999))
def test_one_cycle_stays_within_its_bounds(total: int, fraction: float) -> None:
    config = OneCycleSchedule(warmup_fraction=fraction)
    factors = [one_cycle_factor(config, total, step) for step in range(total)]
    assert all(1 / 25 / 1e4 * 0.999 <= factor <= 1.0 for factor in factors)
    if total > 1:
        assert factors[-1] == pytest.approx(1 / 25 / 1e4)


def test_one_cycle_where_torch_divides_by_zero() -> None:
    assert one_cycle_factor(OneCycleSchedule(warmup_fraction=0.1), 10, 0) == 1.0


@given(warmup=st.floats(0.0, 20.0), step=st.integers(0, 99), final=st.floats(0.0, 1.0))
def test_cosine_factor_stays_between_0_and_1(warmup: float, step: int, final: float) -> None:
    factor = cosine_factor(CosineSchedule(warmup_epochs=warmup, final_fraction=final), 10, 10, step)
    assert 0.0 <= factor <= 1.0 + 1e-12


def test_plateau_follows_the_validation_loss() -> None:
    tree = {"name": "reduce_on_plateau", "factor": 0.5, "patience": 1, "min_lr": 0.03}
    rates = _sequence(tree, 7, 1, losses=[1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5])
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.05, 0.05, 0.05, 0.03])
    assert PlateauSchedule().patience == 10


@pytest.mark.parametrize(
    ("tree", "kind", "expected"),
    [
        (
            {"name": "adam", "lr": 0.2, "beta1": 0.5, "beta2": 0.6, "eps": 1e-3, "weight_decay": 0.4},
            torch.optim.Adam,
            {"lr": 0.2, "betas": (0.5, 0.6), "eps": 1e-3, "weight_decay": 0.4, "decoupled_weight_decay": False},
        ),
        (
            {"name": "adamw", "lr": 0.2, "weight_decay": 0.4},
            torch.optim.AdamW,
            {"lr": 0.2, "betas": (0.9, 0.999), "weight_decay": 0.4, "decoupled_weight_decay": True},
        ),
        (
            {"name": "sgd", "lr": 0.2, "momentum": 0.7, "nesterov": True, "weight_decay": 0.4},
            torch.optim.SGD,
            {"lr": 0.2, "momentum": 0.7, "nesterov": True, "weight_decay": 0.4, "dampening": 0.0},
        ),
    ],
)
def test_every_setting_reaches_the_optimiser(tree: dict[str, Any], kind: type, expected: dict[str, Any]) -> None:
    config: Any = TypeAdapter(OptimizerConfig).validate_python(tree)
    optimizer = make_optimizer(config, [torch.nn.Parameter(torch.zeros(2))])
    assert type(optimizer) is kind
    assert expected.items() <= optimizer.param_groups[0].items()
