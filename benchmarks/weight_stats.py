"""Measures what weight statistics cost: the same training without them, with them, and with them the naive way.

Run it with `python benchmarks/weight_stats.py --data-dir DIR` (DIR holds FashionMNIST/raw); about eight minutes. The
result goes to `benchmarks/results/weight_stats.json`, `docs/performance.md` reads it; with `--device cuda` to
`weight_stats-cuda.json`. Where MLflow is not installed, the naive way and the files are left out.

Four trainings of the same network stand side by side in one process, and take turns, an epoch each, each round in
another order; a round gives each one's epoch as a multiple of the epoch without statistics, in wall time and in the
process's own CPU time. Since other load moves such ratios by more than two per cent, the seconds inside the recorder
(and in looking for dead units) are taken too, as a share of the epoch. The naive way is what a notebook does: after
each epoch a copy of every tensor to numpy, each statistic by numpy and scipy, and each number logged by a call of its
own to MLflow on sqlite. `files` is what a trial's table and figures take at its end, beside training, as a share of
such a trial of ten epochs.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _machine import describe_machine, today
from _numbers import spread
from scipy.spatial import distance

from tunetrack import training
from tunetrack.spec.config import TrialConfig
from tunetrack.spec.records import EpochRecord
from tunetrack.training.weight_stats import DeadUnits, WeightRecorder

NETS: dict[str, dict[str, Any]] = {
    "cnn, 3 layers of 64 filters": {"model": {"filters": 64, "num_layers": 3}, "train": 6400},
    "even_resnet, size 18": {"model": {"name": "even_resnet", "size": 18}, "train": 1280},
}
ARMS: dict[str, dict[str, Any]] = {
    "without": {"record": False},
    "every_epoch": {},
    "every_step": {"every_steps": 1},
    "naive": {"record": False},
}
BATCH, EPOCHS_OF_A_TRIAL = 64, 10
HAS_MLFLOW = importlib.util.find_spec("mlflow") is not None


class Clock:
    """Adds up the seconds inside some functions."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, timed."""

        @functools.wraps(function)
        def timed(*arguments: Any, **named: Any) -> Any:
            start = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - start

        return timed


class Naive:
    """Statistics as a notebook takes them."""

    def __init__(self, folder: Path, fit: training.Fit) -> None:
        from mlflow import MlflowClient

        uri = f"sqlite:///{folder / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=uri)
        experiment = self._client.create_experiment("naive", artifact_location=str(folder))
        self._run = self._client.create_run(experiment).info.run_id
        self._initial = self._previous = self._copies(fit)

    def _copies(self, fit: training.Fit) -> dict[str, np.ndarray[Any, Any]]:
        return {name: p.detach().cpu().numpy().ravel().copy() for name, p in fit.model.named_parameters()}

    def log(self, fit: training.Fit, epoch: int) -> int:
        """All numbers of one epoch; how many there were."""
        now, calls = self._copies(fit), 0
        for name, w in now.items():
            numbers = {
                "mean": w.mean(), "std": w.std(), "min": w.min(), "max": w.max(), "l1": np.abs(w).sum(),
                "l2": np.linalg.norm(w), "zeros": (w == 0).mean(), "near_zeros": (np.abs(w) < 1e-4).mean(),
            }  # fmt: skip
            for which, v in (("initial", self._initial[name]), ("previous", self._previous[name])):
                for kind in (distance.cityblock, distance.euclidean, distance.chebyshev):
                    numbers[f"{which}_{kind.__name__}"] = kind(w, v)
                if np.any(w) and np.any(v):
                    numbers[f"{which}_cosine"] = distance.cosine(w, v)
                if np.ptp(w) and np.ptp(v):
                    numbers[f"{which}_correlation"] = distance.correlation(w, v)
            np.histogram(w, 64)
            for key, value in numbers.items():
                self._client.log_metric(self._run, f"{name}/{key}", float(value), step=epoch)
            calls += len(numbers)
        self._previous = now
        return calls


def config_of(options: dict[str, Any], net: dict[str, Any], weights: dict[str, Any]) -> TrialConfig:
    """One of the trainings."""
    data_dir, device = options["data_dir"], options["device"]
    return TrialConfig.model_validate(
        {
            "data": {"name": "fashion_mnist", "dir": data_dir, "train": net["train"], "validation": net["train"] // 5},
            "model": net["model"],
            "optimizer": {"name": "adam", "lr": 1e-3},
            "trainer": {"epochs": 1000, "batch_size": BATCH, "threads": 1, "device": device},
            "weights": weights,
        }
    )


def measured(options: dict[str, Any], net: dict[str, Any], folder: Path) -> dict[str, Any]:
    """One network's rounds."""
    data = training.load_data(config_of(options, net, {}).data)
    arms = {name: weights for name, weights in ARMS.items() if HAS_MLFLOW or name != "naive"}
    fits = {name: training.fit(config_of(options, net, weights), data) for name, weights in arms.items()}
    epochs: dict[str, Iterator[EpochRecord]] = {name: iter(fit) for name, fit in fits.items()}
    naive, clock, calls = (Naive(folder, fits["naive"]) if HAS_MLFLOW else None), Clock(), 0
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    busy: dict[str, list[float]] = {name: [] for name in arms}
    inside: dict[str, list[float]] = {"every_epoch": [], "every_step": []}
    seen: dict[str, list[EpochRecord]] = {name: [] for name in arms}
    for owner, name in ((WeightRecorder, "before_step"), (WeightRecorder, "after_step"), (WeightRecorder, "end_epoch")):
        setattr(owner, name, clock.around(getattr(owner, name)))
    DeadUnits._hook = hooks_timed(DeadUnits._hook, clock)  # type: ignore[method-assign]
    DeadUnits.between_batches = clock.around(DeadUnits.between_batches)  # type: ignore[method-assign]
    for number in range(options["rounds"] + 1):  # the first round compiles and fills caches, and is not counted
        names = list(arms)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            clock.seconds = 0.0
            start, worked = time.perf_counter(), time.process_time()
            record = next(epochs[name])
            if name == "naive" and naive is not None:
                calls = naive.log(fits[name], record.epoch)
            took, worked = time.perf_counter() - start, time.process_time() - worked
            seen[name].append(record)
            if number:
                seconds[name].append(took)
                busy[name].append(worked)
                if name in inside:
                    inside[name].append(clock.seconds / took)
    return {
        "parameters": sum(p.numel() for p in fits["without"].model.parameters()),
        "images_an_epoch": net["train"],
        "steps_an_epoch": -(-net["train"] // BATCH),
        "epoch_seconds_without": spread(seconds["without"], 3),
        "epoch_time_ratio": ratios(seconds),
        "cpu_time_ratio": ratios(busy),
        "share_inside_percent": {name: spread([100 * one for one in shares], 2) for name, shares in inside.items()},
        **({"naive_metric_calls_an_epoch": calls} if HAS_MLFLOW else {}),
        **({"files": files(seen["every_epoch"], seconds["without"])} if HAS_MLFLOW else {}),
    }


def ratios(times: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """Each arm's epochs as multiples of those without statistics, round by round."""
    return {
        name: spread([a / b for a, b in zip(times[name], times["without"], strict=True)], 3)
        for name in times
        if name != "without"
    }


def hooks_timed(make: Callable[..., Any], clock: Clock) -> Callable[..., Any]:
    """`DeadUnits._hook`, whose hooks are timed."""
    return lambda self, name: clock.around(make(self, name))


def files(records: list[EpochRecord], without: list[float]) -> dict[str, float]:
    """What the table and the figures of a trial take, in the background, beside those of a trial without statistics."""
    from tunetrack.tracking.artifacts import TrialArtifacts, trial_files

    first = records[:EPOCHS_OF_A_TRIAL]
    bare = [EpochRecord(**{**vars(record), "weights": None}) for record in first]
    took = []
    for epochs in (bare, first):
        times = []
        for _ in range(5):
            start = time.perf_counter()
            made = trial_files("trial", epochs, TrialArtifacts())
            times.append(time.perf_counter() - start)
        took.append(min(times))
    trial = spread(without)["median"] * len(first)
    return {
        "epochs": len(first),
        "seconds": round(took[1] - took[0], 4),
        "share_of_the_trial_percent": round(100 * (took[1] - took[0]) / trial, 2),
        "table_kilobytes": round(sum(len(made[name]) for name in made if name.endswith("parquet")) / 1000, 1),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("TUNETRACK_DATA_DIR", "data"))
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    ending = "" if given.device == "cpu" else f"-{given.device}"
    output = given.output or Path(__file__).parent / "results" / f"weight_stats{ending}.json"
    torch.set_num_threads(1)
    load = round(os.getloadavg()[0], 2)
    nets = {}
    for name, net in NETS.items():
        with tempfile.TemporaryDirectory() as folder:
            nets[name] = measured(vars(given), net, Path(folder))
    result = {
        "what": "epoch time with weight statistics / without, in turns; Fashion-MNIST, batch 64, Adam, one thread",
        "date": today(),
        "machine": describe_machine(),
        "load_before": load,
        "rounds": given.rounds,
        "nets": nets,
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    output.write_text(text)


if __name__ == "__main__":
    main()
