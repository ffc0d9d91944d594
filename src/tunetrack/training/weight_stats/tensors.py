"""Knows which parameter tensor of a network is what: its kind, layer, block and depth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from tunetrack.spec.records import ModelSummary
from tunetrack.spec.weight_records import ActivationInfo, TensorKind

__all__ = ["ACTIVATIONS", "NamedTensor", "activation_layers", "block_of", "parameter_tensors"]

_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
#: Activations whose output is above zero exactly where the unit takes part.
ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Hardswish,
)  # fmt: skip


@dataclass(frozen=True)
class NamedTensor:
    """A parameter, and what is known of it without looking at its values; see `TensorInfo`."""

    name: str
    layer: str
    kind: TensorKind
    block: str
    depth: int
    parameter: nn.Parameter


def parameter_tensors(model: nn.Module, summary: ModelSummary) -> list[NamedTensor]:
    """The floating-point parameters of a model, each once, in the order in which its layers are called.

    Args:
        model: what is trained.
        summary: of the same model; says in which order the layers are called.
    """
    depths = _depths(model, summary)
    found: dict[int, NamedTensor] = {}
    for layer in dict.fromkeys(row[0] for row in summary.layers):
        module = model.get_submodule(layer)
        for short, parameter in module.named_parameters(recurse=False):
            if not parameter.is_floating_point() or id(parameter) in found:
                continue
            name = f"{layer}.{short}" if layer else short
            kind = _kind(module, short, parameter)
            found[id(parameter)] = NamedTensor(name, layer, kind, block_of(layer), depths[layer], parameter)
    return list(found.values())


def activation_layers(model: nn.Module, summary: ModelSummary) -> Iterator[ActivationInfo]:
    """The calls of activation modules, in order; of a module that is called again, as ``relu#2``.

    Functions such as ``torch.relu`` are no modules and cannot be seen.
    """
    depths = _depths(model, summary)
    calls: Counter[str] = Counter()
    for layer, kind, shape, _ in summary.layers:
        if not shape or not isinstance(model.get_submodule(layer), ACTIVATIONS):
            continue
        calls[layer] += 1
        name = layer if calls[layer] == 1 else f"{layer}#{calls[layer]}"
        yield ActivationInfo(name, kind, block_of(layer), depths[layer], shape[0])


def block_of(layer: str) -> str:
    """The part of a network that a layer belongs to: the innermost numbered module around it, else the outermost.

    ``block3.body.conv1`` is in ``block3``, ``layer1.0.downsample.0`` in ``layer1.0``, ``stem.conv`` in ``stem``.
    """
    parts = layer.split(".")
    for end in range(len(parts) - 1, 0, -1):
        if parts[end - 1][-1:].isdigit():
            return ".".join(parts[:end])
    return parts[0]


def _depths(model: nn.Module, summary: ModelSummary) -> dict[str, int]:
    """Layer -> how many layers with kernels have been called up to and with it; 0 where it is never called."""
    depths: dict[str, int] = {}
    depth = 0
    for layer, _, shape, own in summary.layers:
        if layer in depths:
            continue
        module = model.get_submodule(layer)
        called = bool(shape)
        parameters = module.named_parameters(recurse=False)
        if called and own and any(_kind(module, *named) is TensorKind.KERNEL for named in parameters):
            depth += 1
        depths[layer] = max(depth, 1) if called else 0
    return depths


def _kind(module: nn.Module, name: str, parameter: nn.Parameter) -> TensorKind:
    if isinstance(module, _NORMS):
        return TensorKind.GAMMA if name == "weight" else TensorKind.BETA
    if parameter.dim() > 1:
        return TensorKind.KERNEL
    return TensorKind.BIAS if "bias" in name else TensorKind.OTHER
