"""Stores and records that the tests of tracking and server share; a fixture module, loaded by the conftest files."""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when mlflow is imported

from tunetrack.server import ServerSpec, TrackingServer, running_server
from tunetrack.spec.records import EpochRecord, Evaluation
from tunetrack.tracking import Objective, SearchedParam, StudyInfo, TrackingStore, connect


@pytest.fixture(scope="session")
def database_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database; making one takes seconds of migrations, copying it none."""
    path = tmp_path_factory.mktemp("template") / "mlflow.db"
    connect(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def uri(tmp_path: Path, database_template: Path) -> str:
    path = tmp_path / "mlflow.db"
    shutil.copy(database_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def store(uri: str) -> Iterator[TrackingStore]:
    with connect(uri) as opened:
        yield opened


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, database_template: Path) -> Iterator[TrackingServer]:
    home = tmp_path_factory.mktemp("server")
    shutil.copy(database_template, home / "mlflow.db")
    with running_server(ServerSpec(home, port=0, environment=dict(os.environ))) as running:
        yield running


@pytest.fixture(autouse=True)
def end_idle_artifact_threads() -> Iterator[None]:
    """MLflow's artifact repositories keep idle threads, which end when the repository is collected."""
    gc.freeze()  # what was there before the test is not looked at: all the libraries, a quarter of a second each time
    yield
    gc.collect()


def study_info(name: str = "fashion-cnn", maximize: bool = True) -> StudyInfo:
    return StudyInfo(
        name,
        {"name": name, "sampler": {"engine": "optuna", "name": "tpe"}, "budget": {"trials": 12}},
        (
            SearchedParam("optimizer.lr", log=True, text="1e-05 … 0.1 (log)"),
            SearchedParam("model.filters", text="16 … 128, step 8"),
            SearchedParam("optimizer.name", numeric=False, text="adam, sgd"),
            SearchedParam("optimizer.momentum", conditional=True, text="0 … 0.99"),
        ),
        (Objective("validation/accuracy", maximize),),
    )


def epoch(number: int, accuracy: float = 0.5) -> EpochRecord:
    return EpochRecord(number, 2.0 / number, accuracy, 2.1 / number, accuracy - 0.01, 1e-3, 0.3, 4000.0)


def evaluation(classes: int) -> Evaluation:
    rows = tuple(tuple(90 if row == column else 1 for column in range(classes)) for row in range(classes))
    return Evaluation(0.3, 90 / (89 + classes), rows, tuple(f"class <{index}>" for index in range(classes)))
