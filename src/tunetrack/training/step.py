"""Knows one epoch's training steps: forward and backward in pieces that fit into memory, and the optimiser's step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import nn

from tunetrack.spec.config import TrainerConfig, TrialConfig
from tunetrack.training.batches import Normaliser, training_batches
from tunetrack.training.data import ResidentData
from tunetrack.training.hardware import autocast, sum_dtype
from tunetrack.training.losses import make_loss
from tunetrack.training.memory import halved_until_it_fits
from tunetrack.training.state import Batch, TrainState

__all__ = ["Forward", "TrainedEpoch", "train_epoch"]

#: From normalised images to logits: the model, or its compiled form.
Forward = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class TrainedEpoch:
    """What an epoch's training steps come to.

    Attributes:
        loss: mean over the images seen.
        accuracy: fraction in [0, 1] of the images seen.
        images: how many were seen.
        lr: learning rate of the last step.
    """

    loss: float
    accuracy: float
    images: int
    lr: float


def train_epoch(config: TrialConfig, data: ResidentData, state: TrainState, forward: Forward) -> TrainedEpoch:
    """Moves the weights through one epoch.

    Raises:
        OutOfMemoryError: one image at a time is too much for the memory there is.
    """
    trainer = config.trainer
    gradients = _Gradients(trainer, data, state, forward)
    total = torch.zeros((), dtype=sum_dtype(data.device), device=data.device)
    right = torch.zeros((), dtype=torch.int64, device=data.device)
    seen, lr = 0, math.nan
    state.model.train()
    if isinstance(forward, nn.Module):  # a twin of the model has its layers and a mode of its own
        forward.train()
    for images, labels in _batches(config, data, state):
        loss, hits = gradients.of(images, labels)
        if trainer.clip_grad_norm is not None:
            nn.utils.clip_grad_norm_(state.model.parameters(), trainer.clip_grad_norm)
        if state.recorder is not None:
            state.recorder.before_step()
        state.optimizer.step()
        if state.recorder is not None:
            state.recorder.after_step()
        lr = float(state.optimizer.param_groups[0]["lr"])
        state.schedule.after_batch()
        # Summed on the device: asking for a number here would make the CPU wait for every single step.
        total += loss * len(labels)
        right += hits
        seen += len(labels)
    return TrainedEpoch(float(total) / seen, int(right) / seen, seen, lr)


def _batches(config: TrialConfig, data: ResidentData, state: TrainState) -> Iterator[Batch]:
    trainer, streams = config.trainer, state.streams
    if state.stream is not None and trainer.steps_per_epoch is not None:
        return state.stream.take(trainer.steps_per_epoch)
    return training_batches(data.train, trainer.batch_size, streams.order, config.data.augment, streams.augmentation)


class _Gradients:
    """The gradient of a batch's mean loss, in as many pieces as memory demands."""

    def __init__(self, config: TrainerConfig, data: ResidentData, state: TrainState, forward: Forward) -> None:
        self._state, self._forward = state, forward
        self._loss_of = make_loss(config.loss, config.label_smoothing)
        self._normalise = Normaliser(data)
        self._autocast = autocast(config, data.device)

    def of(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Puts the gradient into the parameters' `grad`. After a shortage, smaller pieces are kept for good.

        Returns:
            Mean loss of the batch, and how many images were classified rightly; both on the device.
        """
        size = min(len(labels), self._state.micro_batch or len(labels))
        sums, fitting = halved_until_it_fits(lambda pieces_of: self._in_pieces(images, labels, pieces_of), size)
        if fitting < size:
            self._state.micro_batch = fitting
        return sums

    def _in_pieces(self, images: torch.Tensor, labels: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        self._state.optimizer.zero_grad()
        if size == len(labels):
            return self._piece(images, labels, 1.0)
        # Pieces of equal size, to within one image, so that batch normalisation gets no piece of one image.
        count = math.ceil(len(labels) / size)
        parts = zip(images.tensor_split(count), labels.tensor_split(count), strict=True)
        losses, hits = zip(*(self._piece(x, y, len(y) / len(labels)) for x, y in parts), strict=True)
        return torch.stack(losses).sum(), torch.stack(hits).sum()

    def _piece(self, images: torch.Tensor, labels: torch.Tensor, share: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Adds a piece's gradient; returns its part of the batch's mean loss, and its hits."""
        with self._autocast:
            logits = self._forward(self._normalise(images))
        logits = logits.float()
        loss = self._loss_of(logits, labels)
        if share != 1.0:
            loss = loss * share  # so that the pieces' gradients add up to that of the batch's mean
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach(), (logits.detach().argmax(dim=1) == labels).sum()
