"""Small studies that the tests of study, api and command line share; a fixture module, loaded by the conftest files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent


def tiny(**changes: Any) -> dict[str, Any]:
    """A study of a fraction of a second a trial on scikit-learn's digits; `changes` replace whole sections."""
    return {
        "name": "tiny",
        "data": {"name": "digits", "train": 200, "validation": 100, "test": 100},
        "model": {"name": "cnn", "filters": {"low": 4, "high": 12, "step": 4}, "num_layers": {"low": 1, "high": 2}},
        "optimizer": {
            "one_of": [
                {"name": "adam", "lr": {"low": 1e-3, "high": 1e-1, "log": True}},
                {"name": "sgd", "lr": {"low": 1e-2, "high": 1.0, "log": True}, "momentum": {"low": 0.0, "high": 0.9}},
            ]
        },
        "trainer": {"epochs": 2, "batch_size": 50, "deterministic": True},
        "sampler": {"name": "random", "seed": 3},
        "budget": {"trials": 3},
        **changes,
    }


def write_study(path: Path, document: dict[str, Any]) -> Path:
    with path.open("w") as file:
        YAML(typ="safe").dump(document, file)
    return path


@pytest.fixture
def home(tmp_path: Path, database_template: Path) -> Path:
    """A home whose empty MLflow database is there already; making one takes seconds."""
    path = tmp_path / "home"
    path.mkdir()
    shutil.copy(database_template, path / "mlflow.db")
    return path


def command(*arguments: object, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `tunetrack` as a user would, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tunetrack", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=cwd,
        env=child_environment(**environment),
    )


def child_environment(**more: str) -> dict[str, str]:
    """The environment for a child process: this checkout's code, one thread, no settings of the caller."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "TUNETRACK_"))}
    return kept | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"} | more
