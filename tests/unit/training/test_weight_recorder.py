"""What the recorder sees of real trainings, and that it changes nothing; by hand where the answer is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tunetrack import training
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.records import EpochRecord
from tunetrack.spec.weight_records import SUMMARY_METRICS, TensorKind, WeightStats
from tunetrack.spec.weights import WeightsConfig
from tunetrack.training import ResidentData
from tunetrack.training.summary import look_at
from tunetrack.training.weight_stats import WeightRecorder
from tunetrack.training.weight_stats.tensors import activation_layers, block_of, parameter_tensors

ConfigMaker = Callable[..., TrialConfig]


def recorder_of(model: nn.Module, shape: tuple[int, ...], steps: int = 1, **settings: Any) -> WeightRecorder:
    summary, _ = look_at(model.eval(), shape)
    return WeightRecorder(WeightsConfig(**settings), model, summary, steps)


def numbers(stats: WeightStats, name: str) -> dict[str, float]:
    """A statistic of the last record by tensor."""
    column = stats.records[-1].column(name)
    return {tensor.name: float(value) for tensor, value in zip(stats.layout.tensors, column, strict=True)}


def stats_of(record: EpochRecord) -> WeightStats:
    assert record.weights is not None
    return record.weights


def test_one_step_of_sgd_with_a_known_gradient() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    linear = model[1]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.fill_(1.0)
        linear.bias.zero_()
    recorder = recorder_of(model, (1, 2, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    images = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    model(images).sum().backward()  # the gradient of every row of weights is the image, that of the biases 1
    recorder.before_step()
    optimizer.step()
    recorder.after_step()
    stats = recorder.end_epoch()

    assert [(record.epoch, record.step) for record in stats.records] == [(0, 0), (1, 1)]
    kernel, bias = "1.weight", "1.bias"
    # weights go from 1 to 1 - 0.5 * (1, 2, 3, 4) = (0.5, 0, -0.5, -1), twice
    assert numbers(stats, "gradient_l2") == {kernel: pytest.approx(math.sqrt(60)), bias: pytest.approx(math.sqrt(2))}
    assert numbers(stats, "step_l2") == {kernel: pytest.approx(math.sqrt(15)), bias: pytest.approx(math.sqrt(0.5))}
    assert numbers(stats, "l2")[kernel] == pytest.approx(math.sqrt(3))
    assert numbers(stats, "step_ratio")[kernel] == pytest.approx(math.sqrt(5))
    assert numbers(stats, "update_ratio")[kernel] == pytest.approx(math.sqrt(15 / 8))
    assert numbers(stats, "initial_minkowski") == {kernel: 10.0, bias: 1.0}
    assert numbers(stats, "initial_minkowski_mean") == {kernel: 1.25, bias: 0.5}
    assert numbers(stats, "previous_chebyshev")[kernel] == 2.0
    # <w, v> = -2 against norms sqrt(3) and sqrt(8)
    assert numbers(stats, "initial_cosine")[kernel] == pytest.approx(1 + 2 / math.sqrt(24))
    assert numbers(stats, "zero_share") == {kernel: 0.25, bias: 0.0}
    assert math.isnan(numbers(stats, "update_ratio")[bias])  # it began at 0
    metrics = stats.metrics()
    assert metrics["weights/gradient_norm"] == pytest.approx(math.sqrt(62))
    assert metrics["weights/step_ratio"] == pytest.approx(math.sqrt(15.5 / 3.5))
    assert metrics["weights/max_drift"] == pytest.approx(math.sqrt(15 / 8))
    assert set(metrics) <= set(SUMMARY_METRICS)


def test_records_come_every_so_many_steps_and_at_the_end_of_an_epoch(
    make_config: ConfigMaker, digits: ResidentData
) -> None:
    fits = {every: training.fit(make_config(weights={"every_steps": every}), digits) for every in (None, 3, 1)}
    steps = {every: [record.step for r in fit for record in stats_of(r).records] for every, fit in fits.items()}
    assert steps == {None: [0, 8, 16], 3: [0, 3, 6, 8, 9, 12, 15, 16], 1: list(range(17))}


def test_denser_records_agree_with_rarer_ones(make_config: ConfigMaker, digits: ResidentData) -> None:
    rare, dense = (list(training.fit(make_config(weights=w), digits)) for w in ({}, {"every_steps": 1}))
    last = [stats_of(records[-1]).records[-1] for records in (rare, dense)]
    for name in ("l2", "std", "gradient_l2", "step_l2", "step_ratio", "drift", "initial_correlation"):
        assert last[0].column(name) == pytest.approx(last[1].column(name), rel=1e-9), name
    assert np.array_equal(last[0].histograms, last[1].histograms)
    # an epoch's way is no longer than its steps together, and a step is not an epoch
    ways = [record.column("previous_euclidean") for record in stats_of(dense[-1]).records]
    assert (np.sum(ways, axis=0) >= last[0].column("previous_euclidean")).all()
    assert last[1].column("previous_euclidean") == pytest.approx(last[1].column("step_l2"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_trial_trains_to_the_same_bits_with_and_without(
    make_config: ConfigMaker, digits: ResidentData, precision: str
) -> None:
    settings = ({"record": False}, {}, {"every_steps": 2})
    fits = [
        training.fit(make_config(weights=w, trainer={"precision": precision}, model={"conv_dropout": 0.1}), digits)
        for w in settings
    ]
    records = [[(r.train_loss, r.validation_loss, r.validation_accuracy) for r in fit] for fit in fits]
    assert records[0] == records[1] == records[2]
    states = [fit.state_dict() for fit in fits]
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
        assert torch.equal(tensor, states[2][name]), name


def test_the_records_are_those_of_the_weights(make_config: ConfigMaker, digits: ResidentData) -> None:
    fit = training.fit(make_config(), digits)
    initial = {name: p.detach().clone() for name, p in fit.model.named_parameters()}
    stats = stats_of(list(fit)[-1])
    norms, drifts = numbers(stats, "l2"), numbers(stats, "initial_euclidean")
    for name, parameter in fit.model.named_parameters():
        assert norms[name] == pytest.approx(float(parameter.detach().norm()), rel=1e-5)
        assert drifts[name] == pytest.approx(float((parameter.detach() - initial[name]).norm()), rel=1e-5)
    sizes = [tensor.size for tensor in stats.layout.tensors]
    assert all(record.histograms.sum(axis=1).tolist() == sizes for record in stats.records)


def test_early_stopping_and_missing_records_do_no_harm(make_config: ConfigMaker, digits: ResidentData) -> None:
    assert all(r.weights is None for r in training.fit(make_config(weights={"record": False}), digits))
    stopping = {"epochs": 5, "early_stopping": {"patience": 1, "min_delta": 10.0, "restore_best": True}}
    records = list(training.fit(make_config(trainer=stopping), digits))
    assert [stats_of(record).records[-1].epoch for record in records] == [1, 2]


@pytest.mark.parametrize(
    ("layer", "block"),
    [
        ("block3.body.conv1", "block3"),
        ("stage1.block2.projection.conv", "stage1.block2"),
        ("layer1.0.downsample.0", "layer1.0"),
        ("stem.conv", "stem"),
        ("head1.linear", "head1"),
        ("layer2.conv1", "layer2"),
        ("output", "output"),
        ("0", "0"),
        ("", ""),
    ],
)
def test_blocks(layer: str, block: str) -> None:
    assert block_of(layer) == block


def test_every_parameter_has_its_kind_and_depth() -> None:
    config = TrialConfig.model_validate(
        {"data": {"name": "digits"}, "model": {"name": "even_resnet", "size": 18, "residual": False, "width": 8}}
    )
    model = training.build_model(config.model, (1, 8, 8), 10)
    summary, _ = look_at(model.eval(), (1, 8, 8))
    found = {tensor.name: tensor for tensor in parameter_tensors(model, summary)}
    assert set(found) == {name for name, _ in model.named_parameters()}
    kinds = {name: (tensor.kind, tensor.depth, tensor.block) for name, tensor in found.items()}
    assert kinds["stem.conv.weight"] == (TensorKind.KERNEL, 1, "stem")
    assert kinds["stem.norm.weight"] == (TensorKind.GAMMA, 1, "stem")
    assert kinds["block1.body.conv2.weight"] == (TensorKind.KERNEL, 3, "block1")
    assert kinds["block1.body.norm2.bias"] == (TensorKind.BETA, 3, "block1")
    assert kinds["block8.body.conv2.weight"] == (TensorKind.KERNEL, 17, "block8")
    assert kinds["output.weight"] == (TensorKind.KERNEL, 18, "output")
    assert kinds["output.bias"] == (TensorKind.BIAS, 18, "output")
    assert kinds["block1.projection.conv.weight"] == (TensorKind.KERNEL, 0, "block1")  # the plain net never calls it
    layers = list(activation_layers(model, summary))
    assert [(layer.layer, layer.depth, layer.units) for layer in layers[:3]] == [
        ("stem.activation", 1, 64),
        ("block1.body.activation1", 2, 8),
        ("block1.activation", 3, 8),
    ]


class Odd(nn.Module):
    """One activation called twice, tied weights, a parameter of its own, and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 16)
        self.second.weight = self.first.weight
        self.relu = nn.ReLU()
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.out = nn.Linear(16, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        once = self.relu(self.first(images.flatten(1)))
        answer: torch.Tensor = self.out(self.relu(self.second(once))) * self.scale
        return answer


def test_odd_networks_are_read_too() -> None:
    model = Odd()
    recorder = recorder_of(model, (1, 4, 4))
    kinds = {tensor.name: (tensor.kind, tensor.size) for tensor in recorder.layout.tensors}
    assert kinds == {
        "first.weight": (TensorKind.KERNEL, 256),
        "first.bias": (TensorKind.BIAS, 16),
        "second.bias": (TensorKind.BIAS, 16),
        "out.weight": (TensorKind.KERNEL, 48),
        "out.bias": (TensorKind.BIAS, 3),
        "scale": (TensorKind.OTHER, 1),
    }
    assert [layer.layer for layer in recorder.layout.activations] == ["relu", "relu#2"]
    recorder.before_step()
    recorder.after_step()  # no gradient anywhere
    stats = recorder.end_epoch((0, 16))
    assert all(math.isnan(value) for value in numbers(stats, "gradient_l2").values())
    assert stats.metrics()["weights/dead_units"] == 0.5
    assert stats.metrics()["weights/step_ratio"] == 0.0


def test_what_starts_as_a_constant_lies_in_the_middle_of_a_bin() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.LazyLinear(2))
    model(torch.zeros(1, 1, 5, 5))
    recorder = recorder_of(model, (1, 5, 5))
    for tensor in recorder.layout.tensors:
        width = (tensor.high - tensor.low) / 64
        if tensor.kind in (TensorKind.GAMMA, TensorKind.BETA):
            constant = 1.0 if tensor.kind is TensorKind.GAMMA else 0.0
            assert (constant - tensor.low) / width == 32.5
            assert (tensor.unit, tensor.high - tensor.low) == (1.0, 1.0)
        else:
            assert (tensor.low, tensor.high) == (-8 * tensor.unit, 8 * tensor.unit)
            weights = model.get_parameter(tensor.name).detach()
            assert tensor.unit == pytest.approx(float(weights.square().mean().sqrt()))
