"""Knows the loss functions: cross-entropy as torch has it, and the same written out step by step."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

__all__ = ["Loss", "make_loss", "manual_cross_entropy"]

#: (logits float32 (n, classes), labels int64 (n,)) -> scalar
Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def manual_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, label_smoothing: float = 0.0) -> torch.Tensor:
    """Softmax, logarithm, mean negative log-likelihood, written out.

    The largest logit of each row is subtracted first, which changes no probability and keeps exp() from overflowing;
    the logarithm is taken of the sum alone, log softmax(x) = x - log(sum(exp(x))), so that a probability too small for
    a float does not become log(0). Smoothing spreads the share `label_smoothing` of the target evenly over all classes
    (Szegedy et al. 2016, https://arxiv.org/abs/1512.00567, section 7).

    Args:
        logits: float (n, classes).
        labels: int64 (n,).
        label_smoothing: in [0, 1).

    Returns:
        Scalar: mean over the rows; equal to `torch.nn.functional.cross_entropy` up to rounding.
    """
    shifted = logits - logits.amax(dim=1, keepdim=True).detach()
    log_probabilities = shifted - shifted.exp().sum(dim=1, keepdim=True).log()
    negative_log_likelihood = -log_probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
    if label_smoothing > 0.0:
        uniform = -log_probabilities.mean(dim=1)
        negative_log_likelihood = (1.0 - label_smoothing) * negative_log_likelihood + label_smoothing * uniform
    return negative_log_likelihood.mean()


def make_loss(name: str, label_smoothing: float = 0.0) -> Loss:
    """The loss called `name`, ``cross_entropy`` or ``manual``.

    Raises:
        KeyError: there is no such loss (the configuration's schema allows no other).
    """
    if name == "cross_entropy":
        return lambda logits, labels: F.cross_entropy(logits, labels, label_smoothing=label_smoothing)
    if name == "manual":
        return lambda logits, labels: manual_cross_entropy(logits, labels, label_smoothing)
    raise KeyError(name)
