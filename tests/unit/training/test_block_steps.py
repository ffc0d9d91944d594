"""Distances of residual blocks in the protocol of experiment MLT: Adam's first step moves every weight by its rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tunetrack import training
from tunetrack.errors import SpecError
from tunetrack.spec import load_study
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.weight_records import BlockSteps, WeightStats
from tunetrack.training import ResidentData

#: Weights that are tracked in a block, by its kind: (first block with, without shortcuts, every other block).
SIZES = {18: (229_632, 221_184, 294_912), 26: (254_976, 221_184, 278_528)}


def config_of(size: int, *, residual: bool, **trainer: Any) -> TrialConfig:
    return TrialConfig.model_validate(
        {
            "data": {"name": "digits"},
            "model": {"name": "even_resnet", "size": size, "residual": residual},
            "optimizer": {"name": "adam", "lr": 1e-3},
            "trainer": {"epochs": 1, "batch_size": 64, "precision": "fp32", "threads": 1, "device": "cpu", **trainer},
            "weights": {"block_steps": True},
        }
    )


@pytest.fixture(scope="module")
def photographs() -> ResidentData:
    """Images in the shape of CIFAR-10, of noise: every channel of the stem has something to say."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> training.Split:
        images = torch.randint(0, 256, (count, 3, 32, 32), generator=generator, dtype=torch.uint8)
        return training.Split(images, torch.arange(count) % 10)

    names = tuple(map(str, range(10)))
    return ResidentData("noise", split(192), split(20), split(20), names, (0.5,) * 3, (0.3,) * 3, "0" * 16)


def epochs(config: TrialConfig, digits: ResidentData) -> list[WeightStats]:
    return [record.weights for record in training.fit(config, digits) if record.weights is not None]


def steps_of(stats: WeightStats) -> BlockSteps:
    assert stats.block_steps is not None
    return stats.block_steps


@pytest.mark.parametrize("residual", [True, False], ids=["residual", "plain"])
@pytest.mark.parametrize("size", SIZES)
def test_the_first_distance_is_the_rate_times_the_tracked_size(
    size: int, residual: bool, photographs: ResidentData
) -> None:
    """ResNet-18 on CIFAR-10 gave 294.88; block 1: 229.61 with, 221.16 without shortcuts."""
    (stats,) = epochs(config_of(size, residual=residual), photographs)
    steps = steps_of(stats)
    assert steps.steps.tolist() == [1, 2]  # three batches: the first look notes, the last step is not seen
    first_with, first_without, other = SIZES[size]
    first = first_with if residual else first_without
    assert [block.size for block in stats.layout.blocks] == [first, *[other] * 7]
    expected = 1e-3 * np.array([first, *[other] * 7])
    # Adam divides each gradient by its size plus 1e-8, so tiny gradients move a weight by less.
    assert steps.previous[0] == pytest.approx(expected, rel=2e-3)
    assert (steps.previous[0] <= expected * (1 + 1e-5)).all()
    assert np.array_equal(steps.previous[0], steps.initial[0])
    assert (steps.initial[1:] <= np.cumsum(steps.previous, axis=0)[1:] * (1 + 1e-5)).all()


def test_the_distances_are_those_between_the_weights_before_steps(digits: ResidentData) -> None:
    """Against the protocol written out: deep copies in the loop, by the names of the tensors."""
    config = config_of(18, residual=True)
    fit = training.fit(config, digits)
    model, optimizer = fit.model, fit.state.optimizer
    copies: list[dict[str, torch.Tensor]] = []
    step = optimizer.step

    def noting(*arguments: Any) -> Any:
        copies.append({name: p.detach().clone() for name, p in model.named_parameters()})
        return step(*arguments)

    optimizer.step = noting  # type: ignore[method-assign]
    (record,) = list(fit)
    assert record.weights is not None
    steps = steps_of(record.weights)

    def distance(block: int, first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> float:
        kept = [n for n in first if n.startswith(f"block{block}.") and ("projection" in n or "norm" not in n)]
        return sum(float((first[name] - second[name]).double().abs().sum()) for name in kept)

    for index in range(1, len(copies)):
        near = [distance(block, copies[index], copies[index - 1]) for block in range(1, 9)]
        far = [distance(block, copies[index], copies[0]) for block in range(1, 9)]
        assert steps.previous[index - 1] == pytest.approx(near, rel=1e-4)
        assert steps.initial[index - 1] == pytest.approx(far, rel=1e-4)


def test_the_series_goes_on_over_epochs(digits: ResidentData) -> None:
    stats = epochs(config_of(18, residual=True, epochs=3), digits)
    assert [steps_of(one).steps.tolist() for one in stats] == [[1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert (steps_of(stats[1]).previous > 0).all()


def test_another_order_of_the_distance(digits: ResidentData) -> None:
    config = config_of(18, residual=True)
    squared = config.model_copy(update={"weights": config.weights.model_copy(update={"minkowski_p": 2.0})})
    (stats,) = epochs(squared, digits)
    # two tensors of 147,456 weights, each of which moves by the rate
    assert steps_of(stats).previous[0][1] == pytest.approx(2 * 1e-3 * np.sqrt(147_456), rel=2e-2)


def test_networks_without_blocks_are_refused() -> None:
    with pytest.raises(SpecError, match="block_steps needs a model made of residual blocks"):
        load_study({"name": "x", "data": {"name": "digits"}, "weights": {"block_steps": True}})


def test_the_other_residual_family_has_blocks_too(digits: ResidentData) -> None:
    config = TrialConfig.model_validate(
        {
            "data": {"name": "digits"},
            "model": {"name": "resnet", "width": 4, "stages": 2, "blocks": 2, "pre_activation": True},
            "trainer": {"epochs": 1, "batch_size": 32, "precision": "fp32", "threads": 1, "device": "cpu"},
            "weights": {"block_steps": True},
        }
    )
    (stats,) = epochs(config, digits)
    names = ["stage1.block1", "stage1.block2", "stage2.block1", "stage2.block2"]
    assert [block.name for block in stats.layout.blocks] == names
    assert steps_of(stats).previous.shape == (7, 4)
