"""Small data sets and configurations for the training tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tunetrack import training
from tunetrack.spec.config import CnnConfig, TrialConfig

ConfigMaker = Callable[..., TrialConfig]


def small_config(**overrides: Any) -> TrialConfig:
    """A trial that takes a fraction of a second on the digits."""
    tree: dict[str, Any] = {
        "data": {"name": "digits", "train": 256, "validation": 128, "test": 128},
        "model": {"name": "cnn", "filters": 8, "num_layers": 2},
        "trainer": {"epochs": 2, "batch_size": 32, "precision": "fp32", "device": "cpu", "threads": 1},
    }
    for key, value in overrides.items():
        tree[key] = {**tree.get(key, {}), **value}
    return TrialConfig.model_validate(tree)


@pytest.fixture
def make_config() -> ConfigMaker:
    return small_config


@pytest.fixture(scope="session")
def digits() -> training.ResidentData:
    return training.load_data(small_config().data)


@pytest.fixture(scope="session")
def tiny() -> training.ResidentData:
    """Two classes of 4x4 images: class 0 dark, class 1 bright."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> training.Split:
        labels = torch.arange(count) % 2
        noise = torch.randint(0, 40, (count, 1, 4, 4), generator=generator)
        return training.Split((noise + 200 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)

    return training.ResidentData("tiny", split(20), split(10), split(10), ("dark", "bright"), (0.4,), (0.4,), "0" * 16)


@pytest.fixture
def cnn() -> Callable[..., CnnConfig]:
    return lambda **values: CnnConfig(**{"filters": 4, "num_layers": 1, **values})
