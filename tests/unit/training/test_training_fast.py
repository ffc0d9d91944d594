"""The faster twin of a model, and ReLU with max pooling in one pass: equal to torch bit for bit."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from tunetrack.training.fast import accelerated
from tunetrack.training.pooling import relu_max_pool, relu_max_pool_pays

CPU = torch.device("cpu")
LAST = torch.channels_last


def both(images: torch.Tensor, size: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Output and gradient of torch's two layers and of ours."""
    found = []
    for pool in (lambda x: F.max_pool2d(torch.relu(x), size), lambda x: relu_max_pool(x, size)):
        leaf = images.clone(memory_format=torch.preserve_format).requires_grad_()
        out = pool(leaf)
        weights = torch.linspace(-1.0, 1.0, out.numel()).view(out.shape).to(out.dtype)
        out.backward(weights)
        assert leaf.grad is not None
        found.append((out.detach(), leaf.grad))
    return found


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(2, 11), st.integers(2, 11)),
    size=st.integers(2, 3),
    kind=st.sampled_from([torch.float32, torch.bfloat16]),
    last=st.booleans(),
    seed=st.integers(0, 10),
)
def test_relu_and_max_pooling_in_one_pass_are_torchs_bit_for_bit(shape, size, kind, last, seed):
    if min(shape[2:]) < size:
        return
    torch.manual_seed(seed)
    images = torch.randint(-3, 4, shape).to(kind)  # few values, hence many ties
    images[0, 0] += torch.rand(shape[2:]).to(kind)
    images = images.contiguous(memory_format=LAST) if last else images
    (wanted, gradient), (got, ours) = both(images, size)
    assert torch.equal(wanted, got)
    assert torch.equal(gradient, ours)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("value", [math.nan, -math.nan, math.inf, -math.inf, -0.0])
def test_values_that_are_no_numbers_pass_as_in_torch(kind, value):
    images = torch.randn(1, 3, 4, 4).to(kind)
    images[0, 1, 1, 1] = value
    images[0, 2] = value
    if math.isnan(value):
        images[0, 2] = torch.full((), math.nan, dtype=kind).copysign(torch.tensor(-1.0, dtype=kind))
    torch.testing.assert_close(
        relu_max_pool(images, 2), F.max_pool2d(torch.relu(images), 2), equal_nan=True, rtol=0, atol=0
    )


def test_other_types_of_number_are_refused():
    with pytest.raises(KeyError):
        relu_max_pool(torch.ones(1, 1, 2, 2, dtype=torch.float64), 2)


def net(activation: nn.Module, *between: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), activation, *between, nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(8 * 16, 5),
    )


def losses(model: nn.Module, forward: nn.Module, bf16: bool) -> tuple[torch.Tensor, list[torch.Tensor]]:
    torch.manual_seed(1)
    images = torch.randn(6, 1, 8, 8).contiguous(memory_format=LAST)
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        out = forward(images)
    loss = F.cross_entropy(out.float(), torch.arange(6) % 5)
    loss.backward()
    return loss.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(), nn.ELU(), nn.GELU()])
def test_the_twin_gives_the_same_loss_and_gradients(activation, bf16):
    model = net(activation).to(memory_format=LAST)
    twin = accelerated(model, CPU)
    loss, gradients = losses(model, model, bf16)
    same, ours = losses(model, twin, bf16)
    assert torch.equal(loss, same)
    assert all(torch.equal(one, other) for one, other in zip(gradients, ours, strict=True))
    assert (twin is model) == isinstance(activation, (nn.ELU, nn.GELU))


def kinds(model: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in model[0]]


@pytest.mark.parametrize(
    ("model", "wanted"),
    [
        (net(nn.ReLU()), ["Conv2d", "_ReluMaxPool"]),
        (net(nn.LeakyReLU()), ["Conv2d", "MaxPool2d", "LeakyReLU"]),
        (net(nn.ReLU(), nn.Dropout(0.5)), ["Conv2d", "ReLU", "Dropout", "MaxPool2d"]),
        (nn.Sequential(nn.Sequential(nn.ReLU(), nn.MaxPool2d(3, stride=2))), ["ReLU", "MaxPool2d"]),
        (nn.Sequential(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, padding=1))), ["ReLU", "MaxPool2d"]),
        (nn.Sequential(nn.Sequential(nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True))), ["ReLU", "MaxPool2d"]),
    ],
)
def test_only_what_can_be_rewritten_is(model, wanted):
    before = kinds(model)
    assert kinds(accelerated(model, CPU)) == wanted
    assert kinds(model) == before


def test_the_twin_shares_weights_names_and_mode():
    model = net(nn.ReLU())
    model[0].insert(1, nn.BatchNorm2d(8))
    twin = accelerated(model, CPU)
    twin.eval()
    assert not model[0][1].training
    twin.train()
    twin(torch.randn(4, 1, 8, 8))
    assert int(model[0][1].num_batches_tracked) == 1
    with torch.no_grad():
        next(model.parameters()).zero_()
    assert not next(twin.parameters()).detach().any()


def test_a_layer_with_a_hook_stays_and_its_hook_is_called():
    model = net(nn.ReLU())
    seen = []
    model[0][1].register_forward_hook(lambda *given: seen.append(given[2].shape))
    accelerated(model, CPU)(torch.randn(2, 1, 8, 8))
    assert seen == [torch.Size([2, 8, 8, 8])]


def test_many_threads_leave_pooling_to_torch():
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(8)
        assert not relu_max_pool_pays(CPU)
        assert kinds(accelerated(net(nn.ReLU()), CPU)) == ["Conv2d", "MaxPool2d", "ReLU"]
    finally:
        torch.set_num_threads(threads)
    assert relu_max_pool_pays(CPU)


def test_without_numba_the_twin_uses_torch():
    """The machine that trains may have torch alone."""
    program = (
        "import importlib.util\n"
        "found = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'numba' else found(name, *rest)\n"
        "import torch; from torch import nn; from tunetrack.training.fast import accelerated\n"
        "model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2))\n"
        "print([type(layer).__name__ for layer in accelerated(model, torch.device('cpu'))])\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['Conv2d', 'MaxPool2d', 'ReLU']"
