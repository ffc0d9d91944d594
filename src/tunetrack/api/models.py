"""Says what networks there are, and what one of them looks like, without training it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tunetrack import training
from tunetrack.errors import SpecError, TunetrackError
from tunetrack.spec import ModelSummary, TrialConfig, load_config
from tunetrack.spec.models import MODEL_CONFIGS, ImportedConfig

__all__ = ["ModelDescription", "describe_model", "list_models"]


@dataclass(frozen=True)
class ModelDescription:
    """One network with its settings, built for one kind of image.

    Attributes:
        name: as in `model.name`, or the import path.
        about: what it is, in paragraphs; empty for an imported one.
        settings: its keys and values.
        classes: width of its output.
        summary: what was counted.
    """

    name: str
    about: str
    settings: dict[str, Any]
    classes: int
    summary: ModelSummary

    def document(self) -> dict[str, Any]:
        """All of it as JSON-ready data."""
        layers = [
            dict(zip(("layer", "kind", "output", "parameters"), layer, strict=True)) for layer in self.summary.layers
        ]
        counted = {**asdict(self.summary), "layers": layers}
        return {"name": self.name, "about": self.about, "settings": self.settings, "classes": self.classes, **counted}

    def numbers(self) -> dict[str, str]:
        """What was counted, in words and figures for people."""
        counted = self.summary
        return {
            "input": f"{shape_text(counted.input_shape)}, {self.classes} classes",
            "parameters": f"{counted.parameters:,}",
            "buffers": f"{counted.buffers:,}",
            "FLOPs": f"{counted.flops:,} in one forward pass of one image",
            "memory": f"{counted.memory_bytes / 2**20:.2f} MB for one image, estimated",
        }

    def rows(self) -> list[tuple[str, str, str, str]]:
        """A row a layer: name, kind, output without the batch, parameters."""
        return [
            (name, kind, shape_text(shape) or "never called", f"{count:,}" if count else "")
            for name, kind, shape, count in self.summary.layers
        ]

    def markdown(self) -> str:
        """All of it as a Markdown page."""
        lines = [f"# {self.name}", "", *([self.about, ""] if self.about else []), "| | |", "|---|---|"]
        lines += [f"| {subject} | {number} |" for subject, number in self.numbers().items()]
        lines += ["", "| layer | kind | output | parameters |", "|---|---|---|---:|"]
        lines += [f"| {' | '.join(row)} |" for row in self.rows()]
        return "\n".join(lines) + "\n"


def shape_text(shape: tuple[int, ...]) -> str:
    """(1, 28, 28) as 1x28x28."""
    return "x".join(map(str, shape))


def list_models() -> list[dict[str, Any]]:
    """Every network that comes with tunetrack, as JSON-ready data.

    Returns:
        For each: name, about (one line), and of its defaults with its usual images: input, parameters, flops and
        memory_mb.
    """
    listed = []
    for name in MODEL_CONFIGS:
        described = describe_model(name)
        counted = described.summary
        listed.append(
            {
                "name": name,
                "about": described.about.splitlines()[0],
                "input": shape_text(counted.input_shape),
                "parameters": counted.parameters,
                "flops": counted.flops,
                "memory_mb": round(counted.memory_bytes / 2**20, 2),
            }
        )
    return listed


def describe_model(
    name: str,
    input_shape: tuple[int, ...] | None = None,
    classes: int = 10,
    settings: Mapping[str, Any] | None = None,
) -> ModelDescription:
    """Builds a network without training it.

    Args:
        name: as in `model.name`, or MODULE:CALLABLE.
        input_shape: (channels, height, width) or (channels, depth, height, width); default: of the experiment that the
            network is from.
        classes: width of its output.
        settings: keys of the network and their values; ``width`` and ``model.width`` are the same.

    Raises:
        SpecError: there is no such network, or a setting is wrong.
        InfeasibleConfigError: this combination cannot be built.
    """
    config = _config(name, settings or {})
    shape = input_shape or config.model.usual_input
    try:
        summary = training.summarise(config, shape, classes)
    except TunetrackError:
        raise
    except Exception as error:
        if not isinstance(config.model, ImportedConfig):
            raise
        raise SpecError(f"{name} raised {type(error).__name__}: {error}") from error
    about = "" if isinstance(config.model, ImportedConfig) else inspect.getdoc(type(config.model)) or ""
    return ModelDescription(name, about, config.document()["model"], classes, summary)


def _config(name: str, settings: Mapping[str, Any]) -> TrialConfig:
    """A trial's configuration with this network; its data are never looked at."""
    model = {"import" if ":" in name else "name": name}
    paths = {key if key.startswith("model.") else f"model.{key}": value for key, value in settings.items()}
    return load_config({"data": {"name": "digits"}, "model": model}, paths)
