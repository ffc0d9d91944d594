"""Dead units, on networks where it is known which they are."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunetrack.spec.config import TrialConfig
from tunetrack.training import ResidentData, Split
from tunetrack.training.evaluation import evaluate_model
from tunetrack.training.summary import look_at
from tunetrack.training.weight_stats import DeadUnits
from tunetrack.training.weight_stats.tensors import activation_layers

CONFIG = TrialConfig.model_validate(
    {"data": {"name": "digits"}, "trainer": {"precision": "fp32", "threads": 1, "device": "cpu"}}
)


def brightness(values: list[int]) -> ResidentData:
    """1x1 images; the validation images have these values, of 0 to 255."""
    images = torch.tensor(values, dtype=torch.uint8).view(-1, 1, 1, 1)
    split = Split(images, torch.zeros(len(values), dtype=torch.int64))
    return ResidentData("brightness", split, split, split, ("one", "two"), (0.0,), (1.0,), "0" * 16)


def thresholds(*values: float) -> nn.Sequential:
    """One unit a threshold: above zero for images brighter than that, of 0 to 1."""
    layer = nn.Linear(1, len(values))
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.copy_(-torch.tensor(values))
    return nn.Sequential(nn.Flatten(), layer, nn.ReLU(), nn.Linear(len(values), 2))


def looked_at(model: nn.Module, data: ResidentData) -> tuple[int, ...]:
    summary, _ = look_at(model.eval(), data.input_shape)
    units = DeadUnits(model, tuple(activation_layers(model, summary)))
    watched = evaluate_model(model, data, "validation", CONFIG, units)
    assert watched == evaluate_model(model, data, "validation", CONFIG)
    assert all(not module._forward_hooks for module in model.modules())
    return units.dead()


def test_units_that_no_image_reaches_are_dead() -> None:
    assert looked_at(thresholds(-0.1, 0.2, 0.5, 0.9, 2.0), brightness([0, 100, 140])) == (2,)


def test_one_image_among_many_brings_a_unit_to_life() -> None:
    """The image comes last, long after the other units are settled, in another batch."""
    model = thresholds(0.2, 0.9)
    assert looked_at(model, brightness([100] * 600)) == (1,)
    assert looked_at(model, brightness([100] * 600 + [255])) == (0,)


def test_all_dead_and_all_alive() -> None:
    assert looked_at(thresholds(5.0, 6.0), brightness([0, 255])) == (2,)
    assert looked_at(thresholds(-1.0, -2.0), brightness([0, 255])) == (0,)


def test_a_unit_of_a_map_is_a_channel() -> None:
    conv = nn.Conv2d(1, 3, 1)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        conv.bias.copy_(torch.tensor([0.5, -0.5, -2.0]))  # type: ignore[union-attr]
    model = nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3 * 4, 2))
    images = torch.zeros(8, 1, 5, 5, dtype=torch.uint8)
    images[3, 0, 4, 4] = 255  # in the row and column that pooling leaves out
    split = Split(images, torch.zeros(8, dtype=torch.int64))
    data = ResidentData("corner", split, split, split, ("one", "two"), (0.0,), (1.0,), "0" * 16)
    assert looked_at(model, data) == (1,)


@pytest.mark.parametrize("kind", [nn.GELU, nn.ELU, nn.LeakyReLU, nn.SiLU])
def test_of_smooth_activations_those_are_dead_that_stay_below_zero(kind: type[nn.Module]) -> None:
    model = thresholds(0.2, 5.0)
    model[2] = kind()
    assert looked_at(model, brightness([0, 255])) == (1,)


def test_a_module_that_is_called_twice_is_two_layers() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            flat = images.flatten(1)
            first = self.relu(flat + 1.0)
            second = self.relu(torch.cat((flat - 5.0, flat + 5.0), dim=1))
            return torch.cat((first, second[:, :1]), dim=1)

    assert looked_at(Twice(), brightness([0, 255])) == (0, 1)


def test_a_layer_that_is_never_reached_is_not_called_dead() -> None:
    class Sometimes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            flat = images.flatten(1).repeat(1, 2)
            return self.relu(flat) if len(images) == 1 else flat

    assert looked_at(Sometimes(), brightness([0, 255])) == (0,)


def test_a_shortage_of_memory_in_the_middle_of_a_batch_does_no_harm() -> None:
    """The batch is halved and begun anew, so the calls of a module that is called twice are counted anew as well."""

    class Short(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu = nn.ReLU()
            self.failures = 0

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            flat = images.flatten(1)
            first = self.relu(flat + 1.0)
            if len(images) > 1 and not self.failures:
                self.failures += 1
                raise RuntimeError("out of memory")
            second = self.relu(torch.cat((flat - 5.0, flat + 5.0), dim=1))
            return torch.cat((first, second[:, :1]), dim=1)

    model = Short()
    assert looked_at(model, brightness([0, 255, 100, 30])) == (0, 1)
    assert model.failures == 1
