"""The time of a forward pass: what is timed, and that measuring it changes nothing."""

from __future__ import annotations

import random
import time

import numpy as np
import torch
from torch import nn

from tunetrack import training
from tunetrack.spec import load_config
from tunetrack.training import latency
from tunetrack.training.latency import latency_ms

CONFIG = load_config(
    {
        "name": "one",
        "data": {"name": "digits", "train": 64, "validation": 16, "test": 16},
        "model": {"name": "cnn", "filters": 4, "num_layers": 1, "batch_norm": True},
        "trainer": {"epochs": 1, "batch_size": 32, "device": "cpu", "seed": 0},
    }
)


class _Slow(nn.Module):
    """Takes a known time, and remembers what it was given."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds
        self.shapes: list[tuple[int, ...]] = []
        self.modes: list[bool] = []

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.shapes.append(tuple(images.shape))
        self.modes.append(self.training)
        time.sleep(self.seconds)
        return images.flatten(1)[:, :10]


def test_it_is_the_time_of_one_image_in_eval_mode() -> None:
    data = training.load_data(CONFIG.data)
    model = _Slow(0.02)
    measured = latency_ms(model, data, CONFIG.trainer)
    assert 20.0 <= measured < 30.0
    assert set(model.shapes) == {(1, 1, 8, 8)}
    assert len(model.shapes) >= latency.WARM_UP + latency.PASSES
    assert model.modes == [False] * len(model.modes)
    assert model.training


def test_measuring_changes_neither_the_model_nor_random_numbers() -> None:
    data = training.load_data(CONFIG.data)
    fit = training.fit(CONFIG, data)
    list(fit)
    before = {name: tensor.clone() for name, tensor in fit.model.state_dict().items()}
    modes = [module.training for module in fit.model.modules()]
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    assert 0.0 < latency_ms(fit.model, data, CONFIG.trainer) < 1000.0
    after = fit.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [module.training for module in fit.model.modules()] == modes
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])
