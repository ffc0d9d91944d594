"""Knows how well a model does on a split, from a running fit or from stored weights, and how it is handed on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from tunetrack.spec.config import TrainerConfig, TrialConfig
from tunetrack.spec.records import Evaluation, Predictions
from tunetrack.training.batches import Normaliser, evaluation_batches, evaluation_size, validation_changes
from tunetrack.training.data import ResidentData
from tunetrack.training.fast import accelerated
from tunetrack.training.hardware import autocast, run_settings, sum_dtype
from tunetrack.training.layout import model_channels_last
from tunetrack.training.memory import halved_until_it_fits
from tunetrack.training.models import blank_model
from tunetrack.training.weight_stats import DeadUnits

__all__ = ["Deployable", "deployable", "evaluate", "evaluate_model"]


def evaluate_model(
    model: nn.Module, data: ResidentData, split: str, config: TrialConfig, units: DeadUnits | None = None
) -> Evaluation:
    """Loss, accuracy, accuracy by group, confusion matrix and single answers of a model on a split.

    The loss is the mean cross-entropy without label smoothing, so that trials can be compared.

    Args:
        model: from normalised images to logits, on the data's device; its mode is put back afterwards.
        data: where the split is taken from.
        split: ``train``, ``validation`` or ``test``; at least one image.
        config: decides the precision, and whether validation images are changed.
        units: looks for dead units on the way.
    """
    loss, answers, shares = _measure(model, data, split, config, units)
    part, classes = data.split(split), len(data.classes)
    right = answers == part.labels
    counts = torch.bincount(part.labels * classes + answers, minlength=classes * classes).view(classes, classes)
    groups = {}
    if part.groups is not None:
        by_group = ((name, right[part.groups == index]) for index, name in enumerate(data.groups))
        groups = {name: int(own.sum()) / len(own) for name, own in by_group if len(own)}
    small = np.uint8 if classes <= 256 else np.uint16
    return Evaluation(
        loss,
        int(right.sum()) / len(right),
        confusion=tuple(tuple(row) for row in counts.tolist()),
        classes=data.classes,
        group_accuracy=groups,
        predictions=Predictions(
            part.labels.cpu().numpy().astype(small), answers.cpu().numpy().astype(small), shares.half().cpu().numpy()
        ),
    )


def _measure(
    model: nn.Module, data: ResidentData, split: str, config: TrialConfig, units: DeadUnits | None
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Mean loss, predicted class and its share in the softmax, by image on the device; halves batches that do not fit.

    Returns:
        The loss, the classes as int64 (n,), and the shares as float32 (n,).
    """
    part = data.split(split)
    changes = validation_changes(config.data, len(part), data.device) if split == "validation" else None
    was_training = model.training
    model.eval()
    watch = None if units is None else units.between_batches
    try:
        with units.watching() if units is not None else nullcontext():
            (total, answers, shares), _ = halved_until_it_fits(
                lambda size: _answers(model, data, evaluation_batches(part, changes, size), config.trainer, watch),
                evaluation_size(part),
            )
    finally:
        model.train(was_training)
    return total / len(part), answers, shares


def _answers(
    model: nn.Module,
    data: ResidentData,
    batches: Iterable[tuple[torch.Tensor, torch.Tensor]],
    config: TrainerConfig,
    faster: Callable[[], bool] | None,
) -> tuple[float, torch.Tensor, torch.Tensor]:
    """Summed loss, predicted classes and their shares in the softmax; one wait for the device, at the end.

    Args:
        faster: called before the first and after each batch; whether the model can be made faster than it was, since
            hooks are gone.
    """
    if faster is not None:
        faster()  # what an attempt that ran out of memory has left in the middle of a batch is forgotten
    normalise, forward = Normaliser(data), accelerated(model, data.device)
    total = torch.zeros((), dtype=sum_dtype(data.device), device=data.device)
    answers, shares = [], []
    with torch.inference_mode():
        for images, labels in batches:
            with autocast(config, data.device):
                logits = forward(normalise(images))
            logits = logits.float()
            if faster is not None and faster():
                forward = accelerated(model, data.device)
            logs = F.log_softmax(logits, dim=1)  # cross-entropy in its two steps, as torch itself takes them
            total += F.nll_loss(logs, labels, reduction="sum")
            answers.append(logits.argmax(dim=1))
            shares.append(logs.amax(dim=1))
    return float(total), torch.cat(answers), torch.cat(shares).exp()


def evaluate(config: TrialConfig, data: ResidentData, state_dict: Mapping[str, torch.Tensor], split: str) -> Evaluation:
    """Loss, accuracies and confusion matrix of stored weights, in the precision that they were trained in.

    Args:
        config: of the trial that the weights come from.
        data: the trial's data.
        state_dict: as `Fit.state_dict` gave it.
        split: ``train``, ``validation`` or ``test``; at least one image.

    Raises:
        KeyError: there is no such split.
        RuntimeError: the weights do not belong to this configuration.
    """
    model = model_channels_last(_restored(config, data, state_dict).to(data.device))
    with run_settings(config.trainer):
        return evaluate_model(model, data, split, config)


class Deployable(nn.Module):
    """A trained model for use outside: float32 images, values 0 to 1, in; logits (n, classes) out.

    Images are (n, c, h, w), volumes (n, c, d, h, w).
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, model: nn.Module, data: ResidentData) -> None:
        super().__init__()
        self.model = model
        shape = (1, -1, *[1] * (len(data.input_shape) - 1))
        self.register_buffer("mean", torch.tensor(data.mean).view(shape))
        self.register_buffer("std", torch.tensor(data.std).view(shape))

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
    model = blank_model(config.model, data.input_shape, len(data.classes))
    model.load_state_dict(state_dict)
    return model
