"""Knows when further epochs are not worth it, and which epoch's weights were the best."""

from __future__ import annotations

import torch
from torch import nn

from tunetrack.spec.config import EarlyStoppingConfig
from tunetrack.spec.records import EpochRecord

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Counts epochs without improvement.

    Attributes:
        best: best value of the watched metric so far; None before the first epoch.
        epochs_without: epochs since then.
        best_weights: copy of the model's state at that epoch, where it shall be restored.
    """

    def __init__(self, config: EarlyStoppingConfig) -> None:
        self._config = config
        self.best: float | None = None
        self.epochs_without = 0
        self.best_weights: dict[str, torch.Tensor] | None = None

    @property
    def stops(self) -> bool:
        """Whether the patience is used up."""
        return self.epochs_without >= self._config.patience

    def see(self, record: EpochRecord, model: nn.Module) -> None:
        """Take note of an epoch."""
        value = record.metrics()[self._config.metric]
        gain = value if self._config.metric == "validation/accuracy" else -value
        if self.best is not None and gain - self._gain_of_best() <= self._config.min_delta:
            self.epochs_without += 1
            return
        self.best, self.epochs_without = value, 0
        if self._config.restore_best:
            self.best_weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    def restore(self, model: nn.Module) -> None:
        """Put the best epoch's weights back, where the configuration asks for it."""
        if self.best_weights is not None:
            model.load_state_dict(self.best_weights)

    def _gain_of_best(self) -> float:
        best = 0.0 if self.best is None else self.best
        return best if self._config.metric == "validation/accuracy" else -best
