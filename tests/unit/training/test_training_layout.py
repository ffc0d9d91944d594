"""Channels last, for flat images, for volumes, and for models that hold both kinds of convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tunetrack.training.layout import channels_last, model_channels_last

FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (2, 3, 4, 5, 6)])
def test_values_stay_and_channels_lie_side_by_side(shape: tuple[int, ...]) -> None:
    batch = torch.rand(shape)
    laid = channels_last(batch)
    assert torch.equal(laid, batch)
    assert laid.stride(1) == 1
    assert laid.is_contiguous(memory_format=FORMATS[len(shape)])
    assert channels_last(laid) is laid


def test_each_convolution_gets_its_own_layout_and_stays_trainable() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv3d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    weights = list(model.parameters())
    assert model_channels_last(model) is model
    assert all(mine is theirs for mine, theirs in zip(model.parameters(), weights, strict=True))
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
        assert tensor.dim() not in FORMATS or tensor.is_contiguous(memory_format=FORMATS[tensor.dim()])
    assert all(weight.requires_grad for weight in weights)


def test_one_channel_has_the_strides_of_channels_last_so_that_torch_takes_it_for_that() -> None:
    convolution = model_channels_last(nn.Conv2d(1, 8, 3))
    images = channels_last(torch.rand(2, 1, 6, 6))
    assert images.stride() == (36, 1, 6, 1)
    assert convolution.weight.stride(1) == 1
    assert convolution(images).stride(1) == 1
