"""Measures what real trainings scatter by: between seeds, between epochs, and image by image.

Run it with `python benchmarks/seed_spread.py --data-dir DIR` (DIR holds FashionMNIST/raw); about three minutes. The
result goes to `benchmarks/results/seed_spread.json`; `benchmarks/honesty.py` takes the sizes of its simulated
trainings from there. Small networks are trained on several seeds and answer the same validation images. Nothing is
timed, so other load does not matter.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from _machine import describe_machine, today
from scipy.optimize import brentq
from scipy.stats import multivariate_normal, norm

from tunetrack import training
from tunetrack.spec.config import TrialConfig
from tunetrack.stats.twoway import two_way

SEEDS = 5
DATA: dict[str, dict[str, Any]] = {
    "digits": {"name": "digits", "train": 1000, "validation": 400},
    "fashion_mnist": {"name": "fashion_mnist", "train": 6000, "validation": 10_000},
}
EPOCHS = {"digits": 12, "fashion_mnist": 6}
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "2 layers of 16, adam 0.001": {
        "model": {"filters": 16, "num_layers": 2},
        "optimizer": {"name": "adam", "lr": 1e-3},
    },
    "2 layers of 16, adam 0.005": {
        "model": {"filters": 16, "num_layers": 2},
        "optimizer": {"name": "adam", "lr": 5e-3},
    },
    "2 layers of 24, sgd 0.05": {
        "model": {"filters": 24, "num_layers": 2},
        "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9},
    },
}

Answers = npt.NDArray[np.bool_]


def trainings(name: str, data_dir: str) -> Iterator[tuple[Answers, list[float]]]:
    """For each configuration right answers (seeds, images), and the seeds' validation accuracies by epoch."""
    data, epochs = None, EPOCHS[name]
    for label, sections in CONFIGURATIONS.items():
        answers, curves = [], []
        for seed in range(SEEDS):
            config = TrialConfig.model_validate(
                {
                    "data": DATA[name] | ({} if name == "digits" else {"dir": data_dir}),
                    "trainer": {"epochs": epochs, "batch_size": 64, "threads": 1, "device": "cpu", "seed": seed},
                    **sections,
                }
            )
            data = data or training.load_data(config.data)
            fit = training.fit(config, data)
            curves.append([record.validation_accuracy for record in fit])
            said = fit.evaluate("validation").predictions
            assert said is not None
            answers.append(said.labels == said.predicted)
        print(f"{name}: {label}: {[round(curve[-1], 4) for curve in curves]}", flush=True)
        yield np.array(answers), curves


def latent(first: Answers, second: Answers) -> float:
    """Tetrachoric correlation of the answers of two groups of trainings, (seeds, images), over pairs of other seeds.

    It is that of two normal variables whose signs would agree as often as the answers do.
    """
    pairs = [(a, b) for a in range(len(first)) for b in range(len(second)) if a != b]
    both = float(np.mean([(first[a] & second[b]).mean() for a, b in pairs]))
    ends = norm.ppf([float(first.mean()), float(second.mean())])

    def excess(correlation: float) -> float:
        return float(multivariate_normal.cdf(ends, cov=[[1.0, correlation], [correlation, 1.0]])) - both

    return float(brentq(excess, -0.5, 0.9999, xtol=1e-4)) if excess(0.9999) > 0.0 else 1.0


def between_seeds(answers: Answers) -> float:
    """Standard deviation of the true accuracy between seeds: without what the number of images adds to it."""
    rest = answers - answers.mean(axis=0) - answers.mean(axis=1, keepdims=True) + answers.mean()
    seeds, images = answers.shape
    by_images = float((rest**2).sum()) / ((seeds - 1) * (images - 1)) / images
    return float(np.sqrt(max(answers.mean(axis=1).var(ddof=1) - by_images, 0.0)))


def shared(answers: list[Answers]) -> float:
    """How far a seed that is good for one configuration is good for another: mean correlation of their accuracies."""
    means = np.array([one.mean(axis=1) for one in answers])
    return float(np.corrcoef(means)[np.triu_indices(len(means), 1)].mean())


def wobble(curves: list[list[float]]) -> float:
    """Standard deviation of an epoch's accuracy about its neighbours, in the second half of training.

    The second difference of a smooth curve is next to nothing; of independent noise it has six times the variance.
    """
    second = np.diff(np.array(curves)[:, len(curves[0]) // 2 - 1 :], n=2, axis=1)
    return float(np.sqrt((second**2).mean() / 6.0))


def measured(name: str, data_dir: str) -> dict[str, Any]:
    """The sizes of one data set; accuracies and standard deviations in percentage points."""
    found = list(trainings(name, data_dir))
    answers, curves = [one for one, _ in found], [one for _, one in found]
    return {
        "train_images": DATA[name]["train"],
        "validation_images": DATA[name]["validation"],
        "accuracy": [rounded(100 * one.mean()) for one in answers],
        "sd_between_seeds": [rounded(100 * between_seeds(one)) for one in answers],
        "standard_error_over_images": [rounded(100 * two_way(one.astype(float)).by_image ** 0.5) for one in answers],
        "correlation_of_seeds_between_configurations": rounded(shared(answers)),
        "sd_between_epochs": [rounded(100 * wobble(one)) for one in curves],
        "best_epoch_minus_last": [
            rounded(100 * float(np.mean([max(curve) - curve[-1] for curve in one]))) for one in curves
        ],
        "latent_correlation_same_configuration": rounded(float(np.mean([latent(one, one) for one in answers]))),
        "latent_correlation_other_configuration": rounded(
            float(np.mean([latent(*pair) for pair in itertools.combinations(answers, 2)]))
        ),
    }


def rounded(value: float) -> float:
    return round(float(value), 3)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("TUNETRACK_DATA_DIR", "data"))
    parser.add_argument("--only", choices=[*DATA], help="one data set; nothing is written")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "seed_spread.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    result = {
        "what": f"{len(CONFIGURATIONS)} small networks, {SEEDS} seeds each, the same split; percentage points",
        "configurations": [*CONFIGURATIONS],
        "date": today(),
        "machine": describe_machine(),
        "data": {name: measured(name, given.data_dir) for name in ([given.only] if given.only else DATA)},
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    if not given.only:
        given.output.write_text(text)


if __name__ == "__main__":
    main()
