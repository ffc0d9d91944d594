"""The convolutional family: shapes, order of modules, infeasible combinations, the registry."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec.config import CnnConfig, DataConfig, TrialConfig
from tunetrack.training import MODELS, build_model, summarise

Cnn = Callable[..., CnnConfig]


def _trial(model: CnnConfig) -> TrialConfig:
    return TrialConfig(data=DataConfig(name="digits"), model=model)


def _kinds(model: nn.Module) -> list[str]:
    return [type(module).__name__ for module in model.modules() if not any(True for _ in module.children())]


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 4, 5])
def test_same_padding_keeps_the_size_as_torchs_own(cnn: Cnn, kernel_size: int) -> None:
    model = build_model(cnn(kernel_size=kernel_size, pooling="none"), (1, 7, 7), 3)
    convolution = next(module for module in model.modules() if isinstance(module, nn.Conv2d))
    images = torch.randn(2, 1, 7, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that even sizes cost a copy
        expected = nn.functional.conv2d(images, convolution.weight, convolution.bias, padding="same")
    assert torch.allclose(model.get_submodule("layer1")(images), expected.relu(), atol=1e-6)


def test_order_of_modules_with_everything_switched_on(cnn: Cnn) -> None:
    config = cnn(batch_norm=True, conv_dropout=0.5, convs_per_layer=2, head=(6,), head_dropout=0.25)
    block = ["Conv2d", "BatchNorm2d", "ReLU", "Dropout"]
    expected = [*block, *block, "MaxPool2d", "Flatten", "Linear", "ReLU", "Dropout", "Linear"]
    assert _kinds(build_model(config, (3, 8, 8), 5)) == expected


def test_only_the_last_convolution_of_a_layer_is_pooled(cnn: Cnn) -> None:
    assert _kinds(build_model(cnn(convs_per_layer=2), (1, 8, 8), 2)) == [
        *("Conv2d", "ReLU", "Conv2d", "ReLU", "MaxPool2d"),
        *("Flatten", "Linear"),
    ]


def test_pool_every_and_average_pooling(cnn: Cnn) -> None:
    summary = summarise(_trial(cnn(num_layers=4, pool_every=2, pooling="average")), (1, 8, 8), 10)
    pools = [(name, shape) for name, kind, shape, _ in summary.layers if kind == "AvgPool2d"]
    assert pools == [("layer2.pool", (4, 4, 4)), ("layer4.pool", (4, 2, 2))]


def test_summary_counts_parameters_by_hand(cnn: Cnn) -> None:
    summary = summarise(_trial(cnn(filters=4, num_layers=2, head=(6,))), (1, 8, 8), 10)
    # 3x3 kernels: 1->4 and 4->4, each with 4 biases; 4 maps of 2x2 -> 6 -> 10
    assert summary.parameters == (9 * 4 + 4) + (9 * 16 + 4) + (16 * 6 + 6) + (6 * 10 + 10)
    assert summary.parameters == sum(count for *_, count in summary.layers)
    assert summary.input_shape == (1, 8, 8)
    assert summary.layers[0] == ("layer1.conv1", "Conv2d", (4, 8, 8), 40)
    assert summary.layers[-1] == ("output", "Linear", (10,), 70)


def test_summary_allocates_nothing_and_draws_nothing(cnn: Cnn) -> None:
    before = torch.get_rng_state()
    # 4096 x 4096 x 31 x 31 weights: 64 GB, were they real
    summary = summarise(_trial(cnn(filters=4096, kernel_size=31, num_layers=2)), (1, 28, 28), 10)
    assert summary.parameters > 10**10
    assert torch.equal(before, torch.get_rng_state())


def test_infeasible_in_words(cnn: Cnn) -> None:
    with pytest.raises(InfeasibleConfigError) as caught:
        summarise(_trial(cnn(num_layers=10)), (1, 28, 28), 10)
    text = str(caught.value)
    assert "layer 5 of 10: pooling by 2 needs at least 2 pixels" in text
    assert "the map is 1x1 (input 28x28, 4 poolings before)" in text
    assert "model.num_layers" in text


@settings(max_examples=60, deadline=None)
@given(
    layers=st.integers(1, 8),
    pool_size=st.integers(2, 4),
    pool_every=st.integers(1, 4),
    side=st.integers(1, 40),
    kernel_size=st.integers(1, 5),
    pooling=st.sampled_from(["max", "average", "none"]),
)
def test_what_is_summarised_can_be_run(
    layers: int, pool_size: int, pool_every: int, side: int, kernel_size: int, pooling: str
) -> None:
    config = CnnConfig.model_validate(
        {
            "filters": 2,
            "num_layers": layers,
            "pool_size": pool_size,
            "pool_every": pool_every,
            "kernel_size": kernel_size,
            "pooling": pooling,
        }
    )
    pools = 0 if pooling == "none" else layers // pool_every
    if side // pool_size**pools == 0:
        with pytest.raises(InfeasibleConfigError):
            summarise(_trial(config), (1, side, side), 3)
        return
    summary = summarise(_trial(config), (1, side, side), 3)
    model = build_model(config, (1, side, side), 3)
    assert model(torch.zeros(2, 1, side, side)).shape == (2, 3)
    assert summary.parameters == sum(parameter.numel() for parameter in model.parameters())


def test_a_family_is_added_by_registering_it(cnn: Cnn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MODELS, "cnn", lambda config, shape, classes: nn.Linear(shape[0], classes))
    assert isinstance(build_model(cnn(), (7, 1, 1), 2), nn.Linear)
