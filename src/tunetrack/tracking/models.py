"""Knows how a finished network becomes an MLflow model that can be served, without the fluent API's global run.

The model is saved to a folder by the PyTorch flavour (format pt2, which holds no pickle), and the LoggedModel entity is
created around it. `mlflow.pytorch.log_model` does the same through global state, and infers requirements for 5 s.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Run
from mlflow.models import Model

from tunetrack.errors import TrackingError
from tunetrack.tracking.artifacts import scratch
from tunetrack.tracking.failures import translated
from tunetrack.tracking.mlflow_calls import MlflowCalls

__all__ = ["MODEL_NAME", "ModelRequest", "NeuralNetwork", "link_model", "log_model", "ready_model"]

MODEL_NAME = "model"


class NeuralNetwork(Protocol):
    """What is needed of a ``torch.nn.Module``; torch itself is imported by MLflow's flavour alone."""

    def cpu(self) -> NeuralNetwork:
        """The module with its weights in main memory."""

    def eval(self) -> NeuralNetwork:
        """The module as it is used after training."""


@dataclass(frozen=True)
class ModelRequest:
    """Where a model belongs and what is written beside it.

    Attributes:
        run_id: the run of the trial that trained it.
        requirements: pip requirements for loading it, such as ``torch==2.9.0``; nothing is inferred.
        metadata: JSON-ready facts kept in the model, such as class names and the normalisation.
        tags: tags of the LoggedModel.
    """

    run_id: str
    requirements: tuple[str, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def log_model(
    calls: MlflowCalls, experiment_id: str, module: NeuralNetwork, example: np.ndarray, request: ModelRequest
) -> str:
    """Store `module` as the model of one run, which has one such model however often this is called.

    What a process that was killed has left half-written is deleted; a model that is there already stays.

    Args:
        calls: the store.
        experiment_id: the experiment of the run.
        module: the network; a copy of it is exported, in eval mode and on the CPU, so that any machine can load it.
        example: float32, shape (n >= 2, channels, height, width), or (n >= 2, channels, depth, height, width). With one
            image the exported graph would be frozen to batches of one.
        request: the run, requirements and metadata.

    Returns:
        ``models:/<model id>``.

    Raises:
        TrackingError: the example does not fit, or the store failed.
    """
    if example.ndim not in (4, 5) or len(example) < 2 or example.dtype != np.float32:
        raise TrackingError(
            f"a model needs an example of at least two float32 images (n, channels, height, width) or "
            f"volumes (n, channels, depth, height, width); given: {example.dtype} {example.shape}"
        )
    client = calls.client
    with translated(f"log the model of run {request.run_id}", client.tracking_uri):
        run = client.get_run(request.run_id)
        if (ready := _ready_model(calls, experiment_id, request.run_id)) is not None:
            _link(calls, run, ready)
            return f"models:/{ready}"
        entity = client.create_logged_model(
            experiment_id, MODEL_NAME, request.run_id, dict(request.tags), run.data.params, "image-classifier"
        )
        description = Model(
            artifact_path=entity.artifact_location,
            model_uuid=entity.model_id,
            run_id=request.run_id,
            model_id=entity.model_id,
        )
        try:
            with scratch(calls.scratch) as folder:
                path = Path(folder) / "model"
                _save(module, example, path, description, request)
                client.log_model_artifacts(entity.model_id, str(path))
        except BaseException:
            client.finalize_logged_model(entity.model_id, LoggedModelStatus.FAILED)
            raise
        client.finalize_logged_model(entity.model_id, LoggedModelStatus.READY)
        _link(calls, run, entity.model_id)
    return f"models:/{entity.model_id}"


def ready_model(calls: MlflowCalls, experiment_id: str, run_id: str) -> str | None:
    """``models:/<model id>`` of the finished model of a run; None where it has none.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"find the model of run {run_id}", calls.client.tracking_uri):
        wanted = f"name = '{MODEL_NAME}' AND source_run_id = '{run_id}'"
        found = calls.client.search_logged_models([experiment_id], wanted)
    ready = (str(model.model_id) for model in found if model.status == LoggedModelStatus.READY)
    return next((f"models:/{model_id}" for model_id in ready), None)


def link_model(calls: MlflowCalls, run_id: str, uri: str) -> None:
    """Names a model among the outputs of a run other than the one that has trained it, once.

    Raises:
        TrackingError: the store failed.
    """
    with translated(f"name the model of run {run_id}", calls.client.tracking_uri):
        _link(calls, calls.get_run(run_id), uri.removeprefix("models:/"))


def _ready_model(calls: MlflowCalls, experiment_id: str, run_id: str) -> str | None:
    """The finished model of a run; those that nobody will finish any more are deleted."""
    wanted = f"name = '{MODEL_NAME}' AND source_run_id = '{run_id}'"
    ready = None
    for model in calls.client.search_logged_models([experiment_id], wanted):
        if ready is None and model.status == LoggedModelStatus.READY:
            ready = str(model.model_id)
        else:
            calls.client.delete_logged_model(model.model_id)
    return ready


def _link(calls: MlflowCalls, run: Run, model_id: str) -> None:
    """Name the model among the outputs of its run, once."""
    known = run.outputs.model_outputs if run.outputs else []
    if model_id not in (output.model_id for output in known):
        calls.client.log_outputs(run.info.run_id, [LoggedModelOutput(model_id, step=0)])


def _save(module: NeuralNetwork, example: np.ndarray, path: Path, description: Model, request: ModelRequest) -> None:
    import mlflow.pytorch  # loads torch, which whoever only reads runs can do without

    exported = copy.deepcopy(module).cpu().eval()
    with warnings.catch_warnings():
        # torch.export warns about its own internals; none of it is about the model.
        warnings.filterwarnings("ignore", category=DeprecationWarning, module=r"torch\..*|copyreg")
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\..*|copyreg")
        mlflow.pytorch.save_model(
            exported,
            str(path),
            mlflow_model=description,
            input_example=example,  # the signature, with an open batch size, is inferred from it
            pip_requirements=list(request.requirements),
            metadata=dict(request.metadata),
            serialization_format="pt2",
        )
