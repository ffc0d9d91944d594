from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "mlflow", "optuna", "hyperopt", "pandas", "matplotlib")


@pytest.mark.parametrize("module", ["tunetrack", "tunetrack.errors", "tunetrack.spec"])
def test_import_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.split() == []
