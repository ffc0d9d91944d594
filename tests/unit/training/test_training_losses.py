"""The loss written out equals torch's own, in value and gradient."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from tunetrack.training.losses import make_loss, manual_cross_entropy


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 16),
    classes=st.integers(2, 12),
    scale=st.sampled_from([1e-3, 1.0, 30.0, 1e4]),
    smoothing=st.floats(0.0, 0.9),
    precision=st.sampled_from([(torch.float64, 1e-12), (torch.float32, 2e-6)]),
)
def test_manual_equals_cross_entropy(
    seed: int, rows: int, classes: int, scale: float, smoothing: float, precision: tuple[torch.dtype, float]
) -> None:
    dtype, tolerance = precision
    generator = torch.Generator().manual_seed(seed)
    logits = (torch.randn(rows, classes, generator=generator, dtype=dtype) * scale).requires_grad_()
    labels = torch.randint(classes, (rows,), generator=generator)
    ours = make_loss("manual", smoothing)(logits, labels)
    theirs = make_loss("cross_entropy", smoothing)(logits, labels)
    assert ours.item() == pytest.approx(theirs.item(), rel=tolerance, abs=tolerance)
    gradients = [torch.autograd.grad(loss, logits)[0] for loss in (ours, theirs)]
    assert torch.allclose(*gradients, rtol=0.0, atol=tolerance)


def test_huge_logits_stay_finite() -> None:
    logits = torch.tensor([[1e30, 0.0, -1e30], [88.0, 89.0, 3.4e38]])
    assert float(manual_cross_entropy(logits, torch.tensor([0, 2]))) == 0.0


def test_values_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1]]))
    label = torch.tensor([0])
    assert float(manual_cross_entropy(logits, label)) == pytest.approx(-math.log(0.7), abs=1e-6)
    uniform = -(math.log(0.7) + math.log(0.2) + math.log(0.1)) / 3
    expected = 0.7 * -math.log(0.7) + 0.3 * uniform
    assert float(manual_cross_entropy(logits, label, 0.3)) == pytest.approx(expected, abs=1e-6)
    assert float(F.cross_entropy(logits, label, label_smoothing=0.3)) == pytest.approx(expected, abs=1e-6)


def test_unknown_loss() -> None:
    with pytest.raises(KeyError):
        make_loss("hinge")
