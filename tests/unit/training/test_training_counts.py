"""Parameters, FLOPs and memory of the published networks, as published or counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tunetrack.errors import InfeasibleConfigError
from tunetrack.spec import ModelSummary, TrialConfig
from tunetrack.training import build_model, summarise
from tunetrack.training.summary import look_at

GREY, COLOUR, VOXELS = (1, 28, 28), (3, 32, 32), (1, 16, 16, 16)


def trial(**model: Any) -> TrialConfig:
    return TrialConfig.model_validate({"data": {"name": "digits"}, "model": model})


def summary(shape: tuple[int, ...] = GREY, classes: int = 10, **model: Any) -> ModelSummary:
    return summarise(trial(**model), shape, classes)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("simple_cnn", 1_199_882),
        ("baseline_cnn", 206_922),
        ("stabilized_cnn", 207_018),
        ("high_vision_cnn", 215_370),
        ("modernist_cnn", 206_922),
    ],
)
def test_five_presets(name: str, parameters: int) -> None:
    assert summary(name=name).parameters == parameters


@pytest.mark.parametrize(
    ("name", "parameters", "megabytes"),
    [
        ("compact_cnn_195k", 194_884, 2.94),
        ("compact_cnn_11k", 10_790, 0.45),
        ("compact_cnn_11k_regularized", 10_970, 0.73),
        ("compact_cnn_8k", 7_904, 0.50),
    ],
)
def test_compact_presets_and_their_memory(name: str, parameters: int, megabytes: float) -> None:
    counted = summary(name=name)
    assert counted.parameters == parameters
    assert round(counted.memory_bytes / 2**20, 2) == megabytes
    assert counted.metrics()["model/memory_mb"] == counted.memory_bytes / 2**20


def test_one_dropout_of_the_regularized_net_prints_the_same_memory_and_none_does_not() -> None:
    for keys, megabytes in (({"dropout_at": "early"}, 0.725), ({}, 0.733), ({"dropout": 0.0}, 0.651)):
        counted = summary(name="compact_cnn_11k_regularized", **keys)
        assert counted.memory_bytes / 2**20 == pytest.approx(megabytes, abs=6e-4)


@pytest.mark.parametrize(
    ("filters", "parameters"),
    [(16, 23_530), (32, 93_130), (64, 370_570), (88, 699_610), (96, 832_330), (128, 1_478_410)],
)
def test_block_cnn(filters: int, parameters: int) -> None:
    assert summary(name="block_cnn", filters=filters).parameters == parameters


@pytest.mark.parametrize(
    ("keys", "parameters"),
    [
        ({"filters": 64}, 91_722),
        ({"filters": 88}, 160_746),
        ({"filters": 96}, 188_362),
        ({"filters": 128}, 321_866),
        ({"filters": 64, "stages": 2}, 54_794),
        ({"filters": 64, "stages": 2, "head": "flatten"}, 341_514),
        ({"filters": 64, "head": "flatten"}, 116_298),
    ],
)
def test_funnel_cnn(keys: dict[str, Any], parameters: int) -> None:
    assert summary(name="funnel_cnn", **keys).parameters == parameters


def test_the_maps_of_the_funnel() -> None:
    shapes = [shape[1:] for _, kind, shape, _ in summary(name="funnel_cnn").layers if kind in ("Conv2d", "MaxPool2d")]
    assert shapes == [(28, 28), (14, 14), (12, 12), (6, 6), (4, 4), (2, 2)]


def builds(**model: Any) -> bool:
    try:
        summary(name="block_cnn", filters=4, **model)
    except InfeasibleConfigError:
        return False
    return True


def test_which_blocks_can_be_built() -> None:
    pairs = [(kernel, layers) for kernel in range(2, 6) for layers in range(1, 11)]
    by_three = [(k, n) for k, n in pairs if builds(kernel_size=k, num_layers=n, pool_size=3)]
    by_two = [(k, n) for k, n in pairs if builds(kernel_size=k, num_layers=n, pool_size=2)]
    assert by_three == [(3, n) for n in range(1, 7)]
    assert len(pairs) - len(by_three) == 34
    assert by_two == [(3, n) for n in range(1, 9)]
    assert all(builds(kernel_size=k, num_layers=6, padding="same") for k in range(2, 6))
    assert builds(kernel_size=5, num_layers=1, pool_size=2, head="average")


def test_blocks_say_why_they_cannot_be_built() -> None:
    with pytest.raises(InfeasibleConfigError, match="block 0 of 4: the flattening head expects a 28x28 map, kernel_si"):
        summary(name="block_cnn", kernel_size=4)
    with pytest.raises(
        InfeasibleConfigError, match=r"block 7 of 7: pooling by 3 .* the map is 1x1 \(input 28x28, 3 po"
    ):
        summary(name="block_cnn", num_layers=7)


@pytest.mark.parametrize(
    ("size", "blocks", "one", "three", "hundred"),
    [
        (18, 8, 2_302_666, 2_308_938, 2_320_548),
        (26, 8, 2_225_354, 2_231_626, 2_277_796),
        (34, 16, 4_666_058, 4_672_330, 4_683_940),
        (50, 16, 4_465_866, 4_472_138, 4_518_308),
        (68, 33, 9_688_266, 9_694_538, 9_706_148),
        (101, 33, 9_226_954, 9_233_226, 9_279_396),
    ],
)
@pytest.mark.parametrize("residual", [True, False])
def test_even_resnet(size: int, blocks: int, one: int, three: int, hundred: int, residual: bool) -> None:
    with torch.device("meta"):
        for shape, classes, parameters in ((GREY, 10, one), (COLOUR, 10, three), (COLOUR, 100, hundred)):
            config = trial(name="even_resnet", size=size, residual=residual).model
            model = build_model(config, shape, classes)
            assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    names = [name for name, _ in model.named_children() if name.startswith("block")]
    assert names == [f"block{depth}" for depth in range(1, blocks + 1)]


@pytest.mark.parametrize(("size", "dead"), [(18, 8_448), (26, 33_792)])
def test_plain_networks_own_a_projection_that_is_never_called(size: int, dead: int) -> None:
    layers = summary(name="even_resnet", size=size, residual=False).layers
    assert sum(count for _, _, shape, count in layers if shape == ()) == dead
    assert all(shape for _, _, shape, _ in summary(name="even_resnet", size=size).layers)


def test_even_resnet_starts_as_published() -> None:
    torch.manual_seed(0)
    model = build_model(trial(name="even_resnet").model, COLOUR, 10)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert torch.equal(module.weight, torch.ones_like(module.weight))
            assert not module.bias.any()
        if isinstance(module, nn.Conv2d):
            assert module.bias is None
            fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
            assert float(module.weight.detach().std()) == pytest.approx((2 / fan_out) ** 0.5, rel=0.05)


def test_tracked_weights_of_a_block_by_depth() -> None:
    """Convolutions of a block, without batch normalisation: the sizes by which published distances are divided."""
    for size, first, later in ((18, 221_184, 294_912), (26, 221_184, 278_528)):
        with torch.device("meta"):
            model = build_model(trial(name="even_resnet", size=size).model, COLOUR, 10)
        bodies = [model.get_submodule(f"block{depth}.body") for depth in (1, 2, 5)]
        sizes = [sum(m.weight.numel() for m in body if isinstance(m, nn.Conv2d)) for body in bodies]
        assert sizes == [first, later, later]


@pytest.mark.parametrize(
    ("channels", "keys", "parameters"),
    [
        (1, {"name": "voxel_cnn"}, 9_517_914),
        (3, {"name": "voxel_cnn"}, 9_518_346),
        (1, {"name": "voxel_cnn", "padding": 0}, 1_260_378),
        (3, {"name": "voxel_cnn", "padding": 0}, 1_260_810),
        (1, {"name": "voxel_resnet"}, 325_418),
        (1, {"name": "voxel_resnet", "blocks": 2}, 616_394),
    ],
)
def test_voxel_networks(channels: int, keys: dict[str, Any], parameters: int) -> None:
    assert summary((channels, *VOXELS[1:]), **keys).parameters == parameters


def test_flops_memory_and_buffers_by_hand() -> None:
    counted = summary((1, 8, 8), classes=3, filters=4, num_layers=1, batch_norm=True, head=[6])
    # conv: 8x8 places, 9 products for each of 4 filters; then 64 -> 6 -> 3
    assert counted.flops == 2 * (64 * 9 * 4 + 64 * 6 + 6 * 3)
    # input; conv, norm, activation; pool; flatten; linear, activation, linear
    outputs = 3 * 4 * 64 + 4 * 16 + 64 + 6 + 6 + 3
    assert counted.memory_bytes == 4 * (64 + 2 * outputs + counted.parameters)
    assert counted.buffers == 4 + 4 + 1  # running mean, running variance, number of batches
    assert counted.metrics() == {
        "model/parameters": counted.parameters,
        "model/flops": counted.flops,
        "model/memory_mb": counted.memory_bytes / 2**20,
    }


def test_depthwise_convolutions_count_their_own_channel_only() -> None:
    depthwise = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False))
    assert look_at(depthwise, (8, 5, 5))[0].flops == 2 * 25 * 9 * 8


class Shared(nn.Module):
    """Calls one layer twice, has a parameter of its own, and returns more than a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))
        self.layer = nn.Linear(3, 3)
        self.unused = nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> dict[str, Any]:
        return {"answer": self.layer(self.layer(images.flatten(1))) * self.scale, "more": [images]}


def test_a_model_of_any_kind_can_be_looked_at() -> None:
    counted, output = look_at(Shared(), (1, 1, 3))
    assert set(output) == {"answer", "more"}
    assert counted.parameters == 3 + 12 + 8 == sum(count for *_, count in counted.layers)
    assert counted.layers == (
        ("layer", "Linear", (3,), 12),
        ("layer", "Linear", (3,), 0),
        ("", "Shared", (3,), 3),
        ("unused", "Linear", (), 8),
    )
