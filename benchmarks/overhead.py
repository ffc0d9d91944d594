"""Measures what search and tracking cost a trial, on local sqlite.

Run it with `python benchmarks/overhead.py --data-dir DIR` (DIR holds FashionMNIST/raw); about four minutes. The result
goes to `benchmarks/results/overhead.json`. Two questions:

1. A trial that trains nothing: how long is a trial with everything around it (a TPE proposal, three epochs reported and
   tracked, weights, curves, confusion matrix), and how does that grow from trial 1-50 to 151-200? Beside it, in
   alternating rounds, what people glue together: `study.optimize` on an sqlite storage with MLflow's fluent calls and
   matplotlib figures, the same numbers logged.
2. Real trials: which share of their wall time does the training thread spend inside the tracker?
"""

from __future__ import annotations

import argparse
import io
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import mlflow
import optuna
import torch
from _machine import describe_machine, today
from _numbers import spread
from matplotlib.figure import Figure

from tunetrack import training
from tunetrack.ledger import Ledger, suggest_config
from tunetrack.spec import EpochRecord, Evaluation, StudySpec, TrialOutcome, TrialState, load_study, trial_params
from tunetrack.study.data import ResidentSets
from tunetrack.study.progress import Progress
from tunetrack.study.stopping import StopSignals
from tunetrack.study.tracked import study_info
from tunetrack.study.trial import TrialResult
from tunetrack.study.worker import Worker
from tunetrack.tracking import TrackingStore, connect

ROOT = Path(__file__).parent.parent
TRIALS = 200
BLOCK = 50
EPOCHS = 3
CLASSES = tuple(str(digit) for digit in range(10))
EVALUATION = Evaluation(0.3, 0.9, tuple(tuple(90 if r == c else 1 for c in range(10)) for r in range(10)), CLASSES)


def records(params: dict[str, Any]) -> list[EpochRecord]:
    """Learning curves that depend on the parameters, at no cost."""
    lr = float(params["optimizer.lr"])
    top = 0.9 - 0.05 * abs(math.log10(lr) + 2.5)
    return [EpochRecord(e, 1 / e, top - 0.1 / e, 1 / e, top - 0.1 / e, lr, 0.0, 1.0) for e in range(1, EPOCHS + 1)]


def no_training(weights: bytes) -> Any:
    """A trainer that trains nothing and leaves everything that a trial leaves."""

    def train(config: Any, objectives: Sequence[Any], data: training.ResidentData, watch: Any) -> TrialResult:
        done = records(trial_params(config))
        for record in done:
            watch.epoch(record, record.validation_accuracy, False)
        value = done[-1].validation_accuracy
        metrics = {"best/validation/accuracy": value, "final/validation/accuracy": value, "model/parameters": 1e5}
        return TrialResult(
            TrialOutcome(TrialState.COMPLETE, (value,), metrics=metrics), tuple(done), EVALUATION, weights
        )

    return train


class Stopwatch(Progress):
    """Remembers when each trial began and ended."""

    def __init__(self) -> None:
        self.begun: list[float] = []
        self.ended: list[float] = []

    def trial_started(self, number: int, config: Any) -> None:
        self.begun.append(time.perf_counter())

    def trial_finished(self, number: int, outcome: TrialOutcome) -> None:
        self.ended.append(time.perf_counter())


def open_worker(spec: StudySpec, home: Path, store: TrackingStore, watch: Progress, stop: StopSignals) -> Worker:
    """What `study.launch` opens, without what it does at the end."""
    ledger = Ledger.create(f"sqlite:///{home / 'ledger.db'}", spec)
    run = store.open_study(study_info(spec, ledger.name, ledger.name), spec.name, home / "artifacts")
    return Worker(spec, ledger, run, ResidentSets(), watch, stop)


def ours(spec: StudySpec, home: Path, template: bytes, weights: bytes) -> list[float]:
    """Milliseconds a trial for each block of trials, everything written."""
    (home / "mlflow.db").write_bytes(template)
    blocks = []
    with connect(f"sqlite:///{home / 'mlflow.db'}") as store, StopSignals() as stop:
        worker = open_worker(spec, home, store, Progress(), stop)
        worker.train = no_training(weights)
        worker.sets.get(spec.first_config())
        for _ in range(TRIALS // BLOCK):
            begun = time.perf_counter()
            for _ in range(BLOCK):
                ticket = worker.ledger.ask()
                worker._run(ticket)
            worker.run.flush()
            blocks.append((time.perf_counter() - begun) / BLOCK * 1000)
    return blocks


def glued(spec: StudySpec, home: Path, template: bytes, weights: bytes) -> list[float]:
    """The same with `study.optimize`, the fluent API and matplotlib."""
    (home / "mlflow.db").write_bytes(template)
    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    mlflow.set_experiment(
        experiment_id=mlflow.create_experiment("glued", artifact_location=(home / "artifacts").as_uri())
    )
    storage = optuna.storages.RDBStorage(f"sqlite:///{home / 'optuna.db'}")
    study = optuna.create_study(storage=storage, direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        params = trial_params(spec.config(suggest_config(trial, spec.space)))
        with mlflow.start_run(run_name=f"trial-{trial.number:03d}", nested=True):
            mlflow.log_params(params)
            done = records(params)
            for record in done:
                mlflow.log_metrics(record.metrics(), step=record.epoch)
                trial.report(record.validation_accuracy, record.epoch)
                trial.should_prune()
            curves, confusion = Figure(), Figure()
            curves.subplots().plot([record.validation_accuracy for record in done])
            confusion.subplots().imshow(EVALUATION.confusion)
            mlflow.log_figure(curves, "curves.png")
            mlflow.log_figure(confusion, "confusion_matrix.png")
            mlflow.log_dict(params, "config.yaml")
            path = home / "weights.pt"
            path.write_bytes(weights)
            mlflow.log_artifact(str(path))
        return done[-1].validation_accuracy

    blocks = []
    with mlflow.start_run(run_name="glued"):
        for _ in range(TRIALS // BLOCK):
            begun = time.perf_counter()
            study.optimize(objective, n_trials=BLOCK)
            blocks.append((time.perf_counter() - begun) / BLOCK * 1000)
    return blocks


def overhead(rounds: int) -> dict[str, Any]:
    """Question 1."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    spec = load_study(ROOT / "search_spaces" / "quickstart.yaml", {"budget.trials": TRIALS, "pruner": {"name": "none"}})
    content = io.BytesIO()
    torch.save({"weight": torch.zeros(25_000)}, content)
    results: dict[str, list[list[float]]] = {"tunetrack": [], "glued": []}
    with tempfile.TemporaryDirectory() as folder:
        connect(f"sqlite:///{folder}/template.db").close()
        template = (Path(folder) / "template.db").read_bytes()
        for number in range(rounds):
            for name, run in (("tunetrack", ours), ("glued", glued)):
                home = Path(folder) / f"{name}{number}"
                home.mkdir()
                results[name].append(run(spec, home, template, content.getvalue()))
                print(
                    f"round {number} {name}: ms a trial by block {[round(ms, 1) for ms in results[name][-1]]}",
                    flush=True,
                )
    means = {name: [statistics.mean(blocks) for blocks in runs] for name, runs in results.items()}
    return {
        "trials": TRIALS,
        "epochs_a_trial": EPOCHS,
        "ms_a_trial": {name: spread(values) for name, values in means.items()},
        "ms_a_trial_1_to_50": {name: spread([blocks[0] for blocks in runs]) for name, runs in results.items()},
        "ms_a_trial_151_to_200": {name: spread([blocks[-1] for blocks in runs]) for name, runs in results.items()},
        "growth_ratio": {name: spread([blocks[-1] / blocks[0] for blocks in runs]) for name, runs in results.items()},
        "glued_to_tunetrack": spread([b / a for a, b in zip(means["tunetrack"], means["glued"], strict=True)]),
    }


def share(spec: StudySpec) -> dict[str, Any]:
    """Question 2 for one study."""
    with tempfile.TemporaryDirectory() as folder:
        home, watch = Path(folder), Stopwatch()
        with connect(f"sqlite:///{home / 'mlflow.db'}") as store, StopSignals() as stop:
            worker = open_worker(spec, home, store, watch, stop)
            worker.sets.get(spec.first_config())
            worker.work()
            inside = store.status.caller_seconds
            worker.run.flush()
            writer = store.status.writer_seconds
    seconds = sum(ended - begun for begun, ended in zip(watch.begun, watch.ended, strict=True))
    return {
        "trials": len(watch.ended),
        "trial_seconds": round(seconds, 2),
        "seconds_in_tracker_on_training_thread": round(inside, 5),
        "share_percent": round(100 * inside / seconds, 4),
        "seconds_of_the_writer_thread": round(writer, 2),
    }


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", required=True, help="folder with FashionMNIST/raw")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    mpl.use("agg")
    fashion = {
        "data.dir": options.data_dir,
        "model.num_layers": {"low": 1, "high": 3},  # what cannot be built trains nothing and measures nothing
        "trainer.epochs": 1,
        "budget.trials": 3,
    }
    result = {
        "what": "cost of search and tracking, local sqlite, one process",
        "date": today(),
        "machine": describe_machine(),
        "versions": {"mlflow": mlflow.__version__, "optuna": optuna.__version__},
        "no_op_trials": overhead(options.rounds),
        "tracker_share_of_trial_time": {
            "quickstart": share(load_study(ROOT / "search_spaces" / "quickstart.yaml")),
            "fashion_mnist": share(load_study(ROOT / "search_spaces" / "fashion_cnn.yaml", fashion)),
        },
    }
    (ROOT / "benchmarks" / "results" / "overhead.json").write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
