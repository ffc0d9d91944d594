"""Knows the model families by name, and what a model looks like before it is trained."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from tunetrack.errors import InfeasibleConfigError, SpecError
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.models import ImportedConfig
from tunetrack.spec.models_base import ModelBase
from tunetrack.spec.records import ModelSummary
from tunetrack.training.nets.blocks import build_block_cnn, build_funnel_cnn
from tunetrack.training.nets.cnn import build_cnn
from tunetrack.training.nets.compact import build_compact_cnn
from tunetrack.training.nets.imported import build_imported, check_output
from tunetrack.training.nets.residual import build_even_resnet, build_resnet
from tunetrack.training.nets.separable import build_separable_cnn
from tunetrack.training.nets.voxel import build_voxel_cnn, build_voxel_resnet
from tunetrack.training.summary import look_at

__all__ = ["MODELS", "blank_model", "build_model", "check_imported", "summarise"]

_logger = logging.getLogger(__name__)

#: (the family's configuration, shape of one image, number of classes) -> module that returns logits
Builder = Callable[[Any, tuple[int, ...], int], nn.Module]

#: Every model by name. A new one is a configuration class in `tunetrack.spec.models` and a builder here.
MODELS: dict[str, Builder] = {
    "cnn": build_cnn,
    "simple_cnn": build_cnn,
    "baseline_cnn": build_cnn,
    "stabilized_cnn": build_cnn,
    "high_vision_cnn": build_cnn,
    "modernist_cnn": build_cnn,
    "compact_cnn": build_compact_cnn,
    "compact_cnn_195k": build_compact_cnn,
    "compact_cnn_11k": build_compact_cnn,
    "compact_cnn_11k_regularized": build_compact_cnn,
    "compact_cnn_8k": build_compact_cnn,
    "block_cnn": build_block_cnn,
    "funnel_cnn": build_funnel_cnn,
    "even_resnet": build_even_resnet,
    "resnet": build_resnet,
    "separable_cnn": build_separable_cnn,
    "voxel_cnn": build_voxel_cnn,
    "voxel_resnet": build_voxel_resnet,
    "import": build_imported,
}


def build_model(config: ModelBase, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A model with fresh weights, drawn from torch's global generator, on the current default device.

    Args:
        config: a family and its settings.
        input_shape: (channels, height, width), or (channels, depth, height, width) for voxels.
        num_classes: width of the output.

    Returns:
        A module from float (n, *input_shape) to logits (n, num_classes).

    Raises:
        InfeasibleConfigError: this combination cannot be built.
        SpecError: an imported callable is not there, does not take its arguments or returns no module.
        Exception: whatever an imported callable raises.
    """
    if len(config.usual_input) != len(input_shape) and not isinstance(config, ImportedConfig):
        raise InfeasibleConfigError(
            f"model.name: {config.name} takes {_axes(config.usual_input)}, the data have {_axes(input_shape)} "
            f"({'x'.join(map(str, input_shape))}). Choose another model or other data."
        )
    return MODELS[config.name](config, input_shape, num_classes)


def _axes(input_shape: tuple[int, ...]) -> str:
    return "images (channels, height, width)" if len(input_shape) == 3 else f"{len(input_shape) - 1}-dimensional inputs"


def blank_model(config: ModelBase, input_shape: tuple[int, ...], num_classes: int) -> nn.Module:
    """A model on the CPU whose weights are yet to be loaded; draws no random numbers that anybody would miss.

    Raises:
        InfeasibleConfigError: this combination cannot be built.
    """
    if isinstance(config, ImportedConfig):  # may compute with values, or keep some that no state dict has
        with torch.random.fork_rng(devices=[]):
            return build_model(config, input_shape, num_classes)
    with torch.device("meta"):
        return build_model(config, input_shape, num_classes).to_empty(device="cpu")


def summarise(config: TrialConfig, input_shape: tuple[int, ...], num_classes: int) -> ModelSummary:
    """What a trial's model looks like, without allocating a single weight (torch's meta device).

    An imported model is built on the CPU, since it may compute with values that the meta device does not have.

    Args:
        config: only its model is looked at.
        input_shape: (channels, height, width), or (channels, depth, height, width) for voxels.
        num_classes: width of the output.

    Raises:
        InfeasibleConfigError: this combination cannot be built; the message says which layer and why.
        SpecError: an imported callable is not there, does not take its arguments, or returns something that is no
            classifier of these images.
        Exception: whatever an imported callable or its module raises.
    """
    if isinstance(config.model, ImportedConfig):
        return _look_at_imported(config.model, input_shape, num_classes)
    with torch.device("meta"):
        return look_at(build_model(config.model, input_shape, num_classes).eval(), input_shape)[0]


def check_imported(config: ImportedConfig, input_shape: tuple[int, ...], num_classes: int) -> None:
    """Whether an imported callable makes a classifier of these images, as far as one set of arguments can tell.

    Args:
        config: names the callable.
        input_shape: as for `summarise`.
        num_classes: width of the output.

    Raises:
        SpecError: the callable is not there, does not take its arguments, or returns something else.
    """
    try:
        _look_at_imported(config, input_shape, num_classes)
    except SpecError:
        raise
    except Exception as error:  # other arguments may do; the trial that fails with these keeps the traceback
        _logger.warning("%s raised %s: %s", config.target, type(error).__name__, error)


def _look_at_imported(config: ImportedConfig, input_shape: tuple[int, ...], num_classes: int) -> ModelSummary:
    summary, output = look_at(blank_model(config, input_shape, num_classes).eval(), input_shape)
    check_output(config, output, num_classes)
    return summary
