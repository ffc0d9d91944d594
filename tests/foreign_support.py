"""Experiments that others have published, logged as their own programs would have: by the plain MLflow API.

Final values, settings and names are those of the originals' reports; curves between the first epoch and the last are
drawn, since the originals do not give them. Nothing here knows tunetrack.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

__all__ = ["EXPERIMENTS", "log_run"]

START_MS = 1_710_000_000_000
Curves = Mapping[str, Sequence[float]]


def log_run(
    client: MlflowClient,
    experiment: str,
    name: str,
    params: Mapping[str, Any],
    curves: Curves,
    minute: int = 0,
) -> str:
    """One run with its curves (step 0 is the first epoch, and what has one value stands there) and params; its id."""
    found = client.get_experiment_by_name(experiment)
    number = found.experiment_id if found else client.create_experiment(experiment)
    start = START_MS + 60_000 * minute
    run = client.create_run(number, start_time=start, run_name=name)
    points = [
        Metric(metric, value, start + 1000 * step, step)
        for metric, values in curves.items()
        for step, value in enumerate(values)
    ]
    client.log_batch(run.info.run_id, metrics=points, params=[Param(key, str(value)) for key, value in params.items()])
    client.set_terminated(run.info.run_id, end_time=start + 55_000)
    return str(run.info.run_id)


def falling(first: float, last: float, epochs: int, rng: random.Random, jitter: float = 0.01) -> list[float]:
    """A loss from its first to its last value, along an exponential."""
    if epochs == 1:
        return [last]
    ratio = (last / first) ** (1 / (epochs - 1))
    middle = [first * ratio**epoch * rng.uniform(1 - jitter, 1 + jitter) for epoch in range(1, epochs - 1)]
    return [first, *middle, last]


def on_images(first: float, best: float, epochs: int, images: int, rng: random.Random) -> list[float]:
    """An accuracy that rises to its best value and scatters below it, in whole images; the last one is not best."""
    peak = max(1, epochs - 1 - rng.randrange(1, max(2, epochs // 3)))
    values = []
    for epoch in range(epochs):
        height = first + (best - first) * min(1.0, 1.5 * epoch / max(1, peak))
        share = best if epoch == peak else min(best, height) - rng.choice([1, 1, 2]) / images
        values.append(round(max(0.0, share) * images) / images)
    return values


def digits_grids(client: MlflowClient, root: Path) -> None:
    """Learning rate x batch size, then optimizer x weight decay, on 800 digits: best of 20 epochs, 100 test digits.

    As https://github.com/fjarmula/DeepLearningPipeline reports them in sections 1 and 2: the name of a run has no
    weight decay in it, no seed is set, accuracies are percentages.
    """
    rng = random.Random(0)
    grid = {
        1e-4: (92, 93, 93, 93, 90),
        1e-3: (97, 94, 95, 94, 93),
        1e-2: (95, 94, 96, 90, 96),
        1e-1: (15, 15, 15, 14, 15),
    }
    runs = [
        ("adam", lr, batch, 0.0, percent)
        for lr, row in grid.items()
        for batch, percent in zip((8, 16, 32, 64, 128), row, strict=True)
    ]
    runs += [
        ("adam", 1e-2, 8, 0.0, 87),
        ("adam", 1e-2, 8, 1e-4, 91),
        ("sgd", 1e-2, 8, 0.0, 93),
        ("sgd", 1e-2, 8, 1e-4, 95),
    ]
    runs += [
        ("adam", 1e-4, 8, 0.0, 93),
        ("adam", 1e-4, 8, 1e-4, 94),
        ("sgd", 1e-4, 8, 0.0, 84),
        ("sgd", 1e-4, 8, 1e-4, 84),
    ]
    for minute, (optimizer, lr, batch, decay, percent) in enumerate(runs):
        learns = percent > 20
        accuracy = on_images(0.6, percent / 100, 20, 100, rng) if learns else [percent / 100] * 20
        curves = {
            "Loss/train": falling(2.0, 0.02, 20, rng) if learns else [746.94, *[2.31] * 19],
            "Loss/val": falling(1.2, 0.25, 20, rng) if learns else [2.4, *[2.31] * 19],
            "Accuracy/val": [100 * value for value in accuracy],
        }
        params = {
            "arch": "SimpleCNN", "lr": lr, "batch_size": batch, "optimizer": optimizer, "weight_decay": decay,
            "epochs": 20, "seed": None, "transform": "standard", "subset_train": 800, "subset_test": 100,
        }  # fmt: skip
        name = f"SimpleCNN_lr{lr}_bs{batch}_{optimizer}_seedNone_standard"
        log_run(client, "digits-grids", name, params, curves | {"best_val_acc": [float(percent)]}, minute)


def digits_seeds(client: MlflowClient, root: Path) -> None:
    """Three runs without a seed and three with 42, on 400 digits and 30 test digits: sections 4."""
    rng = random.Random(1)
    fixed = {"Loss/train": falling(2.2015, 0.03, 50, rng), "Accuracy/val": on_images(0.5, 29 / 30, 50, 30, rng)}
    for minute, (seed, right) in enumerate([(None, 29), (None, 28), (None, 29), (42, 29), (42, 29), (42, 29)]):
        own = {
            "Loss/train": falling(rng.uniform(2.15, 2.3), rng.uniform(0.02, 0.05), 50, rng),
            "Accuracy/val": on_images(0.5, right / 30, 50, 30, rng),
        }
        percent = {
            k: [100 * v for v in values] if "Acc" in k else values for k, values in (fixed if seed else own).items()
        }
        params = {"arch": "Stabilized", "lr": 1e-3, "batch_size": 16, "optimizer": "sgd", "epochs": 50, "seed": seed}
        name = f"Stabilized_lr0.001_bs16_sgd_seed{seed}_standard"
        log_run(client, "digits-seeds", name, params, percent | {"best_val_acc": [100 * right / 30]}, minute)


def digits_augmentation(client: MlflowClient, root: Path) -> None:
    """Standard and augmented training on 400 digits, 30 test digits that are augmented, too: section 5."""
    rng = random.Random(2)
    for minute, (transform, right, loss) in enumerate([("standard", 28, 0.0229), ("augmented", 26, 0.5607)]):
        curves = {
            "Loss/train": falling(2.2, loss, 50, rng),
            "Accuracy/val": [100 * value for value in on_images(0.4, right / 30, 50, 30, rng)],
        }
        params = {"arch": "SimpleCNN", "lr": 1e-3, "batch_size": 16, "optimizer": "sgd", "epochs": 50, "seed": 42}
        params |= {"transform": transform, "subset_train": 400, "subset_test": 30}
        name = f"SimpleCNN_lr0.001_bs16_sgd_seed42_{transform}"
        log_run(client, "digits-augmentation", name, params, curves | {"best_val_acc": [100 * right / 30]}, minute)


def block_cnn_parameters(filters: int) -> int:
    """Parameters of four blocks of two 3x3 convolutions, maps pooled to 3x3, and two linear layers."""
    convolutions = (9 * filters + filters) + 9 * (9 * filters**2 + filters)
    return convolutions + (9 * filters**2 + filters) + 10 * filters + 10


def fashion_search(client: MlflowClient, root: Path) -> None:
    """Three trials of Hyperopt's TPE, as an objective logs them that draws three values and uses one.

    The network is built with kernel size 3 and 4 layers whatever was drawn; metrics are those of the test loader, and
    the whole model is stored under the minute of its end.
    """
    rng = random.Random(3)
    drawn = [
        (88, 4, 2, 0.5893, 0.6459, 5113 / 6400),
        (64, 5, 9, 0.64, 0.70, 4931 / 6400),
        (96, 2, 6, 0.60, 0.66, 5057 / 6400),
    ]
    for minute, (filters, kernel, layers, test, train, accuracy) in enumerate(drawn):
        curves = {
            "Loss/train": falling(1.1, train, 3, rng),
            "Loss/test": falling(0.9, test, 3, rng),
            "metric/Accuracy": [accuracy - 640 / 6400, accuracy - 201 / 6400, accuracy],
            "learning_rate": [1e-3] * 3,
        }
        params = {"filters": filters, "kernel_size": kernel, "num_layers": layers, "batchsize": 64}
        run = log_run(client, "fashion-search", f"sneaky-{minute}", params, curves, minute)
        # The first two ended within one minute.
        file = root / f"20240309-16{max(0, minute - 1):02d}model.pt"
        file.write_bytes(bytes(4 * block_cnn_parameters(filters) + 9_000))
        client.log_artifact(run, str(file), "pytorch_models")


def fashion_longer(client: MlflowClient, root: Path) -> None:
    """88 filters for 3 epochs against 64 for 20: what the report calls the effect of longer training."""
    rng = random.Random(4)
    for minute, (filters, epochs, train, test, accuracy) in enumerate(
        [(88, 3, 0.6459, 0.5893, 0.7988), (64, 20, 0.3332, 0.3766, 0.8627)]
    ):
        curves = {
            "Loss/train": falling(1.1, train, epochs, rng),
            "Loss/test": falling(0.9, test, epochs, rng),
            "metric/Accuracy": [accuracy - 0.1 * (1 - epoch / (epochs - 1)) for epoch in range(epochs)],
        }
        params = {"filters": filters, "epochs": epochs, "batchsize": 64, "valid_samples": 6400}
        log_run(client, "fashion-longer", f"run-{minute}", params, curves, minute)


def fashion_optimizers(client: MlflowClient, root: Path) -> None:
    """Adam against AdamW, where batch norm and dropout were left on for AdamW: 89 to 90 %."""
    rng = random.Random(5)
    runs: list[tuple[str, float, float, bool, float, float]] = [("Adam", 1e-3, 1e-5, False, 0.0, 0.9038)]
    runs += [("AdamW", lr, decay, True, 0.3, rng.uniform(0.89, 0.90)) for lr in (3e-4, 1e-3) for decay in (1e-3, 1e-2)]
    for minute, (optimizer, lr, decay, norm, dropout, accuracy) in enumerate(runs):
        curves = {
            "Loss/train": falling(0.9, 0.24, 20, rng),
            "Loss/test": falling(0.8, 0.27, 20, rng),
            "metric/Accuracy": [accuracy - 0.1 * (1 - epoch / 19) for epoch in range(20)],
        }
        params = {"optimizer": optimizer, "lr": lr, "weight_decay": decay, "batchnorm": norm, "dropout": dropout}
        log_run(client, "fashion-optimizers", f"opt-{minute}", params | {"valid_samples": 6400}, curves, minute)


def compact_digits(client: MlflowClient, root: Path) -> None:
    """Four networks that shrink, 15 epochs each, the test set after every epoch; the last one gets augmentation."""
    rng = random.Random(6)
    runs = [
        ("iteration 1", 194_884, 0.961, 0.988, {}),
        ("iteration 2", 10_790, 0.985, 0.983, {}),
        ("iteration 3", 10_970, 0.972, 0.990, {"batch_norm": True, "dropout": 0.05}),
        (
            "iteration 4",
            7_904,
            0.983,
            0.994,
            {"batch_norm": True, "dropout": 0.05, "rotation": 7, "scheduler": "StepLR"},
        ),
    ]
    for minute, (name, parameters, first, last, more) in enumerate(runs):
        accuracy = [round(first + (last - first) * epoch / 14 + rng.uniform(-0.001, 0.001), 4) for epoch in range(14)]
        curves = {
            "test_acc": [*accuracy, last],
            "test_loss": falling(0.12, 0.03, 15, rng),
            "train_loss": falling(0.4, 0.02, 15, rng),
        }
        params = {"net": name, "batch_size": 64, "epochs": 15, "momentum": 0.9, "total_params": parameters, **more}
        log_run(client, "compact-digits", name, params, curves, minute)


def depth_of_updates(client: MlflowClient, root: Path) -> None:
    """Plain and residual networks on two data sets, five epochs, one run each; the test images are called valid."""
    finals = {
        ("mnist", 18): (0.9868, 0.9868), ("mnist", 68): (0.1193, 0.9827), ("mnist", 101): (0.2114, 0.9733),
        ("cifar10", 18): (0.6405, 0.6831), ("cifar10", 68): (0.2775, 0.7290), ("cifar10", 101): (0.1617, 0.5742),
    }  # fmt: skip
    before = {("mnist", 68, False): 0.5116, ("cifar10", 101, True): 0.6725}
    rng = random.Random(7)
    minute = 0
    for (dataset, size), pair in finals.items():
        for residual, last in zip((False, True), pair, strict=True):
            fourth = before.get((dataset, size, residual), last - 0.002)
            curves = {
                "train_loss": falling(1.5, max(0.05, 2 * (1 - last)), 5, rng),
                "valid_loss": falling(1.4, max(0.05, 2.2 * (1 - last)), 5, rng),
                "valid_accuracy": [0.5 * last, 0.8 * last, 0.9 * min(last, fourth), fourth, last],
            }
            sign = "+" if residual else "-"
            params = {"dataset": dataset, "size": size, "residual": residual, "batch_size": 1024, "epochs": 5}
            log_run(client, "depth-of-updates", f"ResNet{sign}{size} {dataset}", params | {"lr": 1e-3}, curves, minute)
            minute += 1


def voxel_notebook(client: MlflowClient, root: Path) -> None:
    """Two 3-D networks as Keras logs them: architecture and dropout changed at once, validation that swings."""
    rng = random.Random(8)
    still = [0.6 - 0.3 * 0.7**epoch + rng.uniform(-0.004, 0.004) for epoch in range(30)]
    swings = [0.55 + (0.06 if epoch % 2 else -0.05) * (1 if epoch > 4 else 0) for epoch in range(29)]
    nets = [("sequential", 0.5, 0.95, [*still], 1.6), ("resnet", 0.0, 0.99, [*swings, 0.5], 3.1)]
    for minute, (name, dropout, train, held, loss) in enumerate(nets):
        low = 1.2
        curves = {
            "accuracy": [train - 0.7 * 0.8**epoch for epoch in range(30)],
            "loss": falling(2.2, 1.1 - train, 30, rng),
            "val_accuracy": held,
            "val_loss": [*falling(2.0, low, 8, rng), *[low + (loss - low) * step / 22 for step in range(1, 23)]],
        }
        params = {"architecture": name, "dropout": dropout}
        log_run(client, "voxel-notebook", f"20250130-20{14 + 31 * minute}", params, curves, minute)


EXPERIMENTS = {
    "digits-grids": digits_grids,
    "digits-seeds": digits_seeds,
    "digits-augmentation": digits_augmentation,
    "fashion-search": fashion_search,
    "fashion-longer": fashion_longer,
    "fashion-optimizers": fashion_optimizers,
    "compact-digits": compact_digits,
    "depth-of-updates": depth_of_updates,
    "voxel-notebook": voxel_notebook,
}
