"""Measures what bfloat16 does to the accuracy: pairs of trainings that differ in nothing else.

Run it with `python benchmarks/precision.py --data-dir DIR` (DIR holds FashionMNIST/raw); about three minutes. The
result goes to `benchmarks/results/precision.json`. Each pair has the same weights, the same order of images and the
same data; nothing is timed, so other load does not matter. In float32 our loop gives the plain loop's weights
(`tests/parity`).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from pathlib import Path
from typing import Any

import torch
from _machine import describe_machine, today

from tunetrack import training
from tunetrack.spec.config import TrialConfig

RATES = (1e-3, 3e-3)
TRAIN, VALIDATION, EPOCHS = 6400, 2000, 2


def config_of(data_dir: str, seed: int, precision: str, lr: float) -> TrialConfig:
    """The network of `benchmarks/trainer.py`, as short as in `benchmarks/study.py`."""
    return TrialConfig.model_validate(
        {
            "data": {"name": "fashion_mnist", "dir": data_dir, "train": TRAIN, "validation": VALIDATION},
            "model": {"filters": 64, "num_layers": 3},
            "optimizer": {"name": "adam", "lr": lr},
            "trainer": {"epochs": EPOCHS, "batch_size": 64, "threads": 1, "device": "cpu"}
            | {"seed": seed, "precision": precision},
        }
    )


def pair(data: training.ResidentData, data_dir: str, seed: int, lr: float) -> dict[str, Any]:
    """Test accuracies of one training in each precision."""
    row: dict[str, Any] = {"lr": lr, "seed": seed}
    for precision in ("fp32", "bf16"):
        fit = training.fit(config_of(data_dir, seed, precision, lr), data)
        for _ in fit:
            pass
        row[precision] = round(fit.evaluate("test").accuracy, 4)
    return row


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", default=os.environ.get("TUNETRACK_DATA_DIR", "data"))
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "precision.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    data = training.load_data(config_of(given.data_dir, 0, "fp32", RATES[0]).data)
    rows = [pair(data, given.data_dir, seed, lr) for lr in RATES for seed in range(given.seeds)]
    points = [100.0 * (row["bf16"] - row["fp32"]) for row in rows]
    result = {
        "what": f"Fashion-MNIST, 3 layers of 64 filters, {TRAIN} images, {EPOCHS} epochs, 10,000 test images",
        "date": today(),
        "machine": describe_machine(),
        "pairs": rows,
        "bf16_minus_fp32_points": {
            "mean": round(statistics.mean(points), 2),
            "standard_error": round(statistics.stdev(points) / len(points) ** 0.5, 2),
        },
        "fp32_accuracy_over_seeds": {
            f"lr {lr:g}": {
                "min": min(row["fp32"] for row in rows if row["lr"] == lr),
                "max": max(row["fp32"] for row in rows if row["lr"] == lr),
            }
            for lr in RATES
        },
    }
    text = json.dumps(result, indent=2) + "\n"
    print(text)
    given.output.write_text(text)


if __name__ == "__main__":
    main()
