"""Every combination of optimiser, precision and augmentation, small, and what each trains to, as a digest.

Run as a program it prints the digests of all of them, for comparison between processes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from typing import Any

from tunetrack import training
from tunetrack.spec.config import TrialConfig

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "adam": {"name": "adam", "lr": 0.01},
    "adamw": {"name": "adamw", "lr": 0.01},
    "sgd": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True},
}
AUGMENT = {"plain": None, "augmented": {"horizontal_flip": True, "rotation": 15.0, "translation": 0.1}}
CASES = [" ".join(case) for case in itertools.product(OPTIMIZERS, ("fp32", "bf16"), AUGMENT)]


def case_config(case: str, **trainer: Any) -> TrialConfig:
    optimizer, precision, augment = case.split()
    tree = {
        "data": {"name": "digits", "train": 150, "validation": 50, "test": 50, "augment": AUGMENT[augment]},
        "model": {"filters": 12, "num_layers": 2, "batch_norm": True, "conv_dropout": 0.1, "head": [16]},
        "optimizer": OPTIMIZERS[optimizer],
        "trainer": {"epochs": 2, "batch_size": 32, "precision": precision, "device": "cpu", "threads": 1}
        | {"deterministic": True, "seed": 11, **trainer},
    }
    return TrialConfig.model_validate(tree)


def digest_of(fit: training.Fit) -> str:
    """Trains, and hashes every bit of the weights and of the epochs' numbers."""
    numbers = [(r.train_loss, r.train_accuracy, r.validation_loss, r.validation_accuracy, r.lr) for r in fit]
    digest = hashlib.sha256(repr(numbers).encode())
    for name, tensor in fit.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def all_digests(cases: list[str], data: training.ResidentData) -> dict[str, str]:
    return {case: digest_of(training.fit(case_config(case), data)) for case in cases}


if __name__ == "__main__":
    print(json.dumps(all_digests(CASES, training.load_data(case_config(CASES[0]).data))))
