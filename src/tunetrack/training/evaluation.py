"""Knows how well a model does on a split, from a running fit or from stored weights, and how it is handed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import nn
from torch.nn import functional as F

from tunetrack.spec.config import TrainerConfig, TrialConfig
from tunetrack.spec.records import Evaluation
from tunetrack.training.batches import Normaliser, evaluation_batches, evaluation_size
from tunetrack.training.data import ResidentData
from tunetrack.training.hardware import autocast, run_settings, sum_dtype
from tunetrack.training.memory import halved_until_it_fits
from tunetrack.training.models import build_model

__all__ = ["Deployable", "deployable", "evaluate", "evaluate_model", "loss_and_accuracy"]


def loss_and_accuracy(model: nn.Module, data: ResidentData, split: str, config: TrainerConfig) -> tuple[float, float]:
    """Mean cross-entropy (without label smoothing, so that trials can be compared) and the fraction that is right."""
    loss, confusion = _measure(model, data, split, config)
    return loss, int(confusion.diagonal().sum()) / int(confusion.sum())


def evaluate_model(model: nn.Module, data: ResidentData, split: str, config: TrainerConfig) -> Evaluation:
    """Loss, accuracy and confusion matrix of a model on a split.

    Args:
        model: from normalised images to logits, on the data's device; its mode is put back afterwards.
        data: where the split is taken from.
        split: ``train``, ``validation`` or ``test``.
        config: decides the precision.
    """
    loss, confusion = _measure(model, data, split, config)
    accuracy = int(confusion.diagonal().sum()) / int(confusion.sum())
    return Evaluation(loss, accuracy, tuple(tuple(row) for row in confusion.tolist()), data.classes)


def _measure(model: nn.Module, data: ResidentData, split: str, config: TrainerConfig) -> tuple[float, torch.Tensor]:
    """Mean loss, and counts int64 (true class, predicted class) on the CPU; smaller batches where memory is short."""
    images = data.split(split)
    was_training = model.training
    model.eval()
    try:
        (total, counts), _ = halved_until_it_fits(
            lambda size: _sums(model, data, evaluation_batches(images, size), config), evaluation_size(images)
        )
    finally:
        model.train(was_training)
    return total / len(images), counts


def _sums(
    model: nn.Module, data: ResidentData, batches: Iterable[tuple[torch.Tensor, torch.Tensor]], config: TrainerConfig
) -> tuple[float, torch.Tensor]:
    """Summed loss and counts; one wait for the device, at the end."""
    classes = len(data.classes)
    normalise = Normaliser(data)
    total = torch.zeros((), dtype=sum_dtype(data.device), device=data.device)
    counts = torch.zeros(classes * classes, dtype=torch.int64, device=data.device)
    with torch.inference_mode():
        for images, labels in batches:
            with autocast(config, data.device):
                logits = model(normalise(images))
            logits = logits.float()
            total += F.cross_entropy(logits, labels, reduction="sum")
            counts += torch.bincount(labels * classes + logits.argmax(dim=1), minlength=classes * classes)
    return float(total), counts.view(classes, classes).cpu()


def evaluate(config: TrialConfig, data: ResidentData, state_dict: Mapping[str, torch.Tensor], split: str) -> Evaluation:
    """Loss, accuracy and confusion matrix of stored weights, in the precision that they were trained in.

    Args:
        config: of the trial that the weights come from.
        data: the trial's data.
        state_dict: as `Fit.state_dict` gave it.
        split: ``train``, ``validation`` or ``test``.

    Raises:
        KeyError: there is no such split.
        RuntimeError: the weights do not belong to this configuration.
    """
    model = _restored(config, data, state_dict).to(data.device).to(memory_format=torch.channels_last)
    with run_settings(config.trainer):
        return evaluate_model(model, data, split, config.trainer)


class Deployable(nn.Module):
    """A trained model for use outside: float32 images (n, c, h, w), values 0 to 1, in; logits (n, classes) out."""

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, data: ResidentData) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("mean", torch.tensor(data.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(data.std).view(1, -1, 1, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalise as in training, and classify."""
        logits: torch.Tensor = self.model((images - self.mean) / self.std)
        return logits


def deployable(config: TrialConfig, data: ResidentData, state_dict: Mapping[str, torch.Tensor]) -> Deployable:
    """A module that carries its own normalisation, on the CPU, float32, in eval mode; `torch.export` takes it.

    Args:
        config: of the trial that the weights come from.
        data: the trial's data; mean and deviation are copied, the images are not.
        state_dict: as `Fit.state_dict` gave it.

    Raises:
        RuntimeError: the weights do not belong to this configuration.
    """
    return Deployable(_restored(config, data, state_dict), data).eval()


def _restored(config: TrialConfig, data: ResidentData, state_dict: Mapping[str, torch.Tensor]) -> nn.Module:
    with torch.device("meta"):  # draws no random numbers, so the caller's generators stay as they are
        model = build_model(config.model, data.input_shape, len(data.classes))
    model = model.to_empty(device="cpu")
    model.load_state_dict(state_dict)
    return model
