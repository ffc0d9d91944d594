"""Measures our trainer against two anchors in one run: a plain PyTorch loop, and the hardware's matrix-product rate.

Run it with `python benchmarks/trainer.py --data-dir DIR` (DIR holds FashionMNIST/raw); about 20 minutes, `--quick` one.
The result goes to `benchmarks/results/trainer.json`; with `--device cuda` to `trainer-cuda.json`. Images per second,
the share of the matrix rate (of the precision that tunetrack trains in), and the accuracy that both reach.

Every way of training ("arm") lives in a process of its own, since the allocator's settings are the process's. Only one
works at a time: a round is one turn of every arm, so that whatever else the machine does hits all of them alike, and
each round gives a ratio. The plain loop is what the tutorials write: torchvision's data set with ToTensor and
Normalize, DataLoader(num_workers=0), float32, Adam. For the accuracy, both start from the same weights and see the
images in the same order, so that seeds are compared in pairs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from _machine import describe_machine, today
from _numbers import spread
from torch import nn
from torch.utils.benchmark import Timer
from torch.utils.data import DataLoader, RandomSampler
from torch.utils.flop_counter import FlopCounterMode
from torchvision import datasets, transforms

from tunetrack import training
from tunetrack.spec.config import TrialConfig
from tunetrack.training import pooling
from tunetrack.training.hardware import keep_freed_memory, use_bf16
from tunetrack.training.seeding import stream_seeds

BATCH = 64
ARMS = {
    "plain": "torchvision transforms + DataLoader + Adam, float32",
    "plain_malloc": "the plain loop with our allocator settings",
    "tunetrack_fp32": "tunetrack with precision: fp32",
    "tunetrack_torch_pooling": "tunetrack with torch's own max pooling",
    "tunetrack_compile": "tunetrack with compile: true",
    "tunetrack_augment": "tunetrack with rotation, translation and mirroring of every image",
    "tunetrack": "tunetrack as configured by default (precision: auto)",
}
#: What is worth a turn on each kind of device.
TURNS = {
    "cpu": ("plain", "plain_malloc", "tunetrack_fp32", "tunetrack_torch_pooling", "tunetrack_augment", "tunetrack"),
    "cuda": ("plain", "tunetrack_fp32", "tunetrack_compile", "tunetrack_augment", "tunetrack"),
}


def config_of(options: dict[str, Any], arm: str, seed: int, epochs: int) -> TrialConfig:
    """What tunetrack trains in one of its arms."""
    sizes: dict[str, Any] = {"train": options["train"], "validation": options["validation"]}
    if arm == "tunetrack_augment":
        sizes["augment"] = {"rotation": 10.0, "translation": 0.1, "horizontal_flip": True}
    return TrialConfig.model_validate(
        {
            "data": {"name": "fashion_mnist", "dir": options["data_dir"], **sizes},
            "model": {"filters": 64, "kernel_size": 3, "num_layers": 3},
            "optimizer": {"name": "adam", "lr": 1e-3},
            "trainer": {
                **{"epochs": epochs, "batch_size": BATCH, "threads": 1, "seed": seed, "device": options["device"]},
                "precision": "fp32" if arm == "tunetrack_fp32" else "auto",
                "compile": arm == "tunetrack_compile",
            },
        }
    )


def plain_net() -> nn.Module:
    """The network that all arms train, as people write it."""
    layers: list[nn.Module] = []
    for channels in (1, 64, 64):
        layers += [nn.Conv2d(channels, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 9, 10))


class Plain:
    """The loop that people write."""

    def __init__(self, data: training.ResidentData, data_dir: str, device: str) -> None:
        self._device = torch.device(device)
        change = transforms.Compose([transforms.ToTensor(), transforms.Normalize(data.mean, data.std)])
        self._sets = {}
        for name in ("train", "validation", "test"):
            split = data.split(name)
            images = datasets.FashionMNIST(data_dir, train=True, transform=change)
            images.data, images.targets = split.images[:, 0], split.labels
            self._sets[name] = images

    def train(self, seed: int, epochs: int) -> nn.Module:
        """Train with the weights and the order that our trainer takes from this seed."""
        weights_seed, order_seed, _ = stream_seeds(seed)
        torch.manual_seed(weights_seed)
        net = plain_net().to(self._device)
        optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
        order = RandomSampler(self._sets["train"], generator=torch.Generator().manual_seed(order_seed))
        loader = DataLoader(self._sets["train"], batch_size=BATCH, sampler=order)
        for _ in range(epochs):
            for host_images, host_labels in loader:
                images, labels = host_images.to(self._device), host_labels.to(self._device)
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(net(images), labels)
                loss.backward()
                optimizer.step()
        return net

    def accuracy(self, net: nn.Module, split: str) -> float:
        """The fraction that is right."""
        right = 0
        net.eval()
        with torch.no_grad():
            for images, labels in DataLoader(self._sets[split], batch_size=512):
                right += int((net(images.to(self._device)).argmax(dim=1).cpu() == labels).sum())
        return right / len(self._sets[split])


def _serve(arm: str, options: dict[str, Any]) -> None:
    """The child: answer one JSON line on stdin with one on stdout, until stdin ends."""
    torch.set_num_threads(1)
    data = training.load_data(config_of(options, arm, 0, 1).data)
    plain = Plain(data, options["data_dir"], options["device"]) if arm.startswith("plain") else None
    if arm == "plain_malloc":
        keep_freed_memory()
    if arm == "tunetrack_torch_pooling":
        pooling.MOST_THREADS = 0

    def run(seed: int, epochs: int, evaluate: bool) -> dict[str, float]:
        start = time.perf_counter()
        if plain is not None:
            net = plain.train(seed, epochs)
            seconds = time.perf_counter() - start
            score: Callable[[str], float] = lambda split: plain.accuracy(net, split)  # noqa: E731
        else:
            fit = training.fit(config_of(options, arm, seed, epochs), data)
            seconds = sum(len(data.train) / record.images_per_second for record in fit)
            score = lambda split: fit.evaluate(split).accuracy  # noqa: E731
        answer = {"seconds": seconds, "images_per_second": epochs * len(data.train) / seconds}
        if arm == "tunetrack" and not evaluate:
            answer["matrix_flops"] = _matrix_rate(options["device"])
        return {**answer, **({split: score(split) for split in ("validation", "test")} if evaluate else {})}

    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(**json.loads(line))), flush=True)


def _matrix_rate(device: str) -> float:
    """Floating-point operations a second of large matrix products, in the precision that tunetrack trains in here."""
    config = TrialConfig.model_validate({"data": {"name": "digits"}}).trainer
    bf16 = use_bf16(config, torch.device(device))
    side = 1024 if device == "cpu" else 8192
    left, right = (torch.randn(side, side, device=device).to(torch.bfloat16 if bf16 else torch.float32) for _ in "ab")
    return float(
        2.0 * side**3 / Timer("left @ right", globals={"left": left, "right": right}).blocked_autorange().median
    )


def _flops_per_image() -> float:
    """Of one training step, by torch's counter: forward, and backward to weights and inner maps."""
    net = plain_net()
    with FlopCounterMode(display=False) as counter:
        net(torch.zeros(1, 1, 28, 28)).sum().backward()
    return float(counter.get_total_flops())


class Arm:
    """One child process, asked over its pipes."""

    def __init__(self, name: str, options: dict[str, Any], script: str = __file__) -> None:
        command = [sys.executable, script, "--serve", name, "--options", json.dumps(options)]
        self._child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._read()

    def _read(self) -> Any:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        if not line:
            raise RuntimeError(f"a benchmark process ended with {self._child.wait()}")
        return json.loads(line)

    def ask(self, seed: int, epochs: int, *, evaluate: bool) -> dict[str, float]:
        """Train once and wait for the answer."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps({"seed": seed, "epochs": epochs, "evaluate": evaluate}) + "\n")
        self._child.stdin.flush()
        answer: dict[str, float] = self._read()
        return answer

    def close(self) -> None:
        """End the process."""
        self._child.communicate()


def _speed(options: dict[str, Any], rounds: int) -> dict[str, Any]:
    turns = TURNS[options["device"]]
    arms = {name: Arm(name, options) for name in turns}
    rates: dict[str, list[float]] = {name: [] for name in turns}
    limits = []
    for number in range(rounds + 1):  # the first round warms up and is not counted
        for name, arm in arms.items():
            answer = arm.ask(number, 1, evaluate=False)
            if number > 0:
                rates[name].append(answer["images_per_second"])
                limits += [answer["matrix_flops"]] if name == "tunetrack" else []
                print(f"round {number} {name}: {rates[name][-1]:.0f} images/s", file=sys.stderr)
    for arm in arms.values():
        arm.close()
    ratios = {
        name: spread([ours / plain for ours, plain in zip(rates[name], rates["plain"], strict=True)], 2)
        for name in turns
        if name != "plain"
    }
    work = _flops_per_image()
    shares = [100.0 * rate * work / limit for rate, limit in zip(rates["tunetrack"], limits, strict=True)]
    return {
        "images_per_round": options["train"],
        "rounds": rounds,
        "arms": {name: ARMS[name] for name in turns},
        "images_per_second": {name: spread(values, 0) for name, values in rates.items()},
        "ratio_to_plain": ratios,
        "flops_per_image": work,
        "matrix_gflops": spread([limit / 1e9 for limit in limits], 0),
        "percent_of_matrix_rate": spread(shares, 1),
    }


def _accuracy(options: dict[str, Any], seeds: int, epochs: int) -> dict[str, Any]:
    names = ("plain", "tunetrack")
    arms = {name: Arm(name, options) for name in names}
    rows = []
    for seed in range(seeds):
        row: dict[str, Any] = {"seed": seed}
        for name, arm in arms.items():
            answer = arm.ask(seed, epochs, evaluate=True)
            row[name] = {split: round(answer[split], 4) for split in ("validation", "test")}
        rows.append(row)
        print(row, file=sys.stderr)
    for arm in arms.values():
        arm.close()
    differences = {
        split: round(100.0 * statistics.mean(row["tunetrack"][split] - row["plain"][split] for row in rows), 2)
        for split in ("validation", "test")
    }
    sizes = {split: options[split] for split in ("train", "validation")}
    return {**sizes, "test": 10000, "epochs": epochs, "seeds": rows, "mean_difference_percentage_points": differences}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("TUNETRACK_DATA_DIR", "data"))
    parser.add_argument("--device", choices=TURNS, default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round-train", type=int, help="images of a timed round; default 6400, on a GPU 50000")
    parser.add_argument("--train", type=int, nargs="+", default=[20000, 50000], help="training images for the accuracy")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="two rounds, one seed, few images; writes nothing")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--serve", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--options", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        _serve(given.serve, json.loads(given.options))
        return
    if given.quick:
        given.rounds, given.round_train, given.train, given.seeds = 2, 3200, [6400], 1
    on_gpu = given.device == "cuda"
    given.round_train = given.round_train or (50000 if on_gpu else 6400)
    given.output = given.output or Path(__file__).parent / "results" / (
        "trainer-cuda.json" if on_gpu else "trainer.json"
    )
    options = {"data_dir": given.data_dir, "validation": 10000, "device": given.device}
    result = {
        "what": "Fashion-MNIST, 3 layers of 64 filters, kernel 3, max-pool 2, batch 64, Adam, one thread each",
        "date": today(),
        "machine": describe_machine(),
        "load_average_at_start": round(os.getloadavg()[0], 2),
        "speed": _speed({**options, "train": given.round_train}, given.rounds),
        "accuracy": [_accuracy({**options, "train": train}, given.seeds, given.epochs) for train in given.train],
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    if not given.quick:
        given.output.write_text(text)


if __name__ == "__main__":
    main()
