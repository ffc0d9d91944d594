"""The trend of experiment MLT on real images: steps shrink with depth with shortcuts, and grow without them."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.stats import spearmanr

from tunetrack import training
from tunetrack.spec.config import TrialConfig


def config_of(size: int, *, residual: bool) -> TrialConfig:
    folder = os.environ.get("TUNETRACK_DATA_DIR")
    if folder is None:
        pytest.skip("TUNETRACK_DATA_DIR is not set; it names the folder that holds FashionMNIST/raw")
    return TrialConfig.model_validate(
        {
            "data": {"name": "fashion_mnist", "dir": folder, "faithful": True, "train": 1500, "validation": 200},
            "model": {"name": "even_resnet", "size": size, "residual": residual},
            "optimizer": {"name": "adam", "lr": 1e-3},
            "trainer": {"epochs": 3, "batch_size": 64, "threads": 1, "device": "cpu"},
            "weights": {"block_steps": True},
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize(("size", "residual", "sign"), [(18, True, -1), (50, True, -1), (50, False, 1)])
def test_how_steps_change_with_depth(size: int, residual: bool, sign: int) -> None:
    """Spearman's correlation of depth and median step over blocks 2 and deeper; sizes are tracked weights x 0.001."""
    config = config_of(size, residual=residual)
    records = list(training.fit(config, training.load_data(config.data)))
    found = [record.weights.block_steps for record in records if record.weights is not None]
    steps = np.concatenate([one.previous for one in found if one is not None])
    assert len(steps) == 3 * 24 - 1
    first, other = {18: (229.632, 294.912), 50: (254.976 if residual else 221.184, 278.528)}[size]
    assert steps[0] == pytest.approx([first, *[other] * (steps.shape[1] - 1)], rel=0.01)
    medians = np.median(steps, axis=0)[1:]
    rho = spearmanr(np.arange(len(medians)), medians).statistic
    assert sign * rho > 0.2
