from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "mlflow", "optuna", "hyperopt", "pandas", "matplotlib", "statsmodels")


@pytest.mark.parametrize("module", ["tunetrack", "tunetrack.errors", "tunetrack.spec"])
def test_import_loads_no_heavy_library(module: str) -> None:
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.split() == []


def test_help_is_quick_because_it_loads_nothing_heavy() -> None:
    """`tunetrack --help` answers in under 0.3 s; what is tested is why: nothing heavy is imported."""
    code = "import sys; from tunetrack.cli import main; main(['--help'], standalone_mode=False); "
    code += f"print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in ran.stdout
    assert ran.stdout.splitlines()[-1] == "[]"


def test_a_supervisor_is_light() -> None:
    """It lives beside the study, so that its memory and start-up time come on top."""
    code = "import sys\nfrom tunetrack.cli import main\n"
    code += "try:\n    main(['run', 'no-such-file.yaml'])\nexcept SystemExit as end:\n    print(end.code)\n"
    code += f"print(sorted(set({[*sorted(HEAVY), 'numpy', 'pydantic', 'psutil']!r}) & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "no-such-file.yaml" in ran.stderr  # said by the process that was supervised
    assert ran.stdout.splitlines() == ["2", "[]"]
