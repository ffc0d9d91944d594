"""Knows how long a model takes for one image: the time of a forward pass on the device that it was trained on."""

from __future__ import annotations

import statistics
import time

import torch
from torch import nn

from tunetrack.spec.config import TrainerConfig
from tunetrack.training.data import ResidentData
from tunetrack.training.evaluation import Deployable
from tunetrack.training.hardware import autocast, run_settings
from tunetrack.training.layout import channels_last

__all__ = ["latency_ms"]

#: Passes that are not timed: kernels are chosen and memory is taken on the first ones.
WARM_UP = 10
#: At least so many passes are timed, and for at least so many seconds.
PASSES, SECONDS = 30, 0.5


def latency_ms(model: nn.Module, data: ResidentData, config: TrainerConfig) -> float:
    """Median time of a forward pass of one image, normalisation included, in milliseconds.

    The model is the deployable one, on the data's device, in eval mode, in the precision and memory layout of the
    training and with its number of threads. Each pass is waited for. The image is the first one for validation; no
    random number is drawn, and weights, running statistics and the model's mode stay what they are.

    Args:
        model: from normalised images to logits, on the data's device.
        data: where the image, mean and deviation come from.
        config: decides precision, threads and determinism.
    """
    image = channels_last(data.validation.images[:1].float().div(255))
    modes = {module: module.training for module in model.modules()}
    whole = Deployable(model, data).to(data.device).eval()
    try:
        with run_settings(config), torch.inference_mode(), autocast(config, data.device):
            for _ in range(WARM_UP):
                _timed(whole, image)
            times: list[float] = []
            while len(times) < PASSES or sum(times) < SECONDS:
                times.append(_timed(whole, image))
    finally:
        for module, training in modes.items():
            module.training = training
    return 1000.0 * statistics.median(times)


def _timed(model: nn.Module, image: torch.Tensor) -> float:
    _wait(image.device)
    start = time.perf_counter()
    model(image)
    _wait(image.device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    """Until the device has done all that it was given; the CPU works while it is called."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
