"""The studies that the harness runs: small, deterministic, and between them every way in which a trial can end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from study_support import write_study

__all__ = ["NETS", "STUDIES", "Study"]

_TRAINER = {"epochs": 10, "batch_size": 32, "deterministic": True, "threads": 1, "precision": "fp32"}
_DATA = {"name": "digits", "train": 1000, "validation": 200, "test": 200}


@dataclass(frozen=True)
class Study:
    """A study of the harness.

    Attributes:
        name: also the key in `STUDIES`.
        document: the study file.
        files: further files beside it, content by name.
        same_in_any_order: whether a trial's values depend on its number alone, so that several workers at once come to
            the same table as one.
        workers: how many processes train; 1: the one that leads.
    """

    name: str
    document: dict[str, Any]
    files: dict[str, str]
    same_in_any_order: bool = False
    workers: int = 1

    @property
    def trials(self) -> int:
        """Its budget."""
        return int(self.document["budget"]["trials"])

    def write(self, folder: Path) -> Path:
        """The study file, written into a folder together with what it needs."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")
        return write_study(folder / f"{self.name}.yaml", self.document)


def _study(
    name: str, files: dict[str, str] | None = None, any_order: bool = False, workers: int = 1, **sections: Any
) -> Study:
    sections["trainer"] = _TRAINER | sections.get("trainer", {})
    return Study(name, {"name": name, "data": _DATA, **sections}, files or {}, any_order, workers)


#: A network of the user's own that kills its process. `TUNETRACK_FAULTS_DEADLY` gives the width of the one that does,
#: the training step, a file that says that it was done (`-`: it is done every time), and how: by `kill`, or it will
#: `eat` memory until the kernel ends it.
NETS = """
import os
import signal
import torch
from torch import nn


class Net(nn.Sequential):
    def __init__(self, pixels, width, classes):
        super().__init__(nn.Flatten(), nn.Linear(pixels, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, classes))
        self.width, self.steps = width, 0

    def forward(self, images):
        if self.training and images.device.type != "meta":
            self.steps += 1
            width, step, mark, how = os.environ.get("TUNETRACK_FAULTS_DEADLY", "-1|0|-|kill").split("|")
            if self.width == int(width) and self.steps == int(step) and not os.path.exists(mark):
                if mark != "-":
                    open(mark, "x").close()
                die(how)
        return super().forward(images)


def die(how):
    if how == "eat":
        eaten = []
        while True:
            eaten.append(bytearray(b"x") * 50_000_000)
    os.kill(os.getpid(), signal.SIGKILL)


def build(input_shape, num_classes, width=8):
    return Net(input_shape[0] * input_shape[1] * input_shape[2], width, num_classes)
"""

STUDIES = {
    study.name: study
    for study in (
        _study(  # stopped early by the pruner, with dropout and a schedule, so that more than weights must be kept
            "optuna-tpe",
            model={"name": "cnn", "filters": {"low": 4, "high": 16, "step": 4}, "num_layers": 2, "conv_dropout": 0.1},
            optimizer={"name": "adam", "lr": {"low": 1e-4, "high": 1e-1, "log": True}},
            sampler={"name": "tpe", "seed": 3, "n_startup_trials": 2},
            pruner={"name": "median", "n_startup_trials": 2, "n_warmup_steps": 6},
            trainer={"epochs": 12},
            budget={"trials": 7},
        ),
        _study(  # few values, so that one comes twice; four layers do not fit; a rate of 1e8 diverges
            "hyperopt-tpe",
            model={"name": "cnn", "filters": {"choices": [4, 8]}, "num_layers": {"low": 1, "high": 4}},
            optimizer={"name": "sgd", "lr": {"choices": [0.02, 0.1, 1e8]}, "momentum": 0.5},
            sampler={"engine": "hyperopt", "name": "tpe", "seed": 4, "n_startup_jobs": 3},
            budget={"trials": 8},
        ),
        _study(  # for several workers at once
            "random",
            any_order=True,
            model={"name": "cnn", "filters": {"low": 4, "high": 16, "step": 4}, "num_layers": 2},
            optimizer={"name": "adam", "lr": {"low": 1e-4, "high": 1e-1, "log": True}},
            sampler={"name": "random", "seed": 5},
            budget={"trials": 10},
        ),
        _study(  # proposals and pruning depend on what has ended, and yet not on which worker is faster
            "two-workers",
            workers=2,
            model={"name": "cnn", "filters": {"low": 4, "high": 16, "step": 4}, "num_layers": 2, "conv_dropout": 0.1},
            optimizer={"name": "adam", "lr": {"low": 1e-4, "high": 1e-1, "log": True}},
            sampler={"name": "tpe", "seed": 3, "n_startup_trials": 2, "lag": 3},
            pruner={"name": "median", "n_startup_trials": 2, "n_warmup_steps": 6},
            trainer={"epochs": 12},
            budget={"trials": 9},
        ),
        _study(
            "own-net",
            {"faulty_nets.py": NETS},
            any_order=True,
            model={"import": "faulty_nets:build", "width": {"choices": [4, 6, 8, 10, 12]}},
            optimizer={"name": "adam", "lr": {"low": 1e-3, "high": 1e-2, "log": True}},
            sampler={"name": "random", "seed": 2},
            budget={"trials": 4},
        ),
    )
}
