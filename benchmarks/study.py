"""Measures a whole study against the program that people glue together: same trials, same data, same epochs.

Run it with `python benchmarks/study.py --data-dir DIR` (DIR holds FashionMNIST/raw); about five minutes. The result
goes to `benchmarks/results/study.json`.

Both sides train the same four configurations (3 layers of 64 filters, batch 64, Adam with learning rates 1e-3 and 3e-3
and weight decays 0 and 1e-4, one thread) for two epochs, validate on 2,000 images after each, and track everything in
MLflow on local sqlite. The glued program is Optuna's `study.optimize`, torchvision transforms, a DataLoader, and
MLflow's fluent calls, one a metric, with mean, deviation, smallest, largest and norm of every layer each epoch (the
second glued arm leaves these statistics out). tunetrack proposes, tracks curves, confusion matrices and weights of
every trial, measures the best one on the test images, stores it as an MLflow model and writes its report; it takes no
layer statistics. Each study is a fresh process; imports are not counted. A round is one turn of each, so that whatever
else the machine does hits all alike.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _numbers import spread

ARMS = {
    "glued": "Optuna's optimize, torchvision transforms, DataLoader, fluent MLflow with statistics of every layer",
    "glued_without_statistics": "the same without the statistics of every layer",
    "tunetrack": "tunetrack.run_study",
}
FILTERS, RATES, DECAYS = 64, (1e-3, 3e-3), (0.0, 1e-4)
TRIALS, EPOCHS, VALIDATION = 4, 2, 2000


def tunetrack_study(home: Path, data_dir: str, train: int) -> tuple[float, dict[str, float]]:
    """Seconds and final validation accuracies of our study."""
    import mlflow.pytorch  # noqa: F401  (imports are not what is measured)
    import torchvision  # noqa: F401

    import tunetrack
    from tunetrack import ledger, report, tracking, training  # noqa: F401

    study = {
        "name": "benchmark",
        "data": {"name": "fashion_mnist", "dir": data_dir, "train": train, "validation": VALIDATION},
        "model": {"filters": FILTERS, "num_layers": 3},
        "optimizer": {
            "name": "adam",
            "lr": {"choices": list(RATES)},
            "weight_decay": {"choices": list(DECAYS)},
        },
        "trainer": {"epochs": EPOCHS, "batch_size": 64, "threads": 1, "device": "cpu"},
        "sampler": {"name": "brute_force"},
        "budget": {"trials": TRIALS},
    }
    start = time.perf_counter()
    result = tunetrack.run_study(study, home=str(home))
    seconds = time.perf_counter() - start
    rows = result.frame()
    columns = (rows["optimizer.lr"], rows["optimizer.weight_decay"], rows["validation/accuracy"])
    return seconds, {_key(rate, decay): float(value) for rate, decay, value in zip(*columns, strict=True)}


def glued_study(home: Path, data_dir: str, train: int, *, layers: bool) -> tuple[float, dict[str, float]]:
    """Seconds and final validation accuracies of the glued program."""
    import mlflow
    import optuna
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, Subset
    from torchvision import datasets, transforms

    mlflow.set_tracking_uri(f"sqlite:///{home / 'mlflow.db'}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    accuracies = {}

    def objective(trial: optuna.Trial) -> float:
        rate = trial.suggest_categorical("lr", RATES)
        decay = trial.suggest_categorical("weight_decay", DECAYS)
        torch.manual_seed(0)
        blocks: list[nn.Module] = []
        for channels in (1, FILTERS, FILTERS):
            blocks += [nn.Conv2d(channels, FILTERS, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        net = nn.Sequential(*blocks, nn.Flatten(), nn.Linear(FILTERS * 9, 10))
        optimizer = torch.optim.Adam(net.parameters(), lr=rate, weight_decay=decay)
        with mlflow.start_run(nested=True):
            mlflow.log_params(trial.params)
            for epoch in range(EPOCHS):
                total = 0.0
                net.train()
                for images, labels in train_loader:
                    optimizer.zero_grad()
                    loss = nn.functional.cross_entropy(net(images), labels)
                    loss.backward()
                    optimizer.step()
                    total += loss.item() * len(labels)
                mlflow.log_metric("train_loss", total / train, step=epoch)
                right, loss_sum = 0, 0.0
                net.eval()
                with torch.no_grad():
                    for images, labels in validation_loader:
                        out = net(images)
                        loss_sum += nn.functional.cross_entropy(out, labels).item() * len(labels)
                        right += int((out.argmax(1) == labels).sum())
                mlflow.log_metric("val_loss", loss_sum / VALIDATION, step=epoch)
                mlflow.log_metric("val_accuracy", right / VALIDATION, step=epoch)
                for name, weight in net.named_parameters() if layers else ():
                    mlflow.log_metric(f"{name}/mean", weight.mean().item(), step=epoch)
                    mlflow.log_metric(f"{name}/std", weight.std().item(), step=epoch)
                    mlflow.log_metric(f"{name}/min", weight.min().item(), step=epoch)
                    mlflow.log_metric(f"{name}/max", weight.max().item(), step=epoch)
                    mlflow.log_metric(f"{name}/norm", weight.norm().item(), step=epoch)
            torch.save(net.state_dict(), home / "weights.pt")
            mlflow.log_artifact(str(home / "weights.pt"))
        accuracies[_key(rate, decay)] = right / VALIDATION
        return right / VALIDATION

    start = time.perf_counter()
    change = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.2860,), (0.3530,))])
    images = datasets.FashionMNIST(data_dir, train=True, transform=change)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).tolist()
    train_loader = DataLoader(Subset(images, order[:train]), batch_size=64, shuffle=True)
    validation_loader = DataLoader(Subset(images, order[train : train + VALIDATION]), batch_size=64)
    mlflow.set_experiment("benchmark")
    with mlflow.start_run():
        storage = f"sqlite:///{home / 'optuna.db'}"
        study = optuna.create_study(
            storage=storage, direction="maximize", sampler=optuna.samplers.BruteForceSampler(seed=0)
        )
        study.optimize(objective, n_trials=TRIALS)
    return time.perf_counter() - start, accuracies


def _key(rate: Any, decay: Any) -> str:
    return f"lr {float(rate):g}, weight decay {float(decay):g}"


def serve(arm: str, data_dir: str, train: int) -> None:
    """The child: one study, its answer as one JSON line on stdout."""
    with tempfile.TemporaryDirectory() as folder:
        if arm == "tunetrack":
            seconds, accuracies = tunetrack_study(Path(folder), data_dir, train)
        else:
            seconds, accuracies = glued_study(Path(folder), data_dir, train, layers=arm == "glued")
    print(json.dumps({"seconds": seconds, "accuracies": accuracies}))


def ask(arm: str, data_dir: str, train: int) -> dict[str, Any]:
    """One study in a process of its own."""
    command = [sys.executable, __file__, "--serve", arm, "--data-dir", data_dir, "--train", str(train)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{arm} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return answer


def compare(data_dir: str, train: int, rounds: int) -> dict[str, Any]:
    """All arms with so many training images, in turns."""
    answers: dict[str, list[dict[str, Any]]] = {arm: [] for arm in ARMS}
    for number in range(1, rounds + 1):
        for arm, found in answers.items():
            found.append(ask(arm, data_dir, train))
            print(f"{train} images, round {number}, {arm}: {found[-1]['seconds']:.1f} s", file=sys.stderr)
    seconds = {arm: [answer["seconds"] for answer in found] for arm, found in answers.items()}
    accuracy = {arm: [statistics.mean(a["accuracies"].values()) for a in found] for arm, found in answers.items()}
    times = {
        arm: spread([theirs / ours for theirs, ours in zip(seconds[arm], seconds["tunetrack"], strict=True)])
        for arm in ARMS
        if arm != "tunetrack"
    }
    return {
        "training_images": train,
        "rounds": rounds,
        "seconds": {arm: spread(values) for arm, values in seconds.items()},
        "times_as_long_as_tunetrack": times,
        "mean_validation_accuracy_of_the_four": {arm: spread(values, 4) for arm, values in accuracy.items()},
        "accuracies_in_round_1": {arm: found[0]["accuracies"] for arm, found in answers.items()},
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("TUNETRACK_DATA_DIR", "data"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", type=int, nargs="+", default=[6400, 25600], help="training images of a trial")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "study.json")
    parser.add_argument("--serve", choices=ARMS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve(given.serve, given.data_dir, given.train[0])
        return
    from _machine import describe_machine, today

    load = round(os.getloadavg()[0], 2)
    result = {
        "what": f"{TRIALS} trials, {EPOCHS} epochs of Fashion-MNIST, 64 filters, batch 64, one thread, local sqlite",
        "arms": ARMS,
        "date": today(),
        "machine": describe_machine(),
        "load_average_at_start": load,
        "studies": [compare(given.data_dir, train, given.rounds) for train in given.train],
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    given.output.write_text(text)


if __name__ == "__main__":
    main()
