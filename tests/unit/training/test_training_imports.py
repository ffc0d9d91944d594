"""The folder works where only torch is installed, and shows what it says it shows."""

from __future__ import annotations

import subprocess
import sys

from tunetrack import training

_BLOCKED = """
import sys
for name in ("mlflow", "optuna", "hyperopt"):
    sys.modules[name] = None  # importing it now fails
import tunetrack.spec.config, tunetrack.spec.records
assert "torch" not in sys.modules
from tunetrack import training
assert "torchvision" not in sys.modules
from tunetrack.spec.config import DataConfig, TrialConfig, TrainerConfig
config = TrialConfig(data=DataConfig(name="digits", train=64), trainer=TrainerConfig(epochs=1))
print(len(list(training.fit(config, training.load_data(config.data)))))
"""


def test_it_trains_without_mlflow_optuna_and_hyperopt() -> None:
    result = subprocess.run([sys.executable, "-c", _BLOCKED], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "1\n"), result.stderr


def test_exported_names_exist_and_are_sorted() -> None:
    names = training.__all__
    assert names == sorted(names, key=lambda name: (not name.isupper(), name.islower(), name))
    assert all(hasattr(training, name) for name in names)
    assert len(names) == len(set(names))
