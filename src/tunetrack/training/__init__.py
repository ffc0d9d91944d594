"""Knows how a trial is trained: resident data, models, the loop, evaluation. The only folder that imports torch."""

from __future__ import annotations

from tunetrack.training.data import ResidentData, Split, load_data
from tunetrack.training.describe import describe_hardware
from tunetrack.training.evaluation import Deployable, deployable, evaluate
from tunetrack.training.fitting import Fit, fit
from tunetrack.training.hardware import choose_device
from tunetrack.training.latency import latency_ms
from tunetrack.training.libraries import libraries
from tunetrack.training.machine_share import gpu_count, take_share
from tunetrack.training.memory import release_memory
from tunetrack.training.models import MODELS, build_model, check_imported, summarise
from tunetrack.training.state import TrainState
from tunetrack.training.thumbnails import thumbnails
from tunetrack.training.weights import weights_from_bytes, weights_to_bytes

__all__ = [
    "MODELS",
    "Deployable",
    "Fit",
    "ResidentData",
    "Split",
    "TrainState",
    "build_model",
    "check_imported",
    "choose_device",
    "deployable",
    "describe_hardware",
    "evaluate",
    "fit",
    "gpu_count",
    "latency_ms",
    "libraries",
    "load_data",
    "release_memory",
    "summarise",
    "take_share",
    "thumbnails",
    "weights_from_bytes",
    "weights_to_bytes",
]
