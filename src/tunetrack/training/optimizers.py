"""Knows how optimisers and learning-rate schedules are made from their configurations."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable

import torch
from torch import nn
from torch.optim import lr_scheduler

from tunetrack.spec.config import (
    AdamConfig,
    AdamWConfig,
    CosineSchedule,
    OneCycleSchedule,
    OptimizerConfig,
    PlateauSchedule,
    ScheduleConfig,
    StepSchedule,
)

__all__ = ["Schedule", "cosine_factor", "make_optimizer", "one_cycle_factor"]


def make_optimizer(config: OptimizerConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser, in torch's fused form: one kernel for each parameter instead of a dozen small ones."""
    if isinstance(config, (AdamConfig, AdamWConfig)):
        kind = torch.optim.Adam if isinstance(config, AdamConfig) else torch.optim.AdamW
        betas = (config.beta1, config.beta2)
        return kind(parameters, config.lr, betas, config.eps, config.weight_decay, fused=True)
    return torch.optim.SGD(
        parameters,
        config.lr,
        config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.nesterov,
        fused=True,
    )


def cosine_factor(config: CosineSchedule, epochs: int, steps_per_epoch: int, step: int) -> float:
    """What the learning rate is multiplied by at `step` (0 is the first).

    Rises linearly over the warm-up, 1/w, 2/w, ..., then follows Loshchilov & Hutter 2017
    (https://arxiv.org/abs/1608.03983, equation 5, one period): f + (1 - f) (1 + cos(pi t / T)) / 2.
    """
    warmup = round(config.warmup_epochs * steps_per_epoch)
    if step < warmup:
        return (step + 1) / warmup
    share = min(1.0, (step - warmup) / max(1, epochs * steps_per_epoch - warmup))
    return config.final_fraction + (1.0 - config.final_fraction) * (1.0 + math.cos(math.pi * share)) / 2.0


def one_cycle_factor(config: OneCycleSchedule, total_steps: int, step: int) -> float:
    """What the learning rate is multiplied by at `step`: half a cosine up, half a cosine down.

    The same values as `torch.optim.lr_scheduler.OneCycleLR` with the momentum left alone, which divides by zero when
    the rising part is exactly one step. Smith & Topin 2018, https://arxiv.org/abs/1708.07120.
    """
    start = 1.0 / config.start_divisor
    final = start / config.final_divisor
    peak = config.warmup_fraction * total_steps - 1.0  # as in torch; a fraction of a step is meant
    if step < peak:
        return _cosine_between(start, 1.0, step / peak)
    rest = total_steps - 1.0 - max(peak, 0.0)
    share = (step - max(peak, 0.0)) / rest if rest > 0.0 else 1.0
    return _cosine_between(1.0, final, min(1.0, share))


def _cosine_between(first: float, last: float, share: float) -> float:
    return last + (first - last) * (1.0 + math.cos(math.pi * share)) / 2.0


class Schedule:
    """One face for schedules that move every batch, every epoch, or with the validation loss.

    reduce_on_plateau counts an epoch as an improvement when its loss falls by more than 1e-4 of the best (torch's
    default).

    Attributes:
        scheduler: torch's own object, None for a constant learning rate; holds all the state there is.
    """

    def __init__(
        self, config: ScheduleConfig, optimizer: torch.optim.Optimizer, epochs: int, steps_per_epoch: int
    ) -> None:
        self.scheduler: lr_scheduler.LRScheduler | None = None
        self._every_batch = isinstance(config, (CosineSchedule, OneCycleSchedule))
        factor: Callable[[int], float]
        if isinstance(config, CosineSchedule):
            factor = functools.partial(cosine_factor, config, epochs, steps_per_epoch)
            self.scheduler = lr_scheduler.LambdaLR(optimizer, factor)
        elif isinstance(config, OneCycleSchedule):
            factor = functools.partial(one_cycle_factor, config, epochs * steps_per_epoch)
            self.scheduler = lr_scheduler.LambdaLR(optimizer, factor)
        elif isinstance(config, StepSchedule):
            self.scheduler = lr_scheduler.StepLR(optimizer, config.step_size, config.gamma)
        elif isinstance(config, PlateauSchedule):
            self.scheduler = lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=config.factor, patience=config.patience, min_lr=config.min_lr
            )

    def after_batch(self) -> None:
        """To be called after every step of the optimiser."""
        if self._every_batch and self.scheduler is not None:
            self.scheduler.step()

    def after_epoch(self, validation_loss: float) -> None:
        """To be called after every epoch's validation."""
        if isinstance(self.scheduler, lr_scheduler.ReduceLROnPlateau):
            self.scheduler.step(validation_loss)
        elif self.scheduler is not None and not self._every_batch:
            self.scheduler.step()
