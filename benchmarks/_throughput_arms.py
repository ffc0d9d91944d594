"""Knows how a study whose trials train nothing is run by tunetrack and by others: one function a program.

Each runs a number of trials of 10 epochs with the 7 metrics that an epoch of a real trial has, and gives the time of
each trial's end. All search the same 5 parameters.
"""

from __future__ import annotations

import math
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from _exclusive import Parts

EPOCHS = 10
#: The parts of a worker's critical path that are neither the sampler's, nor the objective's, nor waiting.
OWN = ("ledger", "loop", "tracking")
#: Trials that are not counted where a study has some already: the first one reads them all.
WARMING = 10
CLASSES = tuple(str(digit) for digit in range(10))


def document(engine: str, sampler: str, trials: int) -> dict[str, Any]:
    """The study file."""
    return {
        "name": "throughput",
        "data": {"name": "digits", "train": 100, "validation": 100, "test": 100},
        "model": {
            "filters": {"low": 16, "high": 128},
            "num_layers": {"low": 1, "high": 10},
            "head_dropout": {"low": 0.0, "high": 0.5},
        },
        "optimizer": {"name": "adam", "lr": {"low": 1e-5, "high": 1e-1, "log": True}},
        "trainer": {"epochs": EPOCHS, "batch_size": {"choices": [32, 64, 128]}},
        "sampler": {"engine": engine, "name": sampler, "seed": 0},
        "budget": {"trials": trials},
    }


def metrics(lr: float, layers: int) -> list[dict[str, float]]:
    """What each epoch logs, and the last one's validation accuracy is the objective."""
    top = 0.9 - 0.05 * abs(math.log10(lr) + 2.5) - 0.01 * abs(layers - 4)
    return [
        {
            "train/loss": 1 / epoch,
            "train/accuracy": top - 0.1 / epoch,
            "validation/loss": 1 / epoch,
            "validation/accuracy": top - 0.1 / epoch,
            "lr": lr,
            "epoch_seconds": 0.1,
            "images_per_second": 1000.0,
        }
        for epoch in range(1, EPOCHS + 1)
    ]


def tunetrack(
    home: Path,
    trials: int,
    engine: str,
    sampler: str,
    paced: bool,
    artifacts: bool,
    before: tuple[str, int] | None = None,
) -> dict[str, Any]:
    """Our worker's loop, with everything that a trial leaves but its weights.

    Args:
        home: an empty folder.
        trials: how many.
        engine: of the sampler.
        sampler: its name.
        paced: whether each trial waits until the background thread is idle. So it is where trials take seconds, and
            then the worker's own time is all that a trial costs; that wait is not counted.
        artifacts: whether a trial leaves its figures and tables too, as one of the real trainer does.
        before: a ledger's file and how many of its first trials the study has already; None: none.
    """
    import optuna

    from tunetrack.ledger import HyperoptSampler, Ledger
    from tunetrack.ledger.leased import LeasedStorage
    from tunetrack.spec import EpochRecord, Evaluation, TrialOutcome, TrialState, load_study, trial_params
    from tunetrack.study.data import ResidentSets
    from tunetrack.study.progress import Progress
    from tunetrack.study.stopping import StopSignals
    from tunetrack.study.tracked import study_info
    from tunetrack.study.trial import TrialResult
    from tunetrack.study.worker import Worker
    from tunetrack.tracking import StudyRun, TrialRun, connect
    from tunetrack.tracking.sending.writer import BackgroundWriter

    evaluation = Evaluation(
        0.3, 0.9, tuple(tuple(90 if row == column else 1 for column in range(10)) for row in range(10)), CLASSES
    )

    def train(config: Any, objectives: Any, data: Any, watch: Any) -> TrialResult:
        params, epoch_ended = trial_params(config), parts.counted(watch.epoch, "loop")
        done = []
        for epoch, found in enumerate(metrics(float(params["optimizer.lr"]), int(params["model.num_layers"])), 1):
            done.append(EpochRecord(epoch, *found.values()))
            epoch_ended(done[-1], found["validation/accuracy"], False)
        value = done[-1].validation_accuracy
        outcome = TrialOutcome(
            TrialState.COMPLETE,
            (value,),
            metrics={"best/validation/accuracy": value, "final/validation/accuracy": value, "model/parameters": 1e5},
        )
        return TrialResult(outcome, tuple(done), evaluation) if artifacts else TrialResult(outcome)

    begin, had = (WARMING, before[1]) if before else (0, 0)
    spec = load_study(document(engine, sampler, had + begin + trials))
    address = f"sqlite:///{home / 'ledger.db'}"
    Ledger.create(address, spec, "throughput")
    if before:
        take_over(home / "ledger.db", *before)

    parts, ends, waited = Parts(), [], [0.0]
    proposing = ("before_trial", "after_trial", "infer_relative_search_space", "sample_relative", "sample_independent")
    for sampler_class in (optuna.samplers.TPESampler, optuna.samplers.RandomSampler, HyperoptSampler):
        parts.count(sampler_class, proposing, "sampler")
    parts.count(LeasedStorage, ("get_all_trials",), "ledger")
    parts.count(Ledger, ("ask", "report", "tell", "reclaim", "find_duplicate", "twin", "trials"), "ledger")
    parts.count(StudyRun, ("open_trial",), "tracking")
    parts.count(StudyRun, ("flush",), "waiting")
    parts.count(TrialRun, ("log_epoch", "log_conditions", "finish", "ending", "abandon"), "tracking")
    parts.count(Worker, ("work",), "loop")
    parts.count(BackgroundWriter, ("submit", "put"), "tracking")

    with connect(f"sqlite:///{home / 'mlflow.db'}") as store, StopSignals() as stop:
        ledger = Ledger.load(address, "throughput")
        run = store.open_study(study_info(spec, ledger.name, ledger.name), spec.name, home / "artifacts")
        worker = Worker(spec, ledger, run, ResidentSets(), Progress(), stop, parts.counted(train, "objective"))
        worker.sets.get(spec.first_config())

        def ended() -> None:
            now = time.perf_counter()
            ends.append(now - waited[0])
            if paced or len(ends) == begin:
                run.flush()
                waited[0] += time.perf_counter() - now
            if len(ends) == begin:
                parts.seconds.clear()
                parts.cpu_seconds.clear()

        worker.after_trial = ended
        run.flush()
        writer_before = store.status.writer_seconds
        begun = time.perf_counter()
        with ledger.keeping():
            worker.work()
        run.flush()
        everything = time.perf_counter() - begun
        writer = store.status.writer_seconds - writer_before
    return {
        "ends": [end - (ends[begin - 1] if begin else begun) for end in ends[begin:]],
        "seconds": everything,
        "ms_by_part": {part: 1000 * seconds / trials for part, seconds in sorted(parts.seconds.items())},
        "cpu_ms_by_part": {part: 1000 * seconds / trials for part, seconds in sorted(parts.cpu_seconds.items())},
        "ms_of_background_thread": 1000 * writer / trials,
    }


def fill(path: Path, trials: int) -> None:
    """Makes a ledger whose study has so many trials of random configurations, with their reports, values and keys."""
    from tunetrack.ledger import Ledger
    from tunetrack.spec import TrialOutcome, TrialState, load_study

    ledger = Ledger.create(f"sqlite:///{path}", load_study(document("optuna", "random", trials)), "throughput")
    with ledger.keeping():
        for _ in range(trials):
            ticket: Any = ledger.ask()
            found = metrics(ticket.config["optimizer"]["lr"], ticket.config["model"]["num_layers"])
            for epoch, values in enumerate(found, 1):
                ledger.report(ticket, epoch, values["validation/accuracy"])
            outcome = TrialOutcome(TrialState.COMPLETE, (found[-1]["validation/accuracy"],))
            ledger.tell(ticket, outcome, ticket.key)


def take_over(path: Path, filled: str, trials: int) -> None:
    """Gives the study of an empty ledger the first trials of another ledger; both have one study each."""
    with closing(sqlite3.connect(path)) as ledger, ledger:
        tables = [name for (name,) in ledger.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        ledger.execute("ATTACH ? AS filled", (filled,))
        for table in tables:
            if any(column[1] == "trial_id" for column in ledger.execute(f"PRAGMA table_info({table})")):
                ledger.execute(f"INSERT INTO {table} SELECT * FROM filled.{table} WHERE trial_id <= ?", (trials,))


def optuna_sqlite(home: Path, trials: int, tracked: Callable[[dict[str, Any], list[dict[str, float]]], None]) -> Any:
    """`study.optimize` on an SQLite storage; `tracked` says how a trial gets into MLflow."""
    import optuna

    return _optimize(optuna.create_study(storage=f"sqlite:///{home}/optuna.db", **_tpe()), trials, tracked)


def optuna_alone(home: Path, trials: int) -> dict[str, Any]:
    """Optuna with an SQLite storage, nothing tracked."""
    return optuna_sqlite(home, trials, lambda params, epochs: None)


def optuna_and_mlflow(home: Path, trials: int) -> dict[str, Any]:
    """Optuna with an SQLite storage, and a child run of MLflow for each trial: parameters at once, metrics by epoch."""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    mlflow.set_experiment("throughput")

    def tracked(params: dict[str, Any], epochs: list[dict[str, float]]) -> None:
        with mlflow.start_run(nested=True):
            mlflow.log_params(params)
            for epoch, found in enumerate(epochs, 1):
                mlflow.log_metrics(found, step=epoch)

    with mlflow.start_run():
        return optuna_sqlite(home, trials, tracked)


def mlflow_storage(home: Path, trials: int) -> dict[str, Any]:
    """Optuna with MLflow's own Optuna storage, which has no metrics but the objective's values."""
    import mlflow
    import optuna
    from mlflow.optuna.storage import MlflowStorage

    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    storage = MlflowStorage(experiment_id=mlflow.create_experiment("throughput"))
    return _optimize(optuna.create_study(storage=storage, **_tpe()), trials, lambda params, epochs: None)


def ray_tune(home: Path, trials: int) -> dict[str, Any]:
    """Ray Tune with its MLflow logger, Optuna's TPE, one trial at a time and its actor used again."""
    import mlflow
    import optuna
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    class NoOp(tune.Trainable):  # type: ignore[misc]
        def setup(self, config: dict[str, Any]) -> None:
            self.reset_config(config)

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self.epochs = metrics(new_config["optimizer.lr"], new_config["model.num_layers"])
            return True

        def step(self) -> dict[str, Any]:
            return {**self.epochs[self.iteration], "done": self.iteration + 1 == EPOCHS}

        def save_checkpoint(self, folder: str) -> None:
            return None

    uri = f"sqlite:///{home / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"  # its own CSV and JSON files
    ray.init(address="local", num_cpus=1, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    space = {
        "model.filters": tune.randint(16, 129),
        "model.num_layers": tune.randint(1, 11),
        "model.head_dropout": tune.uniform(0.0, 0.5),
        "optimizer.lr": tune.loguniform(1e-5, 1e-1),
        "trainer.batch_size": tune.choice([32, 64, 128]),
    }
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    begun = time.perf_counter()
    tune.Tuner(
        NoOp,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric="validation/accuracy",
            mode="max",
            search_alg=tune.search.ConcurrencyLimiter(OptunaSearch(seed=0), max_concurrent=1),
            num_samples=trials,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            storage_path=str(home / "ray"),
            verbose=0,
            callbacks=[MLflowLoggerCallback(tracking_uri=uri, experiment_name="throughput")],
        ),
    ).fit()
    seconds = time.perf_counter() - begun
    ray.shutdown()
    return {"ends": [seconds * (number + 1) / trials for number in range(trials)], "seconds": seconds}


def run_in(arm: Callable[..., dict[str, Any]], trials: int, template: Path, **options: Any) -> dict[str, Any]:
    """One arm in a folder of its own, with an empty MLflow database: making one takes seconds."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        shutil.copy(template, home / "mlflow.db")
        return arm(home, trials, **options)


def _tpe() -> dict[str, Any]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return {"direction": "maximize", "sampler": optuna.samplers.TPESampler(seed=0), "study_name": "throughput"}


def _optimize(study: Any, trials: int, tracked: Callable[[dict[str, Any], list[dict[str, float]]], None]) -> Any:
    ends: list[float] = []
    begun = time.perf_counter()

    def objective(trial: Any) -> float:
        if trial.number:
            ends.append(time.perf_counter() - begun)
        lr = trial.suggest_float("optimizer.lr", 1e-5, 1e-1, log=True)
        layers = trial.suggest_int("model.num_layers", 1, 10)
        trial.suggest_int("model.filters", 16, 128)
        trial.suggest_float("model.head_dropout", 0.0, 0.5)
        trial.suggest_categorical("trainer.batch_size", [32, 64, 128])
        epochs = metrics(lr, layers)
        for epoch, found in enumerate(epochs, 1):
            trial.report(found["validation/accuracy"], epoch)
        tracked(trial.params, epochs)
        return epochs[-1]["validation/accuracy"]

    study.optimize(objective, n_trials=trials)
    seconds = time.perf_counter() - begun
    return {"ends": [*ends, seconds], "seconds": seconds}
