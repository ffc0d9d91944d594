"""Writes a synthetic study of any size into a tracking store, for benchmarks and tests.

    python benchmarks/synthetic.py --trials 10000 --metrics 20 --epochs 10 --home DIR

makes `DIR/mlflow.db` with one study: eight searched parameters, of which two belong to one branch each and two are
categories; trials that were pruned, have failed, are infeasible or repeat another one. The study's own run is written
by the normal path, the trials' runs by bulk inserts into MLflow's tables: 10,000 trials take ten seconds instead of
half an hour. `tests/unit/test_synthetic.py` compares what is read back with what the normal path would have written.
"""

from __future__ import annotations

import argparse
import math
import random
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag

from tunetrack._version import __version__
from tunetrack.spec.records import TrialOutcome, TrialState, pruned_reason
from tunetrack.tracking import (
    RUN_STATUS,
    Objective,
    SearchedParam,
    StudyInfo,
    StudyRun,
    StudyState,
    Tag,
    TrackingStore,
    TrialArtifacts,
    connect,
)
from tunetrack.tracking.trial_names import trial_name
from tunetrack.tracking.values import ParamValue, encode_params

START_MS = 1_767_600_000_000  # 2026-01-05 08:00 UTC
#: Per-epoch metrics, then final ones; 20 in all. More than these are called `extra/…`, and logged by epoch.
BY_EPOCH = (
    "train/loss",
    "train/accuracy",
    "validation/loss",
    "validation/accuracy",
    "lr",
    "epoch_seconds",
    "images_per_second",
    "weights/norm",
    "weights/gradient_norm",
    "weights/step_ratio",
    "weights/max_drift",
    "weights/dead_units",
)
FINAL = (
    "train_seconds",
    "model/parameters",
    "model/flops",
    "model/memory_mb",
    "best/epoch",
    "best/validation/accuracy",
    "best/validation/loss",
)
WORKERS = ("node-1:4021", "node-1:4022", "node-2:733", "node-2:734")
CHUNK = 20_000


@dataclass(frozen=True)
class Plan:
    """One trial as it is to be stored.

    Attributes:
        number: from 0.
        state: a final one.
        params: value by dotted path.
        epochs: metrics of every epoch, from epoch 1.
        outcome: as a trial's run is told.
        worker: who ran it.
        start, end: ms since 1970.
    """

    number: int
    state: TrialState
    params: dict[str, ParamValue]
    epochs: tuple[dict[str, float], ...]
    outcome: TrialOutcome
    worker: str
    start: int
    end: int


@dataclass(frozen=True)
class Size:
    """How large the study is."""

    trials: int = 10_000
    metrics: int = 20
    epochs: int = 10
    seed: int = 0


def info(size: Size, name: str = "synthetic") -> StudyInfo:
    """The study that is searched."""
    document = {
        "name": name,
        "data": {"name": "fashion_mnist", "train": 50000, "validation": 10000},
        "model": {"name": "cnn", "filters": {"low": 8, "high": 128, "step": 8}, "num_layers": {"low": 1, "high": 6}},
        "optimizer": {
            "one_of": [
                {
                    "name": "adamw",
                    "lr": {"low": 1e-5, "high": 0.1, "log": True},
                    "weight_decay": {"low": 1e-6, "high": 0.1, "log": True},
                },
                {
                    "name": "sgd",
                    "lr": {"low": 1e-5, "high": 0.1, "log": True},
                    "momentum": {"low": 0.0, "high": 0.99},
                },
            ]
        },
        "schedule": {"name": {"choices": ["constant", "cosine", "one_cycle"]}},
        "trainer": {"epochs": size.epochs, "batch_size": {"choices": [32, 64, 128]}},
        "objective": {"metric": "validation/accuracy", "direction": "maximize"},
        "pruner": {"name": "hyperband"},
        "budget": {"trials": size.trials},
    }
    searched = (
        SearchedParam("model.filters", text="int 8 to 128, step 8"),
        SearchedParam("model.num_layers", text="int 1 to 6"),
        SearchedParam("optimizer.name", numeric=False, text='one of "adamw", "sgd"'),
        SearchedParam("optimizer.lr", log=True, text="float 1e-05 to 0.1, log"),
        SearchedParam("optimizer.weight_decay", log=True, text="float 1e-06 to 0.1, log", conditional=True),
        SearchedParam("optimizer.momentum", text="float 0 to 0.99", conditional=True),
        SearchedParam("schedule.name", numeric=False, text='one of "constant", "cosine", "one_cycle"'),
        SearchedParam("trainer.batch_size", text="one of 32, 64, 128"),
    )
    return StudyInfo(name, document, searched, (Objective("validation/accuracy", True),), f"{name}-key")


def plans(size: Size) -> Iterator[Plan]:
    """The trials, in the order of their numbers; the same ones for the same size."""
    rng = random.Random(size.seed)
    last: list[Plan] = []
    free = [START_MS] * len(WORKERS)
    for number in range(size.trials):
        worker = min(range(len(free)), key=free.__getitem__)
        plan = _plan(number, size, rng, WORKERS[worker], free[worker], last)
        free[worker] = plan.end + rng.randrange(50, 500)
        if plan.state is TrialState.COMPLETE:
            last = [plan, *last[:4]]
        yield plan


def _plan(number: int, size: Size, rng: random.Random, worker: str, start: int, last: Sequence[Plan]) -> Plan:
    chance = rng.random()
    if chance > 0.98 and last:
        twin = rng.choice(last)
        outcome = TrialOutcome(
            TrialState.DUPLICATE, twin.outcome.values, f"the same as trial {twin.number}", duplicate_of=twin.number
        )
        return Plan(number, outcome.state, twin.params, (), outcome, worker, start, start + 20)
    params = _params(size, rng)
    if chance < 0.01:
        outcome = TrialOutcome(TrialState.INFEASIBLE, reason="6 layers of pooling need 64 pixels, and there are 28")
        return Plan(number, outcome.state, params, (), outcome, worker, start, start + 30)
    done = size.epochs
    if chance < 0.04:
        done = rng.randint(0, size.epochs - 1)
    elif chance > 0.45 and size.epochs > 1:
        done = rng.randint(1, max(1, size.epochs // 3))
    epochs = tuple(_epochs(params, done, size, rng))
    final = _final(params, epochs)
    if chance < 0.04:
        outcome = TrialOutcome(TrialState.FAILED, reason=f"the loss became NaN in epoch {done + 1}", metrics=final)
    elif done < size.epochs:
        outcome = TrialOutcome(TrialState.PRUNED, reason=pruned_reason(done, size.epochs), metrics=final)
    else:
        outcome = TrialOutcome(TrialState.COMPLETE, (epochs[-1]["validation/accuracy"],), metrics=final)
    return Plan(
        number, outcome.state, params, epochs, outcome, worker, start, start + int(1000 * final["train_seconds"])
    )


def _params(size: Size, rng: random.Random) -> dict[str, ParamValue]:
    optimizer = rng.choice(["adamw", "sgd"])
    branch = {"optimizer.weight_decay": 10 ** rng.uniform(-6, -1)} if optimizer == "adamw" else {}
    if optimizer == "sgd":
        branch = {"optimizer.momentum": rng.uniform(0, 0.99)}
    return {
        "data.name": "fashion_mnist",
        "data.train": 50000,
        "data.validation": 10000,
        "model.name": "cnn",
        "model.filters": rng.randrange(8, 129, 8),
        "model.num_layers": rng.randint(1, 6),
        "optimizer.name": optimizer,
        "optimizer.lr": 10 ** rng.uniform(-5, -1),
        **branch,
        "schedule.name": rng.choice(["constant", "cosine", "one_cycle"]),
        "trainer.epochs": size.epochs,
        "trainer.batch_size": rng.choice([32, 64, 128]),
    }


def _epochs(params: dict[str, Any], count: int, size: Size, rng: random.Random) -> Iterator[dict[str, float]]:
    distance = math.log10(params["optimizer.lr"]) + (2.7 if params["optimizer.name"] == "adamw" else 1.6)
    top = 0.935 - 0.03 * distance**2 - 0.04 / params["model.num_layers"] + 0.0002 * params["model.filters"]
    top = min(0.99, max(0.1, top - 0.02 + rng.gauss(0, 0.003)))
    seconds = 0.5 + params["model.filters"] * params["model.num_layers"] / 100
    for epoch in range(1, count + 1):
        accuracy = top * (1 - 0.5 * math.exp(-0.6 * epoch)) + rng.gauss(0, 0.001)
        values = (
            2.2 * (1 - accuracy) + 0.05,
            min(1.0, accuracy + 0.004 * epoch),
            2.3 * (1 - accuracy) + 0.06,
            accuracy,
            params["optimizer.lr"] * (1 - (epoch - 1) / size.epochs),
            seconds * rng.uniform(0.95, 1.05),
            50000 / seconds,
            30 + epoch * 0.5,
            rng.uniform(0.1, 2.0),
            rng.uniform(0.0005, 0.01),
            0.1 * epoch,
            math.nan if params["model.num_layers"] == 1 else rng.uniform(0, 0.3),
        )
        extra = {f"extra/{index:03d}": rng.random() for index in range(size.metrics - 20)}
        yield dict(zip(BY_EPOCH, values, strict=True)) | extra


def _final(params: dict[str, Any], epochs: Sequence[dict[str, float]]) -> dict[str, float]:
    weights = 9.0 * params["model.filters"] ** 2 * params["model.num_layers"] + 1000
    known = {
        "train_seconds": sum(epoch["epoch_seconds"] for epoch in epochs),
        "model/parameters": weights,
        "model/flops": weights * 784,
        "model/memory_mb": weights / 2**18,
    }
    if epochs:
        best = max(range(len(epochs)), key=lambda index: epochs[index]["validation/accuracy"])
        known |= {
            "best/epoch": best + 1.0,
            "best/validation/accuracy": epochs[best]["validation/accuracy"],
            "best/validation/loss": min(epoch["validation/loss"] for epoch in epochs),
        }
    return known


def open_study(store: TrackingStore, size: Size, artifacts: Path | None = None, name: str = "synthetic") -> StudyRun:
    """The study's run, written by the normal path."""
    study = store.open_study(info(size, name), name, artifacts)
    study.log_machine("synthetic, cpu, 2 threads")
    study.flush()
    return study


def write_normally(store: TrackingStore, study: StudyRun, trials: Iterable[Plan]) -> None:
    """Trial by trial, as a worker does."""
    for plan in trials:
        trial = study.open_trial(plan.number, plan.params)
        for step, epoch in enumerate(plan.epochs, 1):
            trial.log_metrics(epoch, step)
        trial.finish(plan.outcome, TrialArtifacts(curves=False))
        study.flush()
        store.client.set_tag(trial.run_id, Tag.TRIAL_WORKER, plan.worker)


@dataclass
class _Rows:
    """What is to be inserted, as tuples in the order of `_COLUMNS`."""

    runs: list[tuple[Any, ...]] = field(default_factory=list)
    tags: list[tuple[Any, ...]] = field(default_factory=list)
    params: list[tuple[Any, ...]] = field(default_factory=list)
    metrics: list[tuple[Any, ...]] = field(default_factory=list)
    latest: list[tuple[Any, ...]] = field(default_factory=list)


_COLUMNS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "runs": (
        SqlRun,
        (
            *("run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status"),
            *("start_time", "end_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id"),
        ),
    ),
    "tags": (SqlTag, ("run_uuid", "key", "value")),
    "params": (SqlParam, ("run_uuid", "key", "value")),
    "metrics": (SqlMetric, ("run_uuid", "key", "value", "is_nan", "timestamp", "step")),
    "latest": (SqlLatestMetric, ("run_uuid", "key", "value", "is_nan", "timestamp", "step")),
}


def write_in_bulk(store: TrackingStore, study: StudyRun, trials: Iterable[Plan]) -> int:
    """Straight into the tables of a local database; how many trials were written."""
    location = store.client.get_experiment(study.experiment_id).artifact_location
    user = store.client.get_run(study.run_id).info.user_id
    engine = sqlalchemy.create_engine(store.uri)
    rows, count = _Rows(), 0
    rng = random.Random(1)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA synchronous = OFF")
        for plan in trials:
            _gather(rows, plan, study, (uuid.UUID(int=rng.getrandbits(128)).hex, location, user))
            count += 1
            if len(rows.metrics) > CHUNK:
                _insert(connection, rows)
                rows = _Rows()
        _insert(connection, rows)
    engine.dispose()
    return count


def _gather(rows: _Rows, plan: Plan, study: StudyRun, place: tuple[str, str, str]) -> None:
    run_id, location, user = place
    name = trial_name(plan.number, plan.params, study.info.searched)
    artifacts = f"{location.rstrip('/')}/{run_id}/artifacts"
    status, experiment = RUN_STATUS[plan.state].value, int(study.experiment_id)
    rows.runs.append(
        (run_id, name, "UNKNOWN", "", "", user, status, plan.start, plan.end, "", "active", artifacts, experiment)
    )
    tags = {
        "mlflow.runName": name,
        Tag.KIND: "trial",
        Tag.VERSION: __version__,
        Tag.STUDY_NAME: study.info.name,
        Tag.TRIAL_KEY: f"{study.info.identity}/{plan.number}",
        Tag.TRIAL_NUMBER: str(plan.number),
        Tag.TRIAL_STATE: plan.state.value,
        Tag.TRIAL_REASON: plan.outcome.reason,
        Tag.PARENT: study.run_id,
        Tag.SOURCE_NAME: "tunetrack",
        Tag.TRIAL_WORKER: plan.worker,
    }
    if plan.outcome.duplicate_of is not None:
        tags[Tag.TRIAL_DUPLICATE_OF] = str(plan.outcome.duplicate_of)
    rows.tags += [(run_id, key, value) for key, value in tags.items()]
    rows.params += [
        (run_id, key, text) for key, text in encode_params(plan.params, study.info.log_scaled(plan.params)).items()
    ]
    final = dict(plan.outcome.metrics) | ({"objective": plan.outcome.values[0]} if plan.outcome.values else {})
    seconds = (plan.end - plan.start) // max(1, len(plan.epochs))
    points = [
        (run_id, key, *_stored(value), plan.start + step * seconds, step)
        for step, epoch in enumerate(plan.epochs, 1)
        for key, value in epoch.items()
    ]
    points += [(run_id, key, *_stored(value), plan.end, 0) for key, value in final.items()]
    rows.metrics += points
    rows.latest += {point[1]: point for point in points}.values()


def _stored(value: float) -> tuple[float, bool]:
    return (0.0, True) if math.isnan(value) else (value, False)


def _insert(connection: sqlalchemy.Connection, rows: _Rows) -> None:
    marks = {"qmark": "?", "pyformat": "%s", "format": "%s"}
    mark = marks[connection.dialect.paramstyle]
    for part, (model, columns) in _COLUMNS.items():
        values = getattr(rows, part)
        if values:
            table = model.__table__.name
            text = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join([mark] * len(columns))})"
            connection.exec_driver_sql(text, values)


def write_study(home: Path, size: Size) -> tuple[str, str]:
    """A fresh `mlflow.db` below `home` with one finished study; its address, and the id of the study's run."""
    home.mkdir(parents=True, exist_ok=True)
    uri = f"sqlite:///{home / 'mlflow.db'}"
    with connect(uri) as store:
        study = open_study(store, size, home / "artifacts")
        write_in_bulk(store, study, plans(size))
        study.finish(StudyState.COMPLETE, "The study is made up.")
        study.flush()
        return uri, study.run_id


def main() -> None:
    """Writes one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=Size.trials)
    parser.add_argument("--metrics", type=int, default=Size.metrics, help="20 or more")
    parser.add_argument("--epochs", type=int, default=Size.epochs)
    parser.add_argument("--home", type=Path, required=True)
    options = parser.parse_args()
    begin = time.perf_counter()
    uri, run_id = write_study(options.home, Size(options.trials, options.metrics, options.epochs))
    print(f"{uri}: study run {run_id}, {options.trials} trials in {time.perf_counter() - begin:.1f} s")


if __name__ == "__main__":
    main()
